"""`convertfixtures` makes dumps of fixtures that load to the same rows, or leaves all as it is."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import pytest
from sites import NewSite, Site, Version

from dumpy.checking.fixtures import rename_fixtures

MODELS = """
import uuid

from django.db import models


class AuthorManager(models.Manager):
    def get_by_natural_key(self, name):
        return self.get(name=name)


class Author(models.Model):
    name = models.CharField(max_length=40, unique=True)
    parent = models.ForeignKey("self", models.CASCADE, null=True)
    objects = AuthorManager()

    def natural_key(self):
        return (self.name,)


class Tag(models.Model):
    name = models.CharField(max_length=20)


class Book(models.Model):
    title = models.CharField(max_length=40)
    author = models.ForeignKey(Author, models.CASCADE, null=True)
    price = models.DecimalField(max_digits=6, decimal_places=2, default="1.00")
    added = models.DateTimeField(null=True)
    data = models.JSONField(default=dict)
    cover = models.BinaryField(default=b"")
    tags = models.ManyToManyField(Tag)


class Loan(models.Model):
    reader = models.ForeignKey(Author, models.CASCADE)


class Ticket(models.Model):
    code = models.UUIDField(default=uuid.uuid4)
"""
BOOKS = [
    {"model": "books.tag", "pk": 9, "fields": {"name": "epic"}},
    {
        "model": "books.book",
        "pk": 5,
        "fields": {
            "title": "Odyssey",
            "author": ["Homer"],
            "price": "7.50",
            "added": "2024-01-31T09:30:00.123+02:00",
            "data": {"pages": [1, 2.5, None]},
            "cover": "AAH/",
            "tags": [9],
        },
    },
    {"model": "books.book", "pk": 6, "fields": {"title": "Iliad", "author": 3}},
    {"model": "books.author", "pk": 3, "fields": {"name": "Homer"}},
    {"model": "books.author", "pk": None, "fields": {"name": "Hesiod", "parent": ["Homer"]}},
    {"model": "books.author", "fields": {"name": "Virgil", "parent": ["Hesiod"]}},
    {"model": "books.tag", "pk": None, "fields": {"name": "free"}},
]
XML = """<?xml version="1.0" encoding="utf-8"?>
<django-objects version="1.0">
<object model="books.author" pk="3"><field name="name" type="CharField">Homer</field>
<field name="parent" rel="ManyToOneRel" to="books.author"><None></None></field></object>
<object model="books.tag" pk="1"><field name="name" type="CharField">epic</field></object>
<object model="books.book" pk="5"><field name="title" type="CharField">Odyssey</field>
<field name="author" rel="ManyToOneRel" to="books.author"><natural>Homer</natural></field>
<field name="added" type="DateTimeField"><None></None></field>
<field name="data" type="JSONField">{"pages": 2}</field>
<field name="tags" rel="ManyToManyRel" to="books.tag"><object pk="1"></object></field></object>
</django-objects>
"""
YAML = """
- {model: books.author, pk: 3, fields: {name: Homer}}
- {model: books.book, pk: 5, fields: {title: Odyssey, author: 3, added: 2024-01-31 09:30:00+00:00}}
"""
TESTS = """
class FirstTests(TestCase):
    fixtures = ["all.json", 'packed.json.gz', "markup", "other.json"]  # "all.json"


NAME = "all.json"
"""
SETTINGS = {"INSTALLED_APPS": ["books", "dumpy"]}


@pytest.fixture(scope="module")
def made_site(new_site: NewSite) -> Site:
    """Return a project with fixtures in every format."""
    files = {
        "books/models.py": MODELS,
        "books/fixtures/all.json": json.dumps(BOOKS),
        "books/fixtures/lines.jsonl": "".join(f"{json.dumps(one)}\n" for one in BOOKS),
        "books/fixtures/markup.xml": XML,
        "books/fixtures/listed.yaml": YAML,
        "books/fixtures/notes.txt": "no fixture",
        "tests.py": TESTS,
    }
    site = new_site("convert", Version(files, SETTINGS))
    with gzip.open(site.directory / "books/fixtures/packed.json.gz", "wt") as file:
        json.dump(BOOKS, file)
    return site


@pytest.fixture
def site(made_site: Site, tmp_path: Path, unblocked: None) -> Site:
    return made_site.copied(tmp_path / "site")


def fixtures(site: Site) -> set[str]:
    """Return the names of the fixtures of a project."""
    return {path.name for path in (site.directory / "books" / "fixtures").iterdir()}


def write(site: Site, name: str, *objects: object) -> None:
    """Write a fixture in JSON."""
    site.write({f"books/fixtures/{name}": json.dumps(objects)})


def test_fixtures_in_every_format_are_converted_and_timed(site: Site) -> None:
    before = fixtures(site)
    said = site.succeed("convertfixtures", "--rewrite")
    new = {"all.py", "lines.py", "markup.py", "listed.py", "packed.py.gz"}
    assert fixtures(site) - {"__pycache__"} == before | new
    assert said.count("loads the same rows in") == len(new)
    assert site.shell("from books.models import *; print(Author.objects.count())") == "0\n"
    text = (site.directory / "books/fixtures/all.py").read_text()
    # What the old file leaves open is open in the dump.
    assert "natural('books.Author', 'Homer'), Decimal('7.50'), utc(2024, 1, 31, 7, 30" in text
    assert "('Hesiod', natural('books.Author', 'Homer'))" in text
    tests = (site.directory / "tests.py").read_text()
    assert 'fixtures = ["all.py", \'packed.py.gz\', "markup", "other.json"]  # "all.json"' in tests
    assert 'NAME = "all.json"' in tests
    # A second time there is nothing to do, and that is no success.
    assert "all.py is there already" in site.fail("convertfixtures", "all.json")


def test_a_dump_can_take_the_place_of_the_old_file(site: Site) -> None:
    site.succeed("convertfixtures", "lines", "--delete")
    assert {"lines.jsonl", "lines.py", "all.json"} & fixtures(site) == {"lines.py", "all.json"}
    assert "Installed 7 object(s)" in site.succeed("loaddata", "lines")


def test_an_old_file_that_a_module_still_names_is_not_deleted(site: Site) -> None:
    site.write({"tests.py": 'PATHS = "all.json", "overall.json"\n'})
    before = fixtures(site)
    options = ["all", "lines", "--rewrite", "--delete"]
    said = site.fail("convertfixtures", *options, "--dry-run")
    kept = "books/fixtures/all.json is not deleted: it is named in tests.py:1. Name all.py there"
    assert kept in said
    assert fixtures(site) == before
    said = site.fail("convertfixtures", *options)
    assert kept in said
    assert "1 old file of 2 not deleted." in said
    assert "Django refuses a name without an extension" in said
    assert fixtures(site) == before - {"lines.jsonl"} | {"all.py", "lines.py"}


def test_a_dry_run_shows_the_changes_and_makes_none(site: Site) -> None:
    before = fixtures(site)
    said = site.succeed("convertfixtures", "packed", "--rewrite", "--delete", "--dry-run")
    assert "+    fixtures = [\"all.json\", 'packed.py.gz'" in said
    assert "Dry run complete: nothing was changed." in said
    assert fixtures(site) == before
    assert (site.directory / "tests.py").read_text() == TESTS


def test_what_cannot_be_converted_is_named_and_stays(site: Site) -> None:
    author = {"model": "books.author", "pk": 3, "fields": {"name": "Homer"}}
    write(site, "gone.json", {"model": "books.shelf", "pk": 1, "fields": {}})
    write(site, "field.json", {"model": "books.tag", "pk": 1, "fields": {"colour": "red"}})
    write(site, "value.json", {"model": "books.tag", "pk": "one", "fields": {"name": "red"}})
    write(site, "shape.json", author, 5)
    write(site, "sold.json", {"model": "books.ticket", "fields": {"code": "no code"}})
    write(site, "titled.json", {"model": "books.book", "pk": 5, "fields": {"title": None}})
    write(
        site,
        "alone.json",
        {"model": "books.book", "pk": 5, "fields": {"title": "Odyssey", "author": 4}},
    )
    site.write({"books/fixtures/broken.json": "[{"})
    names = ["gone", "field", "value", "shape", "sold", "titled", "alone", "broken"]
    before = fixtures(site)
    said = site.fail("convertfixtures", "listed", *names)
    for name, reason in {
        "gone.json": "the project has no model 'books.shelf'.",
        "field.json": "books.Tag has no field colour.",
        "value.json": "books.Tag(pk='one'): id cannot be 'one'",
        "shape.json": "expected objects with a model and fields, found: 5",
        "sold.json": "books.Ticket: code cannot be 'no code'",
        "titled.json": "1 object could not be loaded.",
        "alone.json": "",
        "broken.json": "JSONDecodeError",
    }.items():
        assert f"books/fixtures/{name} was not converted: {reason}" in said
    (advised,) = re.findall(r"(.*)\nIf it needs rows of another fixture: --with FIXTURE\n", said)
    assert "books.Book(pk=5): author_id=4 refers to a row of books.Author" in advised
    assert "dumpy-convert" not in said
    assert "8 fixtures of 9 not converted." in said
    assert "Traceback" not in said
    assert fixtures(site) == before | {"listed.py"}


def test_a_fixture_that_refers_to_rows_of_another_is_converted_with_it(site: Site) -> None:
    write(site, "authors.json", {"model": "books.author", "pk": 3, "fields": {"name": "Homer"}})
    book = {"model": "books.book", "pk": 5, "fields": {"title": "Odyssey", "author": ["Homer"]}}
    write(site, "alone.json", book)
    assert "alone.py loads" in site.succeed("convertfixtures", "alone", "--with", "authors")


def test_a_needed_dump_that_does_not_fit_is_refused_without_options_of_loaddata(site: Site) -> None:
    write(site, "tags.json", {"model": "books.tag", "pk": 1, "fields": {"name": "epic"}})
    site.succeed("convertfixtures", "tags", "--delete")
    site.edit("books/fixtures/tags.py", ("name=name", "title=name"))
    book = {"model": "books.book", "pk": 5, "fields": {"title": "Odyssey", "author": 1}}
    write(site, "alone.json", book)
    said = site.fail("convertfixtures", "alone", "--with", "tags")
    assert "alone.json was not converted: " in said
    assert "books.Tag has no field 'title'." in said
    assert "--" not in said


def test_a_fixture_is_tried_again_after_those_that_it_may_refer_to(site: Site) -> None:
    author = {"model": "books.author", "fields": {"name": "Homer"}}
    son = {"model": "books.author", "fields": {"name": "Hesiod", "parent": ["Homer"]}}
    book = {"model": "books.book", "pk": 5, "fields": {"title": "Works", "author": ["Hesiod"]}}
    loan = {"model": "books.loan", "pk": 1, "fields": {"reader": ["Homer"]}}
    for name, one in (("d", author), ("c", son), ("b", book), ("a", loan)):
        write(site, f"{name}.json", one)
    said = site.succeed("convertfixtures", "a", "b", "c", "d")
    assert said.count("loads the same rows in") == 4
    assert "was not converted" not in said


def test_a_fixture_that_later_ones_need_is_loaded_from_its_dump(site: Site) -> None:
    """Objects of the other formats send signals, the rows of a dump do not."""
    receiver = """

def log(sender, instance, **kwargs):
    with open("saved.txt", "a") as file:
        print(instance, file=file)


Author.__str__ = lambda author: author.name
models.signals.post_save.connect(log, sender=Author)
"""
    site.write({"books/models.py": MODELS + receiver})
    write(site, "b.json", {"model": "books.author", "fields": {"name": "Homer"}})
    for name, key in (("a", 1), ("c", 2)):
        loan = {"model": "books.loan", "pk": key, "fields": {"reader": ["Homer"]}}
        write(site, f"{name}.json", loan)
    said = site.succeed("convertfixtures", "a", "b", "c")
    assert said.count("loads the same rows in") == 3
    assert (site.directory / "saved.txt").read_text().split() == ["Homer"] * 2


def test_a_fixture_that_the_others_need_can_be_one_of_them(site: Site) -> None:
    write(site, "authors.json", {"model": "books.author", "fields": {"name": "Homer"}})
    book = {"model": "books.book", "pk": 5, "fields": {"title": "Odyssey", "author": ["Homer"]}}
    write(site, "alone.json", book)
    options = ["authors", "alone", "--with", "authors", "--delete"]
    said = site.succeed("convertfixtures", *options)
    assert said.count("loads the same rows in") == 2
    assert {"authors.json", "alone.json"}.isdisjoint(fixtures(site))


def test_a_default_that_is_computed_in_each_load_stays_open(site: Site) -> None:
    write(site, "chance.json", {"model": "books.ticket", "pk": 1, "fields": {}})
    site.succeed("convertfixtures", "chance")
    text = (site.directory / "books/fixtures/chance.py").read_text()
    assert "def create_books_ticket(id):" in text


def test_a_receiver_that_makes_the_difference_is_told_of_signals(site: Site) -> None:
    write(site, "tags.json", {"model": "books.tag", "pk": 1, "fields": {"name": "epic"}})
    advice = "If receivers of signals make the difference: DUMPY = {'SIGNALS': 'raw'}."
    receiver = """

def add_author(sender, instance, **kwargs):
    if sender is Tag:
        Author.objects.create(name=instance.name)


models.signals.post_save.connect(add_author)
"""
    site.write({"books/models.py": MODELS + receiver})
    said = site.fail("convertfixtures", "tags")
    assert "it would not load to the same rows:\n  books.Author(pk=1): removed" in said
    assert advice in said


def test_only_what_is_assigned_to_fixtures_is_rewritten() -> None:
    names = {Path("/shop/fixtures/a.json"): "a.py", Path("/shop/fixtures/sub/é.xml"): "é.py"}
    text = (
        "x = 'é'; fixtures: list = ['sub/é.xml',\r\n 'a.json', 'b/a.json']\r\nother = 'a.json'\r\n"
    )
    after = "x = 'é'; fixtures: list = ['sub/é.py',\r\n 'a.py', 'b/a.json']\r\nother = 'a.json'\r\n"
    assert rename_fixtures(text, names) == after
    assert rename_fixtures("fixtures = [", names) == "fixtures = ["


def test_a_constant_and_a_call_of_loaddata_name_fixtures_too() -> None:
    names = {Path("/shop/fixtures/a.json"): "a.py"}
    text = """BASE = ["a.json"]
OTHER = "a.json"
class Tests(TestCase):
    fixtures = [*BASE, "a.json"]
    def setUp(self):
        management.call_command("loaddata", "a.json", *["a.json"])
        call_command("dumpdata", "a.json")
"""
    after = text.replace("a.json", "a.py").replace('OTHER = "a.py"', 'OTHER = "a.json"')
    assert rename_fixtures(text, names) == after.replace(
        '"dumpdata", "a.py"', '"dumpdata", "a.json"'
    )
