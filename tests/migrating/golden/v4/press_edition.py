# dumpy: format 1
# fmt: off
"""Rows of press.Edition, which restore.py loads."""
loader.save(create_press_edition(1, date(2024, 2, 29), 1000))
loader.save(create_press_edition(2, date(2024, 3, 1), 0))

loader.flush_deferred_objects()

# dumpy: end
