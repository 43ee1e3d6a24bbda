# dumpy: format 1
# fmt: off
"""Rows of press.Tag, which restore.py loads."""
loader.save(create_press_tag(1, 'art'))
loader.save(create_press_tag(2, 'ajalugu'))
loader.save(create_press_tag(3, 'Ελλάς'))
loader.save(create_press_tag(4, 'sea'))
loader.save(create_press_tag(6, '🦩'))
loader.save(create_press_tag(10, 'no article'))

loader.flush_deferred_objects()

# dumpy: end
