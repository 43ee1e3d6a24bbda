# dumpy: format 1
# fmt: off
"""Rows of auth.Group, which restore.py loads."""
loader.save(create_auth_group(1, 'Editors', [22, 24, 37, 53, 54]))
loader.save(create_auth_group(2, 'Kujundajad', [33, 35, 40]))
loader.save(create_auth_group(3, 'Sales', [12, 29, 52]))

loader.flush_deferred_objects()

# dumpy: end
