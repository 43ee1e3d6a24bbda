# dumpy: format 1
# fmt: off
"""Rows of auth.Group, which restore.py loads."""
loader.save(create_auth_group(1, 'Editors', [30, 32, 49, 53, 54]))
loader.save(create_auth_group(2, 'Kujundajad', [45, 47, 52]))
loader.save(create_auth_group(3, 'Sales', [12, 20, 37]))

loader.flush_deferred_objects()

# dumpy: end
