"""Models and fields that are not there, or that a row must not name."""

from __future__ import annotations

import pytest
from django.test import override_settings
from hostile_dumps import DUMP, LEO, changed, dump_of, table
from oracle import DATA_ONLY, Refuse, another, deserialized, first_line, is_refused

# The reader is the same for every engine; what a view takes is not.
pytestmark = pytest.mark.sqlite

DOORS = ["text", another("file")]
LABELS = [
    "zoo.Unicorn",
    "unicorn.Unicorn",
    "zoo",
    "zoo.",
    ".Species",
    "",
    ".",
    "zoo.models.Species",
    "zoo.Species.objects",
    "zoo.Species ",
    " zoo.Species",
    "ZOO.Species",
    "zoo-Species",
    "zoo/Species",
    "../zoo.Species",
    "zoo.__class__",
    "zoo.__init__",
    "os.system",
    "django.contrib.auth.models.User",
    "models.Model",
    "zoo.Species\\n",
    "zoo.Species\\0",
    "zoo.\\ud800",
    "zоо.Species",
    "zoo.\uff33pecies",
    "'; DROP TABLE zoo_species; --",
    "a" * 100_000,
]
KEYWORDS = [
    "pk",
    "pk__in",
    "id__in",
    "id__exact",
    "latin__contains",
    "latin__regex",
    "_connector",
    "_negated",
    "_state",
    "_meta",
    "_dumpy_row",
    "__class__",
    "__dict__",
    "__init__",
    "__setattr__",
    "__module__",
    "objects",
    "_base_manager",
    "save",
    "save_base",
    "full_clean",
    "delete",
    "before_dumpy_save",
    "refresh_from_db",
    "get_deferred_fields",
    "using",
    "force_insert",
    "raw",
    "update_fields",
    "self",
    "model",
    "args",
    "kwargs",
    "DoesNotExist",
    "animal",
    "animal_set",
    "exhibits",
    "exhibits__weight",
    "latin_id",
    "Latin",
    "latin\u0300",
    "lat\u0131n",
]
TEXT_KEYWORDS = [
    "",
    " ",
    "latin ",
    "a b",
    "latin=1, id",
    "latin\\0",
    "\\ud800",
    "\\n",
    "lambda",
    "class",
    "None",
    "\uff4catin",
    "latin) VALUES (1); --",
    'id\\" = 1 OR 1',
    "%s",
    "a" * 100_000,
]
ROWS = [
    "",
    "2",
    "2, 'Panthera leo', 3",
    "2, 'Panthera leo', None",
    "'Panthera leo'",
    ", ".join(["2"] * 1000),
]
MISSING = {
    "no key field and no default": dump_of(table("zoo.Star", "label chips", "'a', []")),
    "a field without a default": dump_of(table("zoo.Otter", "id name", "1, 'a'")),
    "a column of the parent": dump_of(
        table("zoo.Bird", "creature_ptr_id name wingspan", "1, 'a', 2")
    ),
    "a child without its parent": dump_of(
        table("zoo.Bird", "creature_ptr_id wingspan rivals", "77, 2, []")
    ),
    "a generated column": dump_of(
        table("zoo.Crate", "id label width height area", "1, 'a', 1, 2, 3")
    ),
    "half a composite key": dump_of(table("zoo.Booking", "day visitor", "date(2024, 1, 1), 'a'")),
    "a composite key as one": dump_of(table("zoo.Booking", "pk visitor", "[1, 2], 'a'")),
    "links through a model of its own": dump_of(
        table("zoo.Trough", "id name animals", "1, 'a', []")
    ),
    "a generic foreign key": dump_of(table("zoo.Note", "id target", "1, 2")),
    "a model without a table": dump_of(table("zoo.Dodo", "id name", "1, 'a'")),
    "a view": dump_of(table("zoo.TallCreature", "id name height", "1, 'a', 2")),
    "a unique value twice": dump_of(table("zoo.Species", "id latin", "5, 'a'", "6, 'a'")),
    "a cycle that is open": dump_of(
        table("zoo.Region", "id name within_id", "1, 'a', 2", "2, 'b', 77")
    ),
    "too many of the unknown": dump_of(
        *[table(f"zoo.Unicorn{number}", "id", "1") for number in range(300)]
    ),
}  # fmt: skip


@pytest.mark.parametrize("refuse", DOORS, indirect=True)
@pytest.mark.parametrize("label", LABELS, ids=lambda label: ascii(label)[:40])
def test_a_model_that_is_not_there_is_refused(label: str, refuse: Refuse) -> None:
    quoted = label if '\\"' in label else label.replace("'", "\\'")
    text = changed("resolve_model('zoo.Species')", f"resolve_model('{quoted}')")
    assert first_line(refuse(text)) is not None


@pytest.mark.parametrize("refuse", DOORS, indirect=True)
@pytest.mark.parametrize("name", KEYWORDS)
def test_a_keyword_that_is_no_field_is_refused_with_its_line(name: str, refuse: Refuse) -> None:
    text = changed("        latin=latin,\n", f"        latin=latin,\n        {name}=latin,\n")
    line = text[: text.index(f"        {name}=latin,\n")].count("\n") + 1
    assert first_line(refuse(text)) == line


@pytest.mark.parametrize("refuse", DOORS, indirect=True)
@pytest.mark.parametrize("name", [*KEYWORDS, *TEXT_KEYWORDS], ids=lambda name: ascii(name)[:40])
def test_a_keyword_as_a_text_that_is_no_field_is_refused(name: str, refuse: Refuse) -> None:
    text = changed("        latin=latin,\n", f"        **{{'latin': latin, '{name}': latin}},\n")
    assert first_line(refuse(text)) is not None


@pytest.mark.parametrize("refuse", DOORS, indirect=True)
@pytest.mark.parametrize("values", ROWS, ids=lambda values: values[:40])
def test_a_row_of_another_width_is_refused_with_its_line(values: str, refuse: Refuse) -> None:
    line = DUMP[: DUMP.index(LEO)].count("\n") + 1
    assert first_line(refuse(changed(LEO, f"({values})"))) == line


@pytest.mark.parametrize("refuse", DOORS, indirect=True)
@pytest.mark.parametrize("text", MISSING.values(), ids=MISSING.keys())
def test_rows_that_do_not_fit_their_model_are_refused(text: str, refuse: Refuse) -> None:
    assert first_line(refuse(text)) is not None


@override_settings(AUTH_USER_MODEL="zoo.Keeper", DUMPY=DATA_ONLY)
def test_a_swapped_model_is_refused(target: None) -> None:
    fields = "id password is_superuser username first_name last_name email is_staff is_active"
    rows = table(
        "auth.User",
        f"{fields} date_joined",
        "1, '', True, 'root', '', '', '', True, True, utc(2024, 1, 1)",
    )
    error = is_refused(lambda: deserialized(dump_of(rows)))
    assert first_line(error) is not None
    assert "auth.User" in str(error)
