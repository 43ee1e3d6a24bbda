# dumpy: format 1
# fmt: off
"""Rows of press.Section, which restore.py loads."""
loader.save(create_press_section(1, 'World', 'world'))
loader.save(create_press_section(2, 'Eesti', 'eesti'))
loader.save(create_press_section(5, 'Sõnad ja pildid', 'sonad'))
loader.save(create_press_section(9, "'Quoted' \\ section", 'quoted'))

loader.flush_deferred_objects()

# dumpy: end
