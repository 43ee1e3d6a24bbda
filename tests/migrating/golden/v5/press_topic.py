# dumpy: format 1
# fmt: off
"""Rows of press.Topic, which restore.py loads."""
loader.save(create_press_topic(1, 'art'))
loader.save(create_press_topic(2, 'ajalugu'))
loader.save(create_press_topic(3, 'Ελλάς'))
loader.save(create_press_topic(4, 'sea'))
loader.save(create_press_topic(6, '🦩'))
loader.save(create_press_topic(10, 'no article'))

loader.flush_deferred_objects()

# dumpy: end
