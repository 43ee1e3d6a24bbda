# dumpy: format 1
# fmt: off
"""Rows of press.Section, which restore.py loads."""
loader.save(create_press_section(1, 'World', 'world', None))
loader.save(create_press_section(2, 'Eesti', 'eesti', 1))
loader.save(create_press_section(5, 'Sõnad ja pildid', 'sonad', None))
loader.save(create_press_section(9, "'Quoted' \\ section", 'quoted', 5))

loader.flush_deferred_objects()

# dumpy: end
