"""Content that looks like code, wherever there is text: there and back exactly, and never run."""

from __future__ import annotations

import pytest
from django.test import override_settings
from hostile_dumps import changed, dump_of, table
from oracle import DATA_ONLY, deserialized, first_line, is_refused, watching
from running import dumped

from dumpy.errors import DumpyError
from dumpy.text.emit import head
from zoo.models import Animal, Country, Diet, Mascot, Note, Species

# The reader is the same for every engine; what their columns hold is not.
pytestmark = [pytest.mark.usefixtures("warm", "db"), pytest.mark.sqlite]

TEXTS = [
    "__import__('os').system('touch ran')",
    "');__import__('os').system('touch ran');('",
    "')\n    yield create_zoo_species(3, 'a",
    "\n    yield create_zoo_species(3, 'a')\n",
    "'\nimport os\n'",
    '"""\nimport os\n"""',
    "'''",
    '"',
    "\\",
    "\\'",
    "\\\n",
    "\\x41\\u0041\\N{BULLET}",
    "# dumpy: format 1",
    "# dumpy: end",
    "\n# dumpy: end\n",
    "__dumpy_rows__(0)",
    "yield from __dumpy_rows__(0)",
    "-*- coding: utf-7 -*-",
    "+AGEALw-",
    "{0.__class__}{x}",
    "{{ settings.SECRET_KEY }}{% debug %}",
    "%s%n%(a)s%",
    "$(touch ran)`touch ran`",
    "'; DROP TABLE zoo_species; --",
    "None",
    "True",
    "1",
    "[1, 2]",
    "{'a': 1}",
    "natural('zoo.Species', 1)",
    "new",
    "lambda: 1",
    "f'{1}'",
    "a\0b",
    "a\rb",
    "a\r\nb",
    "a\x0cb\x0bc\x1cd\x1de\x1ef\x85g",
    "a\u2028b\u2029c",
    "\u202eabc\u202c\u2066\u2069\u200f",
    "\ufeff",
    "\u200b\u00ad",
    "ａｂｃ ﬁ ℌ",
    "e\u0301 é",
    "\U0001f600\U0010ffff\ufffe",
    "\x1b]0;a\x07\x1b[31m",
    " leading and trailing ",
    "\t",
    "",
    "<script>alert(1)</script>&amp;",
    "../../../etc/passwd",
    "http://127.0.0.1/?a=b#c",
    "9" * 90,
    "-0.0",
    "nan",
    "1e999",
]


def load_data(text: str) -> None:
    """Load a dump where no code may run."""
    with override_settings(DUMPY=DATA_ONLY), watching() as watch:
        deserialized(text)
    assert watch.events == []


def refuse(text: str) -> DumpyError:
    """Load what must be refused where no code may run; return the error."""
    with override_settings(DUMPY=DATA_ONLY):
        return is_refused(lambda: deserialized(text))


def refilled(*models: type) -> None:
    """Dump tables, empty them, and load the dump where no code may run; dump again."""
    labels = [model._meta.label for model in models]  # type: ignore[attr-defined]
    text = dumped(*labels)
    before = [list(model.objects.order_by("pk").values()) for model in models]  # type: ignore[attr-defined]
    for model in reversed(models):
        model.objects.all().delete()  # type: ignore[attr-defined]
    load_data(text)
    assert [list(model.objects.order_by("pk").values()) for model in models] == before  # type: ignore[attr-defined]
    assert dumped(*labels) == text


def test_texts_come_back() -> None:
    for pk, text in enumerate(TEXTS, 1):
        Species.objects.create(pk=pk, latin=text)
    refilled(Species)


def test_json_comes_back() -> None:
    for pk, text in enumerate(TEXTS, 1):
        Diet.objects.create(pk=pk, plan={text: [text, {"a": text}]}, optional_plan=text)
    refilled(Diet)


def test_primary_keys_and_links_to_them_come_back() -> None:
    plain = Country.objects.create(code="plain")
    for pk, text in enumerate(filter(None, TEXTS), 1):
        country = Country.objects.create(code=text)
        country.neighbours.add(plain)
        Animal.objects.create(pk=pk, name="a").seen_in.add(country)
    refilled(Country, Animal)
    seen = [animal.seen_in.get().code for animal in Animal.objects.order_by("pk")]
    assert seen == [text for text in TEXTS if text]


def test_the_version_is_only_a_text() -> None:
    for text in TEXTS:
        _, _, version = head("", text, {}).partition("SOURCE_VERSION = ")
        load_data(changed("'2.3.0'\n", f"{version.partition(chr(10))[0]}\n"))
    assert Species.objects.count() == 2


def test_migrations_are_only_texts() -> None:
    for text in TEXTS:
        _, _, migrations = head("", None, {text: text}).partition("MIGRATIONS = ")
        load_data(changed("{'zoo': '0001_initial'}", migrations))
    assert Species.objects.count() == 2


def test_a_label_is_only_a_text() -> None:
    for text in TEXTS:
        error = refuse(changed("resolve_model('zoo.Species')", f"resolve_model({text!r})"))
        assert first_line(error) is not None, ascii(text)


def test_natural_keys_are_only_texts() -> None:
    names = list(enumerate(dict.fromkeys(text[:40] for text in TEXTS), 1))
    nations = [f"{pk}, {name!r}" for pk, name in names]
    mascots = [f"{pk}, 'a', natural('zoo.Nation', {name!r})" for pk, name in names]
    load_data(
        dump_of(
            table("zoo.Nation", "id name", *nations),
            table("zoo.Mascot", "id name nation_id", *mascots),
        )
    )
    found = Mascot.objects.order_by("pk").values_list("nation__name", flat=True)
    assert [*found] == [name for _, name in names]


def test_the_text_of_a_custom_field_is_only_a_text() -> None:
    for text in TEXTS:
        error = refuse(dump_of(table("zoo.Waypoint", "id point", f"1, field_text({text!r})")))
        assert "zoo.Waypoint(pk=1)" in str(error), ascii(text)


def test_content_types_are_only_texts() -> None:
    notes = [
        f"{pk}, natural('contenttypes.ContentType', 'zoo', {text!r}), 1, 'a'"
        for pk, text in enumerate(TEXTS, 1)
    ]
    load_data(dump_of(table("zoo.Note", "id content_type_id object_id text", *notes)))
    found = Note.objects.order_by("pk").values_list("content_type__model", flat=True)
    assert [*found] == TEXTS


def test_an_error_may_quote_it() -> None:
    for text in TEXTS:
        error = refuse(dump_of(table("zoo.Weighing", "id kilos", f"1, {'a' + text!r}")))
        assert "zoo.Weighing(pk=1)" in str(error), ascii(text)
