# dumpy: format 1
# fmt: off
"""Rows of press.Reader, which restore.py loads."""
loader.save(create_press_reader(1, 'Grace', 'grace@example.org', 'Main street 1', 'Arlington'))
loader.save(create_press_reader(2, 'Jaan', 'jaan@example.org', 'Ülikooli 18', 'Tartu'))
loader.save(create_press_reader(3, 'Niemand', 'nobody@example.org', '', ''))
loader.save(create_press_reader(100, 'Sofja Ковалевская', 'sofja@example.org', '', 'Stockholm'))

loader.flush_deferred_objects()

# dumpy: end
