"""Content that looks like code, wherever there is text: there and back exactly, and never run."""

from __future__ import annotations

import pytest
from django.test import override_settings
from hostile_dumps import changed, dump_of, table
from oracle import DATA_ONLY, deserialized, first_line, is_refused, watching
from running import dumped

from dumpy.text.emit import head
from zoo.models import Animal, Country, Diet, Note, Species, Waypoint

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


def refilled(*models: type) -> None:
    """Dump tables, empty them, and load the dump where no code may run; dump again."""
    labels = [model._meta.label for model in models]  # type: ignore[attr-defined]
    text = dumped(*labels)
    before = [list(model.objects.order_by("pk").values()) for model in models]  # type: ignore[attr-defined]
    for model in reversed(models):
        model.objects.all().delete()  # type: ignore[attr-defined]
    with override_settings(DUMPY=DATA_ONLY), watching() as watch:
        deserialized(text)
    assert watch.events == []
    assert [list(model.objects.order_by("pk").values()) for model in models] == before  # type: ignore[attr-defined]
    assert dumped(*labels) == text


@pytest.mark.parametrize("text", TEXTS, ids=ascii)
def test_a_text_comes_back(text: str) -> None:
    Species.objects.create(pk=1, latin=text)
    refilled(Species)


@pytest.mark.parametrize("text", TEXTS, ids=ascii)
def test_json_comes_back(text: str) -> None:
    Diet.objects.create(pk=1, plan={text: [text, {"a": text}]}, optional_plan=text)
    refilled(Diet)


@pytest.mark.parametrize("text", [text for text in TEXTS if text], ids=ascii)
def test_a_primary_key_and_links_to_it_come_back(text: str) -> None:
    country = Country.objects.create(code=text)
    country.neighbours.add(Country.objects.create(code="plain"))
    Animal.objects.create(pk=1, name="a").seen_in.add(country)
    refilled(Country, Animal)
    assert Animal.objects.get().seen_in.get().code == text


@pytest.mark.parametrize("text", TEXTS, ids=ascii)
def test_the_version_is_only_a_text(text: str) -> None:
    _, _, version = head("", text, {}).partition("SOURCE_VERSION = ")
    with override_settings(DUMPY=DATA_ONLY), watching() as watch:
        deserialized(changed("'2.3.0'\n", f"{version.partition(chr(10))[0]}\n"))
    assert watch.events == []
    assert Species.objects.count() == 2


@pytest.mark.parametrize("text", TEXTS, ids=ascii)
def test_migrations_are_only_texts(text: str) -> None:
    _, _, migrations = head("", None, {text: text}).partition("MIGRATIONS = ")
    with override_settings(DUMPY=DATA_ONLY), watching() as watch:
        deserialized(changed("{'zoo': '0001_initial'}", migrations))
    assert watch.events == []
    assert Species.objects.count() == 2


@pytest.mark.parametrize("text", TEXTS, ids=ascii)
def test_a_label_is_only_a_text(text: str) -> None:
    dump = changed("resolve_model('zoo.Species')", f"resolve_model({text!r})")
    with override_settings(DUMPY=DATA_ONLY):
        error = is_refused(lambda: deserialized(dump))
    assert first_line(error) is not None


@pytest.mark.parametrize("text", TEXTS, ids=ascii)
def test_a_natural_key_is_only_a_text(text: str) -> None:
    name = text[:40]
    mascot = f"1, 'a', natural('zoo.Nation', {name!r})"
    dump = dump_of(
        table("zoo.Nation", "id name", f"1, {name!r}"),
        table("zoo.Mascot", "id name nation_id", mascot),
    )
    with override_settings(DUMPY=DATA_ONLY), watching() as watch:
        deserialized(dump)
    assert watch.events == []


@pytest.mark.parametrize("text", TEXTS, ids=ascii)
def test_the_text_of_a_custom_field_is_only_a_text(text: str) -> None:
    dump = dump_of(table("zoo.Waypoint", "id point", f"1, field_text({text!r})"))
    with override_settings(DUMPY=DATA_ONLY):
        error = is_refused(lambda: deserialized(dump))
    assert "zoo.Waypoint(pk=1)" in str(error)
    assert not Waypoint.objects.exists()


@pytest.mark.parametrize("text", TEXTS, ids=ascii)
def test_a_content_type_is_only_a_text(text: str) -> None:
    kind = f"natural('contenttypes.ContentType', 'zoo', {text!r})"
    dump = dump_of(table("zoo.Note", "id content_type_id object_id text", f"1, {kind}, 1, 'a'"))
    with override_settings(DUMPY=DATA_ONLY), watching() as watch:
        deserialized(dump)
    assert watch.events == []
    assert Note.objects.get().content_type.model == text


@pytest.mark.parametrize("text", TEXTS, ids=ascii)
def test_an_error_may_quote_it(text: str) -> None:
    dump = dump_of(table("zoo.Weighing", "id kilos", f"1, {'a' + text!r}"))
    with override_settings(DUMPY=DATA_ONLY):
        error = is_refused(lambda: deserialized(dump))
    assert "zoo.Weighing(pk=1)" in str(error)
