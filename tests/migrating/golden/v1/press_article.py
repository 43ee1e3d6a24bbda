# dumpy: format 1
# fmt: off
"""Rows of press.Article, which restore.py loads."""
loader.save(create_press_article(1, 'The engine', 'It weaves.\r\n\tPatterns.', 1, 1, '1843-09-01', '3', 'p', [1, 3]))
loader.save(create_press_article(2, 'Meri', 'Sinine\u2028meri', 2, 2, '2024-06-24', '120', 'p', [2, 4]))
loader.save(create_press_article(3, 'Untitled', '?', 5, None, '', '', 'd', []))
loader.save(create_press_article(4, 'What is justice?', 'Ask \'him\' or "her".', 1, 3, '', '0', 'r', [3]))
loader.save(create_press_article(7, 'The wave', '  blanks  ', 9, 8, '2004-02-17', '9000', 'p', [1, 4, 6]))
loader.save(create_press_article(11, 'Päev', '{% now %}', 2, 2, '2024-02-29', '2', 'r', [2, 6]))

loader.flush_deferred_objects()

# dumpy: end
