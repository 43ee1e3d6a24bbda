# dumpy: format 1
# fmt: off
"""Rows of auth.Group, which restore.py loads."""
loader.save(create_auth_group(1, 'Editors', [17, 18, 29, 38, 40]))
loader.save(create_auth_group(2, 'Kujundajad', [32, 45, 47, 53]))
loader.save(create_auth_group(3, 'Sales', [12, 24, 49]))

loader.flush_deferred_objects()

# dumpy: end
