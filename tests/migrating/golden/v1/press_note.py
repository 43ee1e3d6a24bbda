# dumpy: format 1
# fmt: off
"""Rows of press.Note, which restore.py loads."""
loader.save(create_press_note(1, natural('contenttypes.ContentType', 'press', 'article'), 1, 1, 'Check the numbers.', utc(2024, 2, 29, 13, 0, 0, 123457)))
loader.save(create_press_note(2, natural('contenttypes.ContentType', 'press', 'writer'), 3, 1, 'Never answers letters.', utc(2024, 2, 29, 14, 0, 0, 123458)))
loader.save(create_press_note(3, natural('contenttypes.ContentType', 'press', 'photo'), 2, 2, 'Väga ilus', utc(2024, 2, 29, 15, 0, 0, 123459)))
loader.save(create_press_note(4, natural('contenttypes.ContentType', 'press', 'video'), 3, 2, 'Too long', utc(2024, 2, 29, 16, 0, 0, 123460)))
loader.save(create_press_note(7, natural('contenttypes.ContentType', 'press', 'tag'), 6, 5, '🦩?', utc(2024, 2, 29, 19, 0, 0, 123463)))
loader.save(create_press_note(8, natural('contenttypes.ContentType', 'press', 'section'), 5, 5, ' ', utc(2024, 2, 29, 20, 0, 0, 123464)))

loader.flush_deferred_objects()

# dumpy: end
