# dumpy: format 1
# fmt: off
"""Rows of people.Writer, which restore.py loads."""
loader.save(create_people_writer(1, 'Ada', 'Lovelace', 'ada@example.org', date(1815, 12, 10), 'Wrote the first program.\nThe engine was never built.'))
loader.save(create_people_writer(2, 'Õnne Mari', 'Tamm', None, None, ''))
loader.save(create_people_writer(3, '', 'Sócrates', 'socrates@example.org', None, 'Wrote nothing.'))
loader.save(create_people_writer(8, 'Ursula Kroeber', 'Le.Guin', None, date(1929, 10, 21), 'Лучше идти, чем прийти. 🚀'))

loader.flush_deferred_objects()

# dumpy: end
