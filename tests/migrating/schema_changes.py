"""Models as text, and random changes of them that a restore takes without a hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from unittest.mock import ANY

from hypothesis import strategies as st

Options = Mapping[str, str]


@dataclass(frozen=True)
class Field:
    """A field: its class, and its arguments as text; ``column`` is that of the database."""

    name: str
    kind: str
    arguments: tuple[str, ...] = ()
    options: Options = field(default_factory=dict)

    @property
    def column(self) -> str:
        """The column: what ``db_column`` says, or what Django makes of the name."""
        suffix = "_id" if self.kind == "ForeignKey" else ""
        return self.options.get("db_column", repr(self.name + suffix)).strip("'")

    def __str__(self) -> str:
        options = (f"{name}={value}" for name, value in self.options.items())
        return f"    {self.name} = models.{self.kind}({', '.join([*self.arguments, *options])})\n"


@dataclass(frozen=True)
class ModelText:
    """A model: its fields, and the options of its ``Meta`` as text."""

    name: str
    fields: tuple[Field, ...]
    meta: Options = field(default_factory=dict)

    @property
    def table(self) -> str:
        """The table: what ``db_table`` says, or what Django makes of the name."""
        return self.meta.get("db_table", f"'shop_{self.name.lower()}'").strip("'")

    def field(self, name: str) -> Field:
        """Return the field of a name."""
        return next(one for one in self.fields if one.name == name)

    def __str__(self) -> str:
        options = (f"        {name} = {value}\n" for name, value in self.meta.items())
        meta = f"\n    class Meta:\n{''.join(options)}" if self.meta else ""
        return f"class {self.name}(models.Model):\n{''.join(map(str, self.fields))}{meta}\n\n"


def many_to_many_table(model: ModelText, name: str) -> str:
    """Return the table of the links of a field."""
    default = f"'{model.table}_{name}'"
    return model.field(name).options.get("db_table", default).strip("'")


KIND = ModelText(
    "Kind",
    (
        Field("id", "AutoField", (), {"primary_key": "True"}),
        Field("code", "CharField", (), {"max_length": "10", "unique": "True"}),
        Field("words", "SmallIntegerField"),
    ),
)
ITEM = ModelText(
    "Item",
    (
        Field("id", "AutoField", (), {"primary_key": "True"}),
        Field("name", "CharField", (), {"max_length": "20"}),
        Field("count", "IntegerField"),
        Field("price", "DecimalField", (), {"max_digits": "6", "decimal_places": "2"}),
        Field("day", "DateField", (), {"null": "True"}),
        Field("is_new", "BooleanField"),
        Field("about", "TextField", (), {"blank": "True"}),
        Field("data", "JSONField", (), {"null": "True"}),
        Field("kind", "ForeignKey", ("Kind", "models.CASCADE")),
        Field("parent", "ForeignKey", ("'self'", "models.CASCADE"), {"null": "True"}),
        Field("kinds", "ManyToManyField", ("Kind",), {"related_name": "'items'"}),
    ),
)
OLD = (KIND, ITEM)
FILL = r"""
from shop.models import Item, Kind
rock = Kind.objects.create(pk=3, code="Rock", words=-5)
jazz = Kind.objects.create(pk=2_000_000, code="Jazz \u2028", words=32_767)
one = Item.objects.create(pk=1, name="one", count=1, price="9.90", is_new=True, kind=rock)
two = Item.objects.create(
    pk=7, name="'two'", count=-2**31, price="-0.01", day="1999-12-31", is_new=False,
    about="long\n" * 1000, data={"a": [1, 1.0, None]}, kind=rock, parent=one,
)
last = Item.objects.create(
    pk=2**31 - 5, name=" ", count=0, price="9999.99", day="2000-01-01", is_new=True,
    data="text", kind=jazz,
)
one.parent = last
one.save()
one.kinds.add(rock, jazz)
last.kinds.add(jazz)
"""

WIDER: dict[str, list[tuple[str, Options]]] = {
    "AutoField": [("BigAutoField", {})],
    "CharField": [("CharField", {"max_length": "200"})],
    "SmallIntegerField": [("IntegerField", {}), ("BigIntegerField", {})],
    "IntegerField": [("BigIntegerField", {}), ("IntegerField", {"null": "True"})],
    "DecimalField": [
        ("DecimalField", {"max_digits": "20"}),
        ("DecimalField", {"max_digits": "8", "decimal_places": "4"}),
    ],
    "DateField": [("DateField", {"default": "None"})],
    "BooleanField": [("BooleanField", {"null": "True"}), ("BooleanField", {"default": "True"})],
    "TextField": [("TextField", {"null": "True"})],
    "JSONField": [("JSONField", {"default": "dict"})],
    "ForeignKey": [("ForeignKey", {"null": "True"}), ("ForeignKey", {"related_name": "'+'"})],
    "ManyToManyField": [("ManyToManyField", {"blank": "True"})],
}
UNIQUE = {"name", "count", "price", "day"}
"""Fields whose values are unique in the rows of the dump, but not in the old model."""

NEW_FIELDS: dict[str, tuple[Field, Any]] = {
    name: (Field(f"new_{name}", kind, arguments, options), value)
    for name, kind, arguments, options, value in [
        ("number", "IntegerField", (), {"default": "7"}, 7),
        ("word", "CharField", (), {"max_length": "9", "default": "'x'"}, "x"),
        ("empty", "CharField", (), {"max_length": "9", "default": "''"}, ""),
        ("blank", "TextField", (), {"blank": "True"}, ""),
        ("day", "DateField", (), {"null": "True"}, None),
        ("single", "IntegerField", (), {"null": "True", "unique": "True"}, None),
        ("database", "IntegerField", (), {"db_default": "5"}, 5),
        ("computed", "IntegerField", (), {"db_default": "models.Value(2) + 3"}, 5),
        ("called", "CharField", (), {"max_length": "9", "default": "called"}, "called"),
        ("kind", "ForeignKey", ("Kind", "models.CASCADE"),
         {"null": "True", "related_name": "'+'"}, None),
        ("default_kind", "ForeignKey", ("Kind", "models.CASCADE"),
         {"default": "3", "related_name": "'+'"}, 3),
        ("links", "ManyToManyField", ("Kind",), {"related_name": "'+'"}, ANY),
        ("moment", "DateTimeField", (), {"db_default": "models.functions.Now()"}, ANY),
        ("key", "UUIDField", (), {"default": "uuid4", "unique": "True"}, ANY),
        ("copy", "GeneratedField", (), {"expression": "models.F('count')",
         "output_field": "models.BigIntegerField()", "db_persist": "True"}, ANY),
    ]
}  # fmt: skip
NEW_MODELS = {
    "a model": "class Extra(models.Model):\n    text = models.TextField()\n\n\n",
    "a model that refers": "class Part(models.Model):\n"
    "    item = models.ForeignKey(Item, models.CASCADE)\n"
    "    kinds = models.ManyToManyField(Kind)\n\n\n",
    "a child": "class Special(Item):\n    more = models.TextField()\n\n\n",
    "a proxy": "class Alias(Item):\n    class Meta:\n        proxy = True\n\n\n",
}
HEAD = """from uuid import uuid4

from django.db import models


def called():
    return 'called'


"""


@dataclass(frozen=True)
class Schema:
    """The models of a day; ``added`` are the names of the fields of an item that are new."""

    models: tuple[ModelText, ...] = OLD
    added: tuple[str, ...] = ()
    more: str = ""

    def __str__(self) -> str:
        return f"{HEAD}{''.join(map(str, self.models))}{self.more}"

    def model(self, name: str) -> ModelText:
        """Return the model of a name."""
        return next(one for one in self.models if one.name == name)

    def expected(self) -> Iterator[tuple[str, Any]]:
        """Yield the column of each new field, and the value that it has in all rows."""
        for name in self.added:
            _old, value = NEW_FIELDS[name]
            found = self.model("Item").field(f"new_{name}")
            if found.kind != "ManyToManyField":
                yield found.column, value


@st.composite
def schemas(draw: st.DrawFn) -> Schema:
    """Return models that have changed at random since the dump."""
    added = tuple(draw(st.lists(st.sampled_from(sorted(NEW_FIELDS)), unique=True, max_size=4)))
    more = draw(st.lists(st.sampled_from(sorted(NEW_MODELS)), unique=True, max_size=2))
    new = tuple(NEW_FIELDS[name][0] for name in added)
    item = replace(ITEM, fields=ITEM.fields + new)
    models = tuple(_changed(draw, model) for model in (KIND, item))
    return Schema(models, added, "".join(NEW_MODELS[name] for name in more))


def _changed(draw: st.DrawFn, model: ModelText) -> ModelText:
    fields = [_changed_field(draw, one) for one in model.fields]
    if draw(st.booleans()):
        fields = draw(st.permutations(fields))
    return replace(model, fields=tuple(fields), meta=draw(_meta(model)))


def _meta(model: ModelText) -> st.SearchStrategy[Options]:
    choices = {
        "db_table": st.sampled_from([f"'my {model.name}'", f"'T_{model.name.lower()}'"]),
        "verbose_name": st.just("'thing'"),
        "ordering": st.just("['-id']"),
        "default_permissions": st.just("()"),
    }
    if model.name == "Item":
        choices["unique_together"] = st.just("[('kind', 'name')]")
        choices["constraints"] = st.just(
            "[models.UniqueConstraint(fields=['count', 'is_new'], name='one')]"
        )
        choices["indexes"] = st.just("[models.Index(fields=['-day', 'price'], name='some')]")
    return st.fixed_dictionaries({}, optional=choices)


def _changed_field(draw: st.DrawFn, old: Field) -> Field:
    changed = old
    if draw(st.booleans()) and not old.name.startswith("new_"):
        kind, options = draw(st.sampled_from(WIDER[old.kind]))
        changed = replace(old, kind=kind, options={**old.options, **options})
    more: dict[str, str] = {}
    if old.kind == "ManyToManyField":
        name = st.just(f"'my {old.name}'")
        more = draw(st.fixed_dictionaries({}, optional={"db_table": name}))
    elif draw(st.booleans()):
        more = draw(_field_options(old))
    return replace(changed, options={**changed.options, **more})


def _field_options(old: Field) -> st.SearchStrategy[dict[str, str]]:
    choices = {
        "db_column": st.sampled_from([f"'my {old.name}'", f"'C_{old.name}'"]),
        "verbose_name": st.just("'something'"),
        "help_text": st.just("'Say it.'"),
    }
    if old.name in UNIQUE:
        choices["unique"] = st.just("True")
    return st.fixed_dictionaries({}, optional=choices)
