# dumpy: format 1
# fmt: off
"""Rows of press.Biography, which restore.py loads."""
loader.save(create_press_biography(1, date(1815, 12, 10), 'Wrote the first program.\nThe engine was never built.'))
loader.save(create_press_biography(3, None, 'Wrote nothing.'))
loader.save(create_press_biography(8, date(1929, 10, 21), 'Лучше идти, чем прийти. 🚀'))

loader.flush_deferred_objects()

# dumpy: end
