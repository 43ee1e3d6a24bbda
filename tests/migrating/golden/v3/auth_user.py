# dumpy: format 1
# fmt: off
"""Rows of auth.User, which restore.py loads."""
loader.save(create_auth_user(1, '', None, False, 'ada', '', '', '', False, True, utc(2024, 2, 29, 13, 0, 0, 123457), [1, 2], [19, 34]))
loader.save(create_auth_user(2, '', None, False, 'õnne', '', '', '', False, True, utc(2024, 2, 29, 14, 0, 0, 123458), [2], []))
loader.save(create_auth_user(5, '', None, False, 'guest', '', '', '', False, True, utc(2024, 2, 29, 17, 0, 0, 123461), [], [44, 56]))

loader.flush_deferred_objects()

# dumpy: end
