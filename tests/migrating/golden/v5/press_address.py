# dumpy: format 1
# fmt: off
"""Rows of press.Address, which restore.py loads."""
loader.save(create_press_address(UUID('00000000-0000-0000-0000-000000000001'), 'Main street 1', 'Arlington'))
loader.save(create_press_address(UUID('00000000-0000-0000-0000-000000000002'), 'Ülikooli 18', 'Tartu'))
loader.save(create_press_address(UUID('00000000-0000-0000-0000-000000000003'), '', ''))
loader.save(create_press_address(UUID('00000000-0000-0000-0000-000000000064'), '', 'Stockholm'))

loader.flush_deferred_objects()

# dumpy: end
