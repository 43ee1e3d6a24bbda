# dumpy: format 1
# fmt: off
"""Rows of press.Article, which restore.py loads."""
loader.save(create_press_article(1, 'The engine', None, 'It weaves.\r\n\tPatterns.', 'eng', 1, 1, date(1843, 9, 1), 3, 'published', [1, 3]))
loader.save(create_press_article(2, 'Meri', 'Suvi 2024', 'Sinine\u2028meri', 'est', 2, 2, date(2024, 6, 24), 120, 'published', [2, 4]))
loader.save(create_press_article(3, 'Untitled', '', '?', 'eng', 5, None, None, None, 'draft', []))
loader.save(create_press_article(4, 'What is justice?', None, 'Ask \'him\' or "her".', 'eng', 1, 3, None, 0, 'review', [3]))
loader.save(create_press_article(7, 'The wave', 'in the mind', '  blanks  ', 'eng', 9, 8, date(2004, 2, 17), 9000, 'published', [1, 4, 6]))
loader.save(create_press_article(11, 'Päev', None, '{% now %}', 'est', 2, 2, date(2024, 2, 29), 2, 'review', [2, 6]))

loader.flush_deferred_objects()

# dumpy: end
