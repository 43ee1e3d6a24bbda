# dumpy: format 1
# fmt: off
"""Rows of press.Subscription, which restore.py loads."""
loader.save(create_press_subscription(1, UUID('00000000-0000-0000-0000-000000000001'), 1, date(2020, 1, 1), Decimal('9.90'), None))
loader.save(create_press_subscription(2, UUID('00000000-0000-0000-0000-000000000001'), 5, date(2021, 5, 1), Decimal('0.00'), date(2023, 5, 1)))
loader.save(create_press_subscription(3, UUID('00000000-0000-0000-0000-000000000002'), 2, date(2022, 2, 22), Decimal('1234.50'), None))
loader.save(create_press_subscription(6, UUID('00000000-0000-0000-0000-000000000064'), 9, date(1999, 12, 31), Decimal('-1.00'), date(2000, 1, 1)))

loader.flush_deferred_objects()

# dumpy: end
