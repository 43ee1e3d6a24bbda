# dumpy: format 1
# fmt: off
"""Rows of press.Medium, which restore.py loads."""
loader.save(create_press_medium(1, 1, 'photo', 'engine.png', '', None))
loader.save(create_press_medium(2, 2, 'photo', 'meri/õhtu.jpg', 'Õhtu', None))
loader.save(create_press_medium(4, 7, 'photo', 'wave.jpg', 'The wave, drawn', None))
loader.save(create_press_medium(11, 2, 'video', 'https://example.org/meri.mp4', 'Meri', 61))
loader.save(create_press_medium(13, 7, 'video', 'https://example.org/wave', '', None))

loader.flush_deferred_objects()

# dumpy: end
