"""A check is a promise: it is green if and only if the restore goes through."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from sites import NewSite, Site, Version, create_database

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

EXAMPLES = int(os.environ.get("DUMPY_PROPERTY_EXAMPLES", "12"))
KIND = "ForeignKey('Kind', models.CASCADE, null=True)"
OLD = {
    "Kind.name": "CharField(max_length=10)",
    "Item.title": "CharField(max_length=10)",
    "Item.size": "IntegerField()",
    "Item.price": "DecimalField(max_digits=6, decimal_places=2)",
    "Item.day": "DateField(null=True)",
    "Item.kind": KIND,
    "Item.kinds": "ManyToManyField('Kind')",
}
# What fields may be today; None is a field that was removed.
NEW: dict[str, list[str | None]] = {
    "Kind.name": ["CharField(max_length=10, unique=True)", "CharField(max_length=2)", None],
    "Item.title": [
        "CharField(max_length=3)", "CharField(max_length=10, unique=True)", "TextField()",
        "IntegerField()", "CharField(max_length=10, choices=[('ab', 'A')])", "SlugField()", None,
    ],
    "Item.size": [
        "PositiveSmallIntegerField()", "IntegerField(unique=True)", "CharField(max_length=5)",
        "BooleanField()", "FloatField()", None,
    ],
    "Item.price": ["DecimalField(max_digits=6, decimal_places=1)", "IntegerField()", None],
    "Item.day": ["DateField()", "DateTimeField(null=True)", "CharField(max_length=20)"],
    "Item.kind": [
        "ForeignKey('Kind', models.CASCADE)", "ForeignKey('Item', models.CASCADE, null=True)",
        "OneToOneField('Kind', models.CASCADE, null=True)", "IntegerField(null=True)",
        "ManyToManyField('Kind')", None,
    ],
    "Item.kinds": ["ManyToManyField('Item')", None],
    "Item.new": [
        "IntegerField()", "IntegerField(default=1)", "IntegerField(default=1, unique=True)",
        "ForeignKey('Kind', models.CASCADE)", "ForeignKey('Kind', models.CASCADE, null=True)",
        "ForeignKey('Kind', models.CASCADE, default=7)", "CharField(max_length=3)",
    ],
    "Item.Meta": [
        "constraints = [models.UniqueConstraint(fields=['size', 'day'], name='one')]",
        "constraints = [models.CheckConstraint(condition=models.Q(size__gt=-2), name='two')]",
        "constraints = [models.CheckConstraint(condition=models.Q(size__gt=-9), name='three')]",
        "unique_together = [('title', 'kind')]",
    ],
}  # fmt: skip
FILL = """
from datetime import date
from decimal import Decimal
from django.core.management import call_command
from shop.models import *
a, b = Kind.objects.create(pk=1, name="red"), Kind.objects.create(pk=2, name="red")
rows = [("ab", 1, "0.25", None, a), ("abcd", -5, "1.00", date(2024, 1, 31), b),
        ("a b", 1, "2.50", None, None)]
for pk, (title, size, price, day, kind) in enumerate(rows, 1):
    one = Item(pk=pk, title=title, size=size, price=Decimal(price), day=day, kind=kind)
    one.save()
    one.kinds.set([a, b][:pk])
call_command("dump2py", "dump", verbosity=0)
"""


def _named(kind: str) -> str:
    """Let no two relations meet in a name at their other end."""
    is_relation = kind.startswith(("ForeignKey", "ManyToMany", "OneToOne"))
    return f"{kind[:-1]}, related_name='+')" if is_relation else kind


def models(fields: Mapping[str, str | None]) -> str:
    """Return the text of models with these fields."""
    text = "from django.db import models\n"
    for model in ("Kind", "Item"):
        own = {name.partition(".")[2]: kind for name, kind in fields.items() if model in name}
        meta = own.pop("Meta", None)
        lines = [f"    {name} = models.{_named(kind)}\n" for name, kind in own.items() if kind]
        text += f"\n\nclass {model}(models.Model):\n{''.join(lines) or '    pass'}"
        text += f"\n    class Meta:\n        {meta}\n" if meta else ""
    return text


CHANGES = st.lists(
    st.sampled_from([(name, kind) for name, kinds in NEW.items() for kind in kinds]),
    unique_by=lambda change: change[0],
    max_size=2,
)


@pytest.fixture(scope="module")
def made_site(new_site: NewSite) -> Site:
    """A shop without migrations, and its dump."""
    chosen = {"INSTALLED_APPS": ["dumpy", "shop"]}
    return new_site("promise", Version({"shop/models.py": models(OLD)}, chosen, FILL))


@pytest.fixture
def site(made_site: Site, tmp_path: Path, unblocked: None) -> Site:
    """A copy of the shop, with code and a database of its own."""
    return made_site.copied(tmp_path / "site", filled=False)


@settings(
    max_examples=EXAMPLES,
    # Each example is a few processes: a failing one is shown as it is.
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@example(changes=[])
@example(changes=[("Item.size", "FloatField()")])
@example(changes=[("Item.kind", "ForeignKey('Item', models.CASCADE, null=True)")])
@given(changes=CHANGES)
def test_a_check_is_green_if_and_only_if_the_restore_goes_through(
    site: Site, changes: list[tuple[str, str | None]]
) -> None:
    fields = {**OLD, **dict(changes)}
    gone = [
        name.partition(".")[2] for name, kind in fields.items() if kind is None or "Many" in kind
    ]
    if any(f"'{name}'" in (fields.get("Item.Meta") or "") for name in gone):
        del fields["Item.Meta"]  # it names a column that is not there
    create_database(site.databases["default"])
    site.write({"shop/models.py": models(fields)})
    checked = site.manage("checkdump", "dump")
    restored = site.manage("run", "dump/restore.py", "--noinput")
    said = f"{checked.stdout}{checked.stderr}\n{restored.stdout}{restored.stderr}"
    assert "Traceback" not in said
    assert (checked.returncode == 0) is (restored.returncode == 0), said
