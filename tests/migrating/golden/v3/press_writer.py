# dumpy: format 1
# fmt: off
"""Rows of press.Writer, which restore.py loads."""
loader.save(create_press_writer(1, 'Ada Lovelace', 'ada@example.org', '+44 20'))
loader.save(create_press_writer(2, 'Õnne Mari Tamm', None, ''))
loader.save(create_press_writer(3, 'Sócrates', 'socrates@example.org', '555'))
loader.save(create_press_writer(8, 'Ursula Kroeber Le.Guin', None, '+1 503'))

loader.flush_deferred_objects()

# dumpy: end
