"""Fills the zoo, always with the same rows, and with values that are hard to keep."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from itertools import chain
from typing import Any
from uuid import UUID

from django.apps import apps
from django.contrib.auth.models import Group, Permission, User
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.contrib.sites.models import Site
from django.core.management.color import no_style
from django.db import DEFAULT_DB_ALIAS, connections, models, transaction

from . import models as zoo
from .fields import Point, Size
from .values import JSON_NULL, JSONS, by_engine

STAMP = datetime(2001, 2, 3, 4, 5, 6, 789_012, tzinfo=timezone.utc)
CHIPS = [UUID(int=number) for number in (0, 7, 2**127, 2**128 - 1)]
CODES = ["ee", "Ελλάς", 'print("PWNED", 1)', "a'b\"c\\d", "0", "None", " blank", "🦩", "x" * 100]


def put(instances: Iterable[models.Model], using: str) -> None:
    """Insert instances as they are: no `save()`, no stamps, no parents."""
    for instance in instances:
        instance.save_base(raw=True, force_insert=True, using=using)


def checkups(engine: str) -> Iterator[models.Model]:
    """Yield checkups in which every hard value occurs."""
    columns = by_engine(engine)
    for row in range(max(map(len, columns.values()))):
        values = {name: column[row % len(column)] for name, column in columns.items()}
        yield zoo.Checkup(pk=row + 1, **values)


def optional_checkups(engine: str) -> Iterator[models.Model]:
    """Yield an empty checkup, and for each field one in which it is the only value."""
    yield zoo.OptionalCheckup(pk=1)
    for pk, (name, column) in enumerate(by_engine(engine).items(), start=2):
        yield zoo.OptionalCheckup(pk=pk, **{name: column[-1]})


def scalars(engine: str) -> Iterator[models.Model]:
    """Yield the rows of the tables with scalar fields."""
    yield from checkups(engine)
    yield from optional_checkups(engine)
    for pk, plan in enumerate(JSONS, start=1):
        yield zoo.Diet(pk=pk, plan=plan, optional_plan=None if pk % 2 else plan)
    exact = {"amount": Decimal("1.10"), "of": [Decimal("1E+3"), 1.5, None]}
    encoded = {"day": date(2024, 2, 29), "moment": STAMP, "price": Decimal("1.10"), "id": CHIPS[1]}
    yield zoo.Diet(pk=100, plan={1: "one", None: "none"}, encoded_plan=encoded, exact_plan=exact)
    yield zoo.Diet(pk=101, plan=0, encoded_plan=JSON_NULL, exact_plan=Decimal("-0.00"))
    for pk in (1, 2, 32_767):
        yield zoo.SmallCounter(pk=pk, label=f"small {pk}")
    for pk in (3, 2**31 - 2):
        yield zoo.Counter(pk=pk, label=f"middling {pk}")
    for pk in (4, 2**62):
        yield zoo.BigCounter(pk=pk, label=f"big {pk}")
    yield zoo.Ticket(pk=1)
    yield zoo.Ticket(pk=2, kind=zoo.Ticket.Kind.CHILD, zone=2, optional_zone=1)
    yield from automatic()


def automatic() -> Iterator[models.Model]:
    """Yield rows whose columns would otherwise be filled in."""
    yield zoo.Crate(
        pk=1, label="straße", width=100_000, height=1000, status="", packed_at=STAMP,
        optional_rank=None, optional_grade=None,
    )  # fmt: skip
    yield zoo.Crate(pk=2, label="b", width=-1, height=2, packed_at=STAMP)
    yield zoo.Journal(
        pk=1, text="old", created=STAMP, changed=STAMP, created_day=STAMP.date(),
        changed_day=date(2002, 2, 2), changed_hour=time(1, 2, 3, 4),
    )  # fmt: skip


def keys() -> Iterator[models.Model]:
    """Yield rows with primary keys of every kind."""
    for number, key in enumerate(CHIPS):
        yield zoo.Chip(pk=key, label=f"chip {number}")
    yield from (zoo.Country(pk=code) for code in CODES)
    for number in (-(2**31), -1, 0, 2**31 - 1):
        yield zoo.Locker(pk=number, label=f"locker {number}")
    for number in (-(2**63), 0, 2**63 - 1):
        yield zoo.Star(pk=number, label=f"star {number}")
    yield zoo.Holiday(pk=date(2024, 2, 29), label="leap day")
    yield zoo.Holiday(pk=date.min, label="first day")
    yield zoo.Tariff(pk=Decimal("10.500"), label="adults")
    yield zoo.Tariff(pk=Decimal("-0.001"), label="members")
    yield zoo.Padlock(locker_id=0, code="0000")
    yield zoo.Padlock(locker_id=-1, code="1234")
    yield zoo.Key(padlock_id=0, keeper_name="Ada")
    for chip, day in ((CHIPS[1], 1), (CHIPS[1], 2), (CHIPS[0], 2)):
        yield zoo.Booking(chip_id=chip, day=date(2024, 1, day), visitor=f"visitor {day}")


def cycles() -> Iterator[models.Model]:
    """Yield rows that refer to each other, the referring ones first."""
    yield zoo.Wing(pk=1, name="north", curator_id=1)
    yield zoo.Wing(pk=2, name="south")
    yield zoo.Curator(pk=1, name="Ada", wing_id=1)
    yield zoo.Curator(pk=2, name="Ben", wing_id=1)
    yield zoo.Pond(pk=1, name="deep", star_id=2)
    yield zoo.Pond(pk=2, name="dry")
    yield zoo.Otter(pk=1, name="Olli", pond_id=1)
    yield zoo.Otter(pk=2, name="Otto", pond_id=1)
    for pk in range(1, 6):
        yield zoo.Island(pk=pk, name=f"island {pk}", chief_id=pk)
        yield zoo.Lemur(pk=pk, name=f"lemur {pk}", island_id=pk % 4 + 1 if pk < 5 else 5)
    yield zoo.Lemur(pk=6, name="idle lemur", island_id=5)


def trees() -> Iterator[models.Model]:
    """Yield trees in which the parent has the higher key."""
    for pk in range(1, 50):
        yield zoo.Taxon(pk=pk, name=f"taxon {pk}", parent_id=pk + 1)
    yield zoo.Taxon(pk=50, name="life")
    yield zoo.Taxon(pk=51, name="twig", parent_id=20)
    yield zoo.Region(pk=1, name="village", within_id=2)
    yield zoo.Region(pk=2, name="county", within_id=3)
    yield zoo.Region(pk=3, name="world", within_id=3)


def links() -> Iterator[models.Model]:
    """Yield the rows of the tables with foreign keys and one-to-ones."""
    for pk, latin in enumerate(["Lutra lutra", "Panthera leo", "Strix 'aluco'"], start=1):
        yield zoo.Species(pk=pk, latin=latin)
    yield zoo.Exhibit(pk=1, species_id="Strix 'aluco'", origin_id="Ελλάς", weight=-0.0)
    yield zoo.Exhibit(pk=2, species_id="Lutra lutra", origin_id=CODES[2], weight=1.5)
    yield zoo.Exhibit(pk=3, species_id="Lutra lutra")
    yield zoo.Perch(pk=1, bird="jay", place=2)
    yield zoo.Perch(pk=2, bird="owl", place=1)
    for pk in (3, 1):
        yield zoo.Passport(species_id=pk, number=f"P{pk}")
        yield zoo.Visa(passport_id=pk, number=f"V{pk}")
    yield zoo.Stamp(visa_id=3, number="S3")
    yield zoo.Sighting(pk=1, species_id=1, place="river")
    yield zoo.Sighting(pk=2, species_id=999, place="nowhere")
    yield from animals()


def animals() -> Iterator[models.Model]:
    """Yield animals and the rows of the through models between them."""
    for pk in range(1, 8):
        yield zoo.Animal(pk=pk, name=f"animal {pk}", species_id=pk % 3 or None)
    yield zoo.Introduction(pk=1, animal_id=1, other_id=2, witness_id=3, went_well=True)
    yield zoo.Introduction(pk=2, animal_id=2, other_id=1, went_well=None)
    yield zoo.Introduction(pk=3, animal_id=4, other_id=4, witness_id=4, went_well=False)
    yield zoo.Trough(pk=1, name="big trough")
    yield zoo.Trough(pk=2, name="small trough")
    for pk, (trough, animal) in enumerate([(1, 1), (1, 2), (2, 1), (1, 1)], start=1):
        fed_at = STAMP + timedelta(days=pk)
        yield zoo.Feeding(
            pk=pk, trough_id=trough, animal_id=animal, kilos=Decimal("1.005"), fed_at=fed_at
        )


def creatures() -> Iterator[models.Model]:
    """Yield the rows of multi-table inheritance, each table's own columns only."""
    for pk in range(1, 9):
        yield zoo.Creature(pk=pk, name=f"creature {pk}", height=pk % 4)
    for pk in (2, 3, 4):
        yield zoo.Bird(creature_ptr_id=pk, wingspan=pk * 10)
    yield zoo.Parrot(bird_ptr_id=4, vocabulary="hello\nhello")
    yield zoo.Fish(record_id=5, fins=7)
    yield zoo.Snake(creature_id=6, tag=60, length=3)
    yield zoo.Snake(creature_id=7, tag=-7, length=4)
    yield zoo.Crab(creature_ptr_id=8)
    yield zoo.Walker(pk=1, legs=4)
    yield zoo.Walker(pk=2, legs=2)
    yield zoo.Swimmer(pk=11, depth=40)
    yield zoo.Amphibian(walker_ptr_id=1, swimmer_ptr_id=11, name="newt")


def naturals(using: str) -> Iterator[models.Model]:
    """Yield rows with natural keys, and rows that refer to any object."""
    yield zoo.Nation(pk=1, name="Estonia", mascot_id=2)
    yield zoo.Nation(pk=2, name="Finland", mascot_id=1)
    yield zoo.Nation(pk=3, name="Nowhere")
    yield zoo.Mascot(pk=1, name="Rasmus", nation_id=1)
    yield zoo.Mascot(pk=2, name="Rasmus", nation_id=2)
    yield zoo.Folder(pk=1, name="root", code="a", twin_id=3, content={"": None})
    yield zoo.Folder(pk=2, name="letters", parent_id=3, code="b", number=7)
    yield zoo.Folder(pk=3, name="letters", parent_id=1, code="c", content=JSON_NULL)
    yield zoo.Archive(folder_ptr_id=3, copied_id=2)
    yield zoo.Page(folder_id=3, number=-1, text="first")
    yield zoo.Page(folder_id=2, number=0, text="")

    types = ContentType.objects.db_manager(using)
    yield zoo.Note(pk=1, content_type=types.get_for_model(zoo.Creature), object_id=4, text="a")
    yield zoo.Note(pk=2, content_type=types.get_for_model(zoo.Void), object_id=404, text="gone")
    chick = types.get_for_model(zoo.Chick, for_concrete_model=False)
    yield zoo.Label(pk=1, kind=chick, key="2", text="on a proxy")
    yield zoo.Label(pk=2, kind=types.get_for_model(zoo.Chip), key=str(CHIPS[1]), text="on a UUID")
    yield zoo.Label(pk=3, text="on nothing")
    moa, _ = types.get_or_create(app_label="zoo", model="moa")
    yield zoo.Label(pk=4, kind=moa, key="1", text="on a model that is no more")


def hidden() -> Iterator[models.Model]:
    """Yield rows of models whose managers hide some, or do more than that."""
    yield zoo.Resident(pk=1, name="here", companion_id=2)
    yield zoo.Resident(pk=2, name="left", left=True, companion_id=1)
    yield zoo.Relic(pk=1, name="on show")
    yield zoo.Relic(pk=2, name="in store", in_store=True)
    yield zoo.Tree(pk=1, name="oak")
    for pk in (1, 2, 3):
        yield zoo.Egg(pk=pk, weight=pk)
        yield zoo.Nest(pk=pk, tree_id=1, height=pk * 10)
    yield zoo.Visit(pk=1, visitor="Ada")


def behaving() -> Iterator[models.Model]:
    """Yield rows that `save()`, receivers, hooks or validation would change or refuse."""
    yield zoo.KeeperProfile(pk=20, keeper_id=1, motto="kept as it is")
    yield zoo.Door(pk=1, name="front", saves=41)
    yield zoo.DoorLog(pk=1, door_id=1, text="saved long ago")
    yield zoo.Meal(pk=1, name="fish", species_id=1, latin="Lutra lutra")
    yield zoo.Snack(pk=1, name="nuts", shouted="NUTS")
    yield zoo.Nickname(pk=1, text="Bibi")
    yield zoo.Weighing(pk=1, kilos=0)
    yield zoo.Berth(pk=1, cage=1, taken=True)
    yield zoo.Berth(pk=2, cage=1, taken=False)
    yield zoo.Permit(pk=1, number="no", holder="")


def odd_tables() -> Iterator[models.Model]:
    """Yield rows of tables with odd names and columns, and of custom fields."""
    yield zoo.FeedingLog(pk=1, text="in a quoted table")
    for pk, new in ((1, 2), (2, None)):
        yield zoo.Vocabulary(
            pk=pk, new_id=new, resolve_model="auth.User", Decimal=Decimal("1.50"), UUID=CHIPS[1],
            date=date.max, datetime=STAMP, time=time.max, timedelta=timedelta(-1), utc=STAMP,
            zoo_Vocabulary=1, create_zoo_vocabulary=2, loader=3, model="zoo.Vocabulary", args=4,
            kw=5, kwargs=6, cls=7, order=8, match=9, type=10, print=11, größe=12,
        )  # fmt: skip
    yield zoo.Waypoint(pk=1, point=Point(0.1, -2.0), optional_point=Point(1e300, 0.0))
    yield zoo.Waypoint(pk=2, point=Point(1 / 3, 5.0))
    yield zoo.Basket(pk=1, fruits={"apple", "pear", "🍌"}, optional_fruits=set())
    yield zoo.Basket(pk=2, fruits=set())
    yield zoo.Collar(pk=1, size=Size.LARGE, optional_size=Size.SMALL)
    yield zoo.Collar(pk=2, size=Size.SMALL)


def fill_auth(using: str) -> None:
    """Create users, groups and grants, and change the site that `migrate` made."""
    keepers = Group.objects.using(using).create(pk=5, name="keepers")
    for pk, name in ((10, "ada"), (11, "ben")):
        put([User(pk=pk, username=name, password="!", date_joined=STAMP)], using)
    ada = User.objects.using(using).get(pk=10)
    ada.groups.set([keepers])
    permissions = Permission.objects.using(using).filter(content_type__app_label="zoo")
    ada.user_permissions.set(permissions.filter(codename__in=["revoke_permit", "add_chick"]))
    put([own_permission(using)], using)
    keepers.permissions.set(permissions.filter(codename__in=["view_animal", "tame_animal"]))
    Site.objects.using(using).update_or_create(pk=1, defaults={"domain": "zoo.example"})
    Site.objects.using(using).create(pk=2, domain="farm.example", name="the farm")
    put([Session(pk="s" * 32, session_data="secret", expire_date=STAMP)], using)


def own_permission(using: str) -> Permission:
    """Return a permission that no model declares."""
    animal = ContentType.objects.db_manager(using).get_for_model(zoo.Animal)
    return Permission(pk=9000, codename="tame_animal", name="Can tame animal", content_type=animal)


def fill_links(using: str) -> None:
    """Fill the many-to-manys."""
    add(zoo.Animal, 1, using, friends=[2, 3, 1], prey=[2, 1], seen_in=["Ελλάς", CODES[2]])
    add(zoo.Animal, 7, using, friends=[3], prey=[1, 2, 3, 4, 5, 6])
    add(zoo.Country, "ee", using, neighbours=["Ελλάς", CODES[3]])
    add(zoo.Star, 2**63 - 1, using, chips=[CHIPS[3], CHIPS[0]])
    add(zoo.Creature, 1, using, chips=CHIPS)
    add(zoo.Bird, 2, using, chips=CHIPS[:1], rivals=[2, 4])
    add(zoo.Mascot, 1, using, allies=[3, 2])
    add(zoo.Folder, 2, using, shortcuts=[2, 1, 3])
    add(zoo.Nest, 2, using, eggs=[3, 1])
    add(zoo.Nest, 3, using, eggs=[1, 2, 3])
    add(zoo.Vocabulary, 1, using, natural=[2, 1])


def add(model: type[models.Model], pk: Any, using: str, **targets: list[Any]) -> None:
    """Link one row to others, by many-to-many field and their keys."""
    instance = model._default_manager.using(using).get(pk=pk)
    for name, keys in targets.items():
        getattr(instance, name).add(*keys)


def fill_null_file(using: str) -> None:
    """Put NULL into a FileField, which saving an instance cannot do."""
    zoo.OptionalCheckup.objects.using(using).filter(pk=1).update(xray=None)


def reset_sequences(using: str) -> None:
    """Let automatic keys go on after the highest one, for those who go on adding rows."""
    connection = connections[using]
    managed = [model for model in apps.get_models() if model._meta.managed]
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), managed):
            cursor.execute(statement)


def fill_postgresql(using: str) -> None:
    """Fill the tables that only PostgreSQL has."""
    from pgzoo.fill import rows

    put(rows(), using)


def fill(using: str = DEFAULT_DB_ALIAS) -> None:
    """Fill every table of the zoo in a migrated, empty database, and some of `auth` and `sites`."""
    connection = connections[using]
    with transaction.atomic(using), connection.constraint_checks_disabled():
        zoo.Keeper.objects.using(using).bulk_create(
            [zoo.Keeper(pk=1, name="with a profile"), zoo.Keeper(pk=2, name="without")]
        )
        put(
            chain(
                scalars(connection.vendor), keys(), cycles(), trees(), links(), creatures(),
                naturals(using), hidden(), behaving(), odd_tables(),
            ),
            using,
        )  # fmt: skip
        fill_auth(using)
        fill_links(using)
        fill_null_file(using)
        if connection.vendor == "postgresql":
            fill_postgresql(using)
        reset_sequences(using)
