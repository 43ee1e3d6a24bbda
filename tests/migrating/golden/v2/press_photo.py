# dumpy: format 1
# fmt: off
"""Rows of press.Photo, which restore.py loads."""
loader.save(create_press_photo(1, 1, 'engine.png', ''))
loader.save(create_press_photo(2, 2, 'meri/õhtu.jpg', 'Õhtu'))
loader.save(create_press_photo(4, 7, 'wave.jpg', 'The wave, drawn'))

loader.flush_deferred_objects()

# dumpy: end
