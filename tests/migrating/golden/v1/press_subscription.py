# dumpy: format 1
# fmt: off
"""Rows of press.Subscription, which restore.py loads."""
loader.save(create_press_subscription(1, 1, 1, date(2020, 1, 1), Decimal('9.90')))
loader.save(create_press_subscription(2, 1, 5, date(2021, 5, 1), Decimal('0.00')))
loader.save(create_press_subscription(3, 2, 2, date(2022, 2, 22), Decimal('1234.50')))
loader.save(create_press_subscription(6, 100, 9, date(1999, 12, 31), Decimal('-1.00')))

loader.flush_deferred_objects()

# dumpy: end
