# dumpy: format 1
# fmt: off
"""Rows of press.Placement, which restore.py loads."""
loader.save(create_press_placement(1, 1, 1, 1))
loader.save(create_press_placement(2, 1, 3, 2))
loader.save(create_press_placement(3, 2, 4, 1))
loader.save(create_press_placement(4, 2, 2, 2))
loader.save(create_press_placement(5, 4, 3, 1))
loader.save(create_press_placement(6, 7, 1, 1))
loader.save(create_press_placement(7, 7, 4, 2))
loader.save(create_press_placement(8, 7, 6, 3))
loader.save(create_press_placement(9, 11, 2, 1))
loader.save(create_press_placement(10, 11, 6, 2))

loader.flush_deferred_objects()

# dumpy: end
