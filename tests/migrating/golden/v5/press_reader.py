# dumpy: format 1
# fmt: off
"""Rows of press.Reader, which restore.py loads."""
loader.save(create_press_reader(UUID('00000000-0000-0000-0000-000000000001'), 'Grace', 'grace@example.org'))
loader.save(create_press_reader(UUID('00000000-0000-0000-0000-000000000002'), 'Jaan', 'jaan@example.org'))
loader.save(create_press_reader(UUID('00000000-0000-0000-0000-000000000003'), 'Niemand', 'nobody@example.org'))
loader.save(create_press_reader(UUID('00000000-0000-0000-0000-000000000064'), 'Sofja Ковалевская', 'sofja@example.org'))

loader.flush_deferred_objects()

# dumpy: end
