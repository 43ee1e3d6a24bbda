"""Fields that have become of another type, or came in addition: what was loaded is compared."""

from __future__ import annotations

import pytest
from sites import Site, Version

# Connections to PostgreSQL look at the types in the database of the tests, which this makes.
pytestmark = pytest.mark.django_db

FIELDS = {
    "size": "models.FloatField()",
    "day": "models.DateTimeField()",
    "word": "models.CharField(max_length=50)",
    "count": "models.IntegerField()",
    "extra": "models.JSONField()",
}
FILL = """
from datetime import datetime, timezone
from shop.models import Item
day = datetime(2024, 1, 2, 3, 4, tzinfo=timezone.utc)
Item.objects.create(size=1.75, day=day, word="f", count=5, extra={"a": 1})
"""
CLEAN = """
    def clean(self):
        self.word = "changed"
        self.extra["seen"] = True
"""


def models(method: str = "", **fields: str) -> dict[str, str]:
    """Return the code of the model with some fields changed or added."""
    lines = [f"    {name} = {field}\n" for name, field in {**FIELDS, **fields}.items()]
    head = "from django.db import models\n\n\nclass Item(models.Model):\n"
    return {"shop/models.py": head + "".join(lines) + method}


BEFORE = Version(models(), fill=FILL)


LOSSY = {
    "a float as an integer": {"size": "models.IntegerField()"},
    "a float with fewer digits": {"size": "models.DecimalField(max_digits=9, decimal_places=1)"},
    "a moment as a day": {"day": "models.DateField()"},
    "a text as yes or no": {"word": "models.BooleanField()"},
}


@pytest.mark.parametrize("fields", LOSSY.values(), ids=LOSSY)
def test_a_type_that_loses_something_is_refused(shop: Site, fields: dict[str, str]) -> None:
    shop.write(models(**fields))
    shop.refuse(shop.the_dump, "--quick")


def test_a_local_time_that_does_not_exist_is_refused(shop: Site) -> None:
    """Where clocks go forward, Django moves it by an hour."""
    shop.configure(TIME_ZONE="Europe/Berlin")
    for day, is_kept in (("2024, 3, 31, 1, 30", True), ("2024, 3, 31, 2, 30", False)):
        text = (shop.directory / "dump.py").read_text()
        text = text.replace("utc(2024, 1, 2, 3, 4)", f"datetime({day})").replace(" utc,", "")
        shop.write({"naive.py": text})
        if is_kept:
            shop.succeed("restore", "naive.py", "-b")
        else:
            assert "would become" in shop.refused("restore", "naive.py", "-b")


@pytest.mark.sqlite
@pytest.mark.mysql
def test_a_local_time_that_is_another_hour_is_refused(shop: Site) -> None:
    """Where clocks go back, a naive time is the first of two."""
    shop.configure(TIME_ZONE="Europe/Berlin", USE_TZ=False)
    for hour, is_kept in ((0, True), (1, False)):
        moment = f"utc(2024, 10, 27, {hour}, 30)"
        text = (shop.directory / "dump.py").read_text()
        shop.write({"aware.py": text.replace("utc(2024, 1, 2, 3, 4)", moment)})
        if is_kept:
            shop.succeed("restore", "aware.py", "-b")
        else:
            assert "would become" in shop.refused("restore", "aware.py", "-b")


def test_a_type_that_loses_something_is_refused_beside_a_new_field(shop: Site) -> None:
    fields = {**LOSSY["a float as an integer"], "new": "models.IntegerField(default=1)"}
    shop.write(models(**fields))
    shop.refuse(shop.the_dump, "--quick")


def test_a_type_that_loses_something_is_refused_for_a_single_file(shop: Site) -> None:
    shop.write(models(**LOSSY["a float as an integer"]))
    shop.refused("restore", shop.the_file, "-b", "--quick")


def test_a_type_that_holds_the_same_needs_no_hand(shop: Site) -> None:
    shop.write(models(count="models.CharField(max_length=9)"))
    shop.succeed("run", shop.the_dump / "restore.py", "-b")
    assert shop.rows("shop_item", "count") == [("5",)]


def test_a_clean_that_changes_values_changes_nothing(shop: Site) -> None:
    shop.write(models(CLEAN, new="models.IntegerField(default=1)"))
    shop.succeed("run", shop.the_dump / "restore.py", "-b")
    ((word, extra),) = shop.rows("shop_item", "word", "extra")
    assert word == "f"
    assert "seen" not in str(extra)
