"""Fields that exist only at run time: of other apps, and of the languages of a project."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from shops import aged, first
from sites import NewSite, Site, Version

# Connections to PostgreSQL look at the types in the database of the tests, which this makes.
pytestmark = pytest.mark.django_db

MODELS = """
from django.db import models


class Book(models.Model):
    title = models.CharField(max_length=60)
    about = models.TextField(blank=True)
"""

# What another app adds

APPS = """
from django.apps import AppConfig
from django.db import models


class ExtrasConfig(AppConfig):
    name = "extras"

    def ready(self):
        from shop.models import Book
        # here
"""
INJECTED = """
Book.add_to_class("rating", models.IntegerField(default=3))
Book.add_to_class("similar", models.ManyToManyField("self", symmetrical=False))
"""
FILL_BOOKS = """
from shop.models import Book
Book.objects.create(pk=1, title="Emma", about="love", rating=5)
Book.objects.create(pk=7, title="Faust", about="more", rating=4).similar.add(1)
"""
EDIT = re.compile(r"restore\.py:(\d+): shop\.Book\.(\w+): .*[Cc]omment the line out")


def injecting(code: str) -> dict[str, str]:
    """Return the app that adds fields when it is ready."""
    return {"extras/apps.py": APPS.replace("# here", code.strip().replace("\n", "\n        "))}


@pytest.fixture(scope="module")
def made_library(new_site: NewSite) -> Site:
    """Return a site with books that have the fields of another app, and its dumps."""
    files = {"shop/models.py": MODELS, **injecting(INJECTED)}
    installed = ["dumpy", "shop", "extras.apps.ExtrasConfig"]
    return new_site("library", first(Version(files, {"INSTALLED_APPS": installed}, FILL_BOOKS)))


@pytest.fixture
def library(made_library: Site, tmp_path: Path, unblocked: None) -> Site:
    """Return the library with code of its own, and another database."""
    return aged(made_library, tmp_path / "site", Version())


def comment_out(site: Site, said: str, names: set[str]) -> None:
    """Comment out the lines that a message names."""
    found = {name: int(line) for line, name in EDIT.findall(said)}
    assert found.keys() == names
    for name, line in found.items():
        lines = site.the_dump.joinpath("restore.py").read_text().splitlines()
        assert lines[line - 1] == f"        {name}={name},"
        site.edit("dump/restore.py", (lines[line - 1], f"        # {name}={name},"))


def test_fields_that_another_app_adds_are_restored(library: Site) -> None:
    library.restore(library.the_dump)
    assert library.rows("shop_book", "id", "title", "rating") == [(1, "Emma", 5), (7, "Faust", 4)]
    assert library.rows("shop_book_similar", "from_book_id", "to_book_id") == [(7, 1)]


def test_fields_that_no_app_adds_any_more_need_the_lines_that_are_named(
    library: Site,
) -> None:
    library.configure(INSTALLED_APPS=["dumpy", "shop"])
    said = library.refuse(library.the_dump)
    comment_out(library, said, {"rating", "similar"})
    library.restore(library.the_dump)
    assert library.rows("shop_book", "id", "title") == [(1, "Emma"), (7, "Faust")]


def test_fields_that_another_app_adds_since_the_dump_get_their_default(library: Site) -> None:
    more = 'Book.add_to_class("pages", models.IntegerField(default=100))'
    library.write(injecting(f"{INJECTED.strip()}\n{more}"))
    library.restore(library.the_dump)
    assert library.rows("shop_book", "id", "rating", "pages") == [(1, 5, 100), (7, 4, 100)]


# Languages

needs_modeltranslation = pytest.mark.skipif(
    find_spec("modeltranslation") is None, reason="needs django-modeltranslation"
)
TRANSLATION = """
from modeltranslation.translator import TranslationOptions, register

from shop.models import Book


@register(Book)
class BookOptions(TranslationOptions):
    fields = ("title", "about")
"""
FILL_TRANSLATED = """
from shop.models import Book
Book.objects.create(pk=1, title_en="Emma", title_et="Emma et", title_de="Emma de", about_en="love")
Book.objects.create(pk=7, title_en="Faust", title_de="Faust de", about_de="viel")
"""
DRIFTED = "UPDATE shop_book SET title = 'not what any language says' WHERE id = 7"
MIGRATORS = """
from dumpy import Migrator


class ShopMigrator(Migrator):
    def migrate_from_1_0(self, globals_dict):
        '''German is gone.'''
        self.remove_field("shop.Book", "title_de")
        self.remove_field("shop.Book", "about_de")
        return "2.0"
"""
STAYED = ("id", "title", "title_en", "title_et", "about", "about_en", "about_et")
ADDED = ("title_fr", "about_fr")


def languages(*codes: str) -> dict[str, Any]:
    """Return the settings of a project with some languages."""
    return {
        "INSTALLED_APPS": ["dumpy", "modeltranslation", "shop"],
        "LANGUAGES": [(code, code) for code in codes],
        "LANGUAGE_CODE": "en",
        "MODELTRANSLATION_DEFAULT_LANGUAGE": "en",
        "USE_I18N": True,
    }


@pytest.fixture(scope="module")
def made_translations(new_site: NewSite) -> Site:
    """Return a site whose books have titles in English, Estonian and German, with its dumps."""
    fill = f"{FILL_TRANSLATED}\nfrom django.db import connection\n"
    fill += f"connection.cursor().execute({DRIFTED!r})"
    files = {"shop/models.py": MODELS, "shop/translation.py": TRANSLATION}
    settings = {**languages("en", "et", "de"), "DUMPY": {"VERSION": "1.0"}}
    return new_site("translated", first(Version(files, settings, fill)))


@pytest.fixture
def translations(made_translations: Site, tmp_path: Path, unblocked: None) -> Site:
    """Return the site in English, Estonian and French."""
    french = Version(settings=languages("en", "et", "fr"))
    return aged(made_translations, tmp_path / "site", french)


TRANSLATED = [
    (1, "Emma", "Emma", "Emma et", "love", "love", None),
    (7, "not what any language says", "Faust", None, "", None, None),
]


def check_translations(site: Site) -> None:
    """Check that the languages that stayed have their values, and the new one has none."""
    assert site.rows("shop_book", *STAYED) == TRANSLATED
    assert site.rows("shop_book", "id", *ADDED) == [(1, None, None), (7, None, None)]


@needs_modeltranslation
def test_all_columns_of_all_languages_are_in_the_dump(made_translations: Site) -> None:
    rows = (made_translations.the_dump / "shop_book.py").read_text(encoding="utf-8")
    assert (
        "create_shop_book(1, 'Emma', 'Emma', 'Emma et', 'Emma de', 'love', 'love', None, None)"
        in rows
    )
    assert "create_shop_book(7, 'not what any language says', 'Faust', None, 'Faust de'," in rows


@needs_modeltranslation
def test_with_the_same_languages_all_values_come_back(translations: Site) -> None:
    translations.configure()
    translations.restore(translations.the_dump)
    assert translations.rows("shop_book", *STAYED) == TRANSLATED
    german = translations.rows("shop_book", "id", "title_de", "about_de")
    assert german == [(1, "Emma de", None), (7, "Faust de", "viel")]


@needs_modeltranslation
def test_the_lines_of_a_language_that_is_gone_are_named(translations: Site) -> None:
    said = translations.refuse(translations.the_dump)
    comment_out(translations, said, {"title_de", "about_de"})
    translations.restore(translations.the_dump)
    check_translations(translations)


@needs_modeltranslation
def test_with_a_migrator_a_language_that_is_gone_needs_no_hand(translations: Site) -> None:
    translations.write({"shop/migrators.py": MIGRATORS})
    dumpy = {"VERSION": "2.0", "MIGRATION_CLASS": "shop.migrators.ShopMigrator"}
    translations.configure(**languages("en", "et", "fr"), DUMPY=dumpy)
    translations.restore(translations.the_dump)
    check_translations(translations)


@needs_modeltranslation
def test_a_migrator_that_is_code_keeps_what_each_language_says(translations: Site) -> None:
    code = MIGRATORS.replace(
        'return "2.0"',
        'self.change_values("shop.Book", "title_en", str.upper)\n        return "2.0"',
    )
    translations.write({"shop/migrators.py": code})
    dumpy = {"VERSION": "2.0", "MIGRATION_CLASS": "shop.migrators.ShopMigrator"}
    translations.configure(**languages("en", "et", "fr"), DUMPY=dumpy)
    translations.restore(translations.the_dump)
    titles = translations.rows("shop_book", "id", "title", "title_en", "title_et")
    assert titles == [
        (1, "Emma", "EMMA", "Emma et"),
        (7, "not what any language says", "FAUST", None),
    ]


LOAD = """
from django.core.management import call_command
call_command("migrate", run_syncdb=True, verbosity=0)
call_command("loaddata", "dump.py", verbosity=0)
"""


@needs_modeltranslation
@pytest.mark.parametrize("order", [["dumpy", "modeltranslation"], ["modeltranslation", "dumpy"]])
def test_whoever_has_the_command_loaddata_loads_what_each_language_says(
    translations: Site, order: list[str]
) -> None:
    translations.configure(INSTALLED_APPS=[*order, "shop"])
    translations.execute("DROP TABLE shop_note")
    translations.succeed("shell", "-v0", "-c", LOAD)
    assert translations.rows("shop_book", *STAYED) == TRANSLATED
