# dumpy: format 1
# fmt: off
"""Rows of press.Video, which restore.py loads."""
loader.save(create_press_video(1, 2, 'https://example.org/meri.mp4', 'Meri', 61))
loader.save(create_press_video(3, 7, 'https://example.org/wave', '', None))

loader.flush_deferred_objects()

# dumpy: end
