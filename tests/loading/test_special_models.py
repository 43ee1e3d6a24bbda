"""Content types, permissions, sites and sessions: rows that Django makes by itself."""

from __future__ import annotations

from datetime import datetime, timezone
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.contrib.sites.models import Site
from django.core.management import call_command
from django.db import connection
from django.db.models import F
from django.db.models.signals import post_save
from dumps import Rows, rows
from dumps import module as dump_of
from loading_tools import Load, values

from dumpy.loading.special import renumber_content_types
from zoo.models import Animal, Label, Note, Species

pytestmark = pytest.mark.django_db

# The keys of these tests are in the millions because each flush of a test database makes all
# permissions anew, under higher keys.
ANIMAL = "natural('contenttypes.ContentType', 'zoo', 'animal')"


@pytest.fixture(autouse=True)
def _fresh_content_types() -> None:
    ContentType.objects.clear_cache()
    Site.objects.clear_cache()


def permissions(*given: tuple[int, str]) -> Rows:
    """Return permissions on animals: pairs of primary key and codename."""
    return rows(
        "auth.Permission",
        "id name content_type_id codename",
        *(f"{pk}, 'Can {codename}', {ANIMAL}, {codename!r}" for pk, codename in given),
    )


def groups(*granted: int) -> Rows:
    """Return a group with these permissions."""
    return rows("auth.Group", "id name permissions", (1, "keepers", list(granted)))


def users(*granted: int) -> Rows:
    """Return a user with these permissions."""
    fields = "id username password date_joined user_permissions"
    return rows("auth.User", fields, f"1, 'ada', '!', utc(2024, 1, 31), {list(granted)}")


def feed(pk: int) -> Permission:
    """Create a permission to feed animals under a primary key."""
    animal = ContentType.objects.get_for_model(Animal)
    return Permission.objects.create(pk=pk, codename="feed", name="here", content_type=animal)


def test_content_types_are_found_whatever_their_primary_keys_are(load: Load) -> None:
    """D2"""
    load(dump_of(rows("zoo.Note", "id content_type_id object_id text", f"1, {ANIMAL}, 1, ''")))
    assert Note.objects.get().content_type == ContentType.objects.get_for_model(Animal)


def test_a_content_type_whose_model_is_gone_is_made_again(load: Load) -> None:
    """L3"""
    moa = "natural('contenttypes.ContentType', 'zoo', 'moa')"
    load(dump_of(rows("zoo.Label", "id kind_id key text", f"1, {moa}, '1', 'extinct'")))
    assert Label.objects.get().kind is not None
    assert values(Label, "kind__app_label", "kind__model") == [("zoo", "moa")]


def test_a_missing_content_type_is_made_once_for_all_of_its_rows(load: Load) -> None:
    moa = "natural('contenttypes.ContentType', 'zoo', 'moa')"
    many = [f"{pk}, {moa}, '1', ''" for pk in range(1, 30)]
    load(dump_of(rows("zoo.Label", "id kind_id key text", *many)))
    assert ContentType.objects.filter(app_label="zoo", model="moa").count() == 1


def test_permissions_that_nobody_uses_give_way_to_those_of_the_dump(load: Load) -> None:
    """D2"""
    feed(pk=8_000_000)
    load(dump_of(permissions((9_000_000, "feed"))))
    assert list(Permission.objects.filter(codename="feed").values_list("pk")) == [(9_000_000,)]


def test_permissions_may_have_traded_their_primary_keys(load: Load) -> None:
    """D2"""
    add, view = (Permission.objects.get(codename=f"{verb}_animal") for verb in ("add", "view"))
    load(dump_of(permissions((view.pk, "add_animal"), (add.pk, "view_animal"))))
    assert Permission.objects.get(codename="add_animal").pk == view.pk
    assert Permission.objects.get(codename="view_animal").pk == add.pk


def test_permissions_give_way_where_receivers_hear_of_each(load: Load, settings: Any) -> None:
    """D2, D13"""
    settings.DUMPY = {"SIGNALS": "raw"}
    heard: list[object] = []
    add, view = (Permission.objects.get(codename=f"{verb}_animal") for verb in ("add", "view"))

    def hear(instance: Permission, **arguments: Any) -> None:
        heard.append(instance.codename)

    post_save.connect(hear, Permission)
    try:
        load(dump_of(permissions((view.pk, "add_animal"), (add.pk, "view_animal"))))
    finally:
        post_save.disconnect(hear, Permission)
    assert heard == ["add_animal", "view_animal"]
    assert Permission.objects.get(codename="add_animal").pk == view.pk
    assert Permission.objects.get(codename="view_animal").pk == add.pk


def test_a_permission_that_only_the_target_has_moves_out_of_the_way(load: Load) -> None:
    """D2"""
    other = Permission.objects.get(codename="view_note")
    load(dump_of(permissions((other.pk, "feed"))))
    assert Permission.objects.get(codename="feed").pk == other.pk
    assert Permission.objects.get(codename="view_note").pk != other.pk


@pytest.mark.parametrize("pk", [8_000_000, 9_000_000])
def test_a_permission_in_use_here_is_kept_with_its_grants(load: Load, pk: int) -> None:
    """D2"""
    group = Group.objects.create(pk=5, name="here")
    group.permissions.add(feed(pk=8_000_000))
    load(dump_of(permissions((pk, "feed"))))
    assert list(group.permissions.values_list("pk", "codename")) == [(8_000_000, "feed")]


def test_grants_of_the_dump_are_led_to_a_permission_in_use_here(load: Load) -> None:
    """D2"""
    Group.objects.create(pk=5, name="here").permissions.add(feed(pk=8_000_000))
    load(
        dump_of(
            permissions((9_000_000, "feed"), (9_000_001, "pet")),
            groups(9_000_000, 9_000_001),
            users(9_000_000),
        )
    )
    granted = Group.objects.get(pk=1).permissions.order_by("codename")
    assert list(granted.values_list("pk", "codename")) == [(8_000_000, "feed"), (9_000_001, "pet")]
    assert [permission.pk for permission in User.objects.get().user_permissions.all()] == [
        8_000_000
    ]


def test_a_permission_whose_key_is_in_use_by_another_one_gets_a_key_of_its_own(load: Load) -> None:
    """D2"""
    Group.objects.create(pk=5, name="here").permissions.add(feed(pk=8_000_000))
    load(dump_of(permissions((8_000_000, "pet")), groups(8_000_000)))
    assert list(Group.objects.get(pk=5).permissions.values_list("codename")) == [("feed",)]
    assert list(Group.objects.get(pk=1).permissions.values_list("codename")) == [("pet",)]


def test_each_permission_whose_key_is_in_use_gets_a_key_of_its_own(load: Load) -> None:
    animal = ContentType.objects.get_for_model(Animal)
    for pk, codename in [(9_000_001, "feed"), (9_000_002, "wash")]:
        here = Permission.objects.create(pk=pk, codename=codename, content_type=animal)
        User.objects.create(username=codename).user_permissions.add(here)
    dumped = permissions((9_000_001, "lead"), (9_000_002, "ride"), (9_000_003, "sell"))
    load(dump_of(dumped, groups(9_000_001, 9_000_002)))
    granted = Group.objects.get().permissions.values_list("codename", flat=True)
    assert sorted(granted) == ["lead", "ride"]
    assert Permission.objects.get(codename="sell").pk == 9_000_003


def test_a_grant_of_the_dump_is_not_led_to_a_permission_twice(load: Load) -> None:
    """Two keys of the dump: one is matched by name with the key that the other one has here."""
    Group.objects.create(pk=5, name="here").permissions.add(feed(pk=8_000_000))
    load(
        dump_of(
            permissions((8_000_000, "pet"), (8_000_001, "feed")),
            groups(8_000_000),
            users(8_000_001),
        )
    )
    assert list(Group.objects.get(pk=1).permissions.values_list("codename")) == [("pet",)]
    assert [p.codename for p in User.objects.get().user_permissions.all()] == ["feed"]


def test_loading_permissions_twice_changes_nothing(load: Load) -> None:
    text = dump_of(permissions((9_000_000, "feed")), groups(9_000_000))
    load(text)
    before = values(Permission, "pk", "codename")
    load(text)
    assert values(Permission, "pk", "codename") == before
    assert list(Group.objects.get().permissions.values_list("pk", flat=True)) == [9_000_000]


def test_the_permissions_of_a_shifted_target_come_back_exactly(load: Load) -> None:
    """D2: the dump of a database whose content types and permissions have other keys."""
    load(dump_of(permissions((9_000_000, "feed")), groups(9_000_000)))
    out = StringIO()
    call_command("dumpdata", "auth", format="py", stdout=out)
    before = values(Permission, "pk", "codename", "content_type")
    Group.objects.all().delete()
    Permission.objects.filter(pk=9_000_000).delete()
    Permission.objects.update(id=F("id") + 500_000)
    load(out.getvalue())
    assert values(Permission, "pk", "codename", "content_type") == before
    assert list(Group.objects.get().permissions.values_list("pk", flat=True)) == [9_000_000]


def test_the_default_site_is_there_if_the_dump_has_it(load: Load) -> None:
    Site.objects.all().delete()
    load(dump_of(rows("sites.Site", "id domain name", (1, "example.com", "example.com"))))
    assert values(Site, "pk", "domain") == [(1, "example.com")]


def test_the_default_site_gives_way(load: Load) -> None:
    assert values(Site, "pk", "domain") == [(1, "example.com")]
    load(dump_of(rows("sites.Site", "id domain name", (7, "zoo.example", "the zoo"))))
    assert values(Site, "pk", "domain") == [(7, "zoo.example")]


def test_the_default_site_gives_way_to_one_with_its_key(load: Load) -> None:
    load(dump_of(rows("sites.Site", "id domain name", (1, "zoo.example", "the zoo"))))
    assert values(Site, "pk", "domain") == [(1, "zoo.example")]


def test_a_site_of_ones_own_stays_beside_those_of_the_dump(load: Load) -> None:
    Site.objects.filter(pk=1).update(domain="mine.example")
    load(dump_of(rows("sites.Site", "id domain name", (7, "zoo.example", "the zoo"))))
    assert sorted(values(Site, "domain")) == ["mine.example", "zoo.example"]


def test_a_site_with_the_domain_of_the_dumps_takes_its_name(load: Load) -> None:
    Site.objects.filter(pk=1).update(domain="zoo.example", name="old")
    load(dump_of(rows("sites.Site", "id domain name", (1, "zoo.example", "new"))))
    assert values(Site, "pk", "domain", "name") == [(1, "zoo.example", "new")]


def test_a_dump_with_content_types_in_it_is_matched_by_their_names(load: Load) -> None:
    """D2: written by an older tool, or by hand."""
    before = values(ContentType, "pk", "model")
    load(dump_of(rows("contenttypes.ContentType", "id app_label model", (99_999, "zoo", "animal"))))
    assert values(ContentType, "pk", "model") == before


def test_sessions_are_not_dumped_and_that_is_said() -> None:
    expiry = datetime(2100, 1, 1, tzinfo=timezone.utc)
    Session.objects.create(session_key="s", session_data="secret", expire_date=expiry)
    out, err = StringIO(), StringIO()
    call_command("dumpdata", "sessions", "contenttypes", format="py", stdout=out, stderr=err)
    assert "secret" not in out.getvalue()
    assert "sessions.Session is left out" in err.getvalue()
    assert "contenttypes.ContentType is left out" in err.getvalue()


def test_content_types_are_looked_up_again_after_a_load(load: Load) -> None:
    """W17: Django remembers their keys."""
    remembered = ContentType.objects.get_for_model(Species)
    ContentType.objects.filter(pk=remembered.pk).delete()
    load(
        dump_of(
            rows(
                "zoo.Label",
                "id kind_id",
                "1, natural('contenttypes.ContentType', 'zoo', 'species')",
            )
        )
    )
    assert ContentType.objects.get_for_model(Species).pk == values(Label, "kind_id")[0]


def keys_of_content_types() -> dict[str, int]:
    """Return the primary keys of all content types by label."""
    found = ContentType.objects.values_list("app_label", "model", "pk")
    return {f"{app_label}.{name}": key for app_label, name, key in found}


def test_content_types_get_the_keys_of_the_source_and_what_refers_to_them_follows() -> None:
    before = keys_of_content_types()
    granted = set(Permission.objects.values_list("codename", "content_type__model"))
    swapped = {"zoo.note": before["zoo.label"], "zoo.label": before["zoo.note"]}
    moved = {"zoo.chip": 9_000_000, "zoo.animal": before["zoo.species"]}
    renumber_content_types(ContentType, {**swapped, **moved}, "default")
    after = keys_of_content_types()
    assert {**after, **swapped, **moved} == after
    assert after["zoo.species"] > 9_000_000
    kept = before.keys() - {*swapped, *moved, "zoo.species"}
    assert {after[label] for label in kept} == {before[label] for label in kept}
    assert set(Permission.objects.values_list("codename", "content_type__model")) == granted


class LabelsElsewhere:
    """A router that keeps labels out of the database."""

    def allow_migrate(self, db: str, app_label: str, model_name: str = "", **hints: Any) -> Any:
        return False if model_name == "label" else None


@pytest.mark.sqlite
def test_a_table_that_the_router_has_elsewhere_does_not_refer_to_content_types(
    settings: Any,
) -> None:
    settings.DATABASE_ROUTERS = [LabelsElsewhere()]
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE zoo_label")
    renumber_content_types(ContentType, {"zoo.chip": 9_000_000}, "default")
    assert keys_of_content_types()["zoo.chip"] == 9_000_000
