"""Instances saved one by one: hand-written ones, and rows of a dump that code looks at."""

from __future__ import annotations

import inspect
import json
from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from django.apps import apps
from django.core.exceptions import ValidationError
from django.db import DatabaseError, router, transaction
from django.db.models import ForeignKey, Manager, Model
from django.db.models.expressions import DatabaseDefault
from django.db.models.signals import post_save, pre_save

from dumpy.conf import configuration
from dumpy.errors import DumpyError, Place, Problem, reason_of
from dumpy.loading.batches import Layout, ReferenceLoader, TableLoader, require_lock
from dumpy.loading.conflicts import owners
from dumpy.loading.references import MissingRow, RowKey, row_keys, stored_key
from dumpy.loading.report import Counts, RefusedRow, problem_of
from dumpy.loading.special import SpecialLoader
from dumpy.reading.dump import Row
from dumpy.schema.instances import (
    DumpedRow,
    RejectedRow,
    dumped_row,
    has_own_decoder,
    has_receivers,
    row_ref,
)
from dumpy.schema.tables import (
    Column,
    ModelType,
    Table,
    attribute,
    concrete,
    is_special,
    table_of,
)
from dumpy.text.words import JSON_NULL, Natural

if TYPE_CHECKING:
    from dumpy.loading.loader import Loader

HOOK = "before_dumpy_save"


class SideEffects:
    """Rows that receivers, hooks and ``save()`` make while others are loaded.

    Only rows of models of which another row may have one only: those may conflict with the dump's.
    """

    def __init__(self, using: str) -> None:
        self._using = using
        self._keys: defaultdict[ModelType, set[object]] = defaultdict(set)
        self._has_receivers: dict[ModelType, bool] = {}
        self._saving: list[Model] = []
        self._is_listening = False

    def of(self, model: ModelType) -> set[object]:
        """Return the primary keys of the rows that were made."""
        return self._keys[model]

    def is_heard(self, model: ModelType) -> bool:
        """Whether each dumped row of a model is sent to receivers."""
        return configuration().signals == "raw" and self._receivers_of(model)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Note the rows that are made in the block."""
        if self._is_listening:
            yield
            return
        models = [model for model in apps.get_models() if owners(concrete(model))]
        for model in models:
            # Before there is a receiver of our own.
            self._receivers_of(model)
        for model in models:
            post_save.connect(self._note, sender=model)
        self._is_listening = True
        try:
            yield
        finally:
            self._is_listening = False
            for model in models:
                post_save.disconnect(self._note, sender=model)

    @contextmanager
    def noted(self, instance: Model) -> Iterator[None]:
        """Note what others make in the block, in which an instance is saved."""
        model = type(instance)
        is_code_run = hasattr(model, HOOK) or model.save is not Model.save
        if not (is_code_run or self._receivers_of(model)):
            yield
            return
        with self.listening():
            self._saving.append(instance)
            try:
                yield
            finally:
                self._saving.pop()

    def _note(self, sender: ModelType, created: bool, using: str, **details: Any) -> None:
        made = details["instance"]
        if created and using == self._using and self._saving and made is not self._saving[-1]:
            self._keys[concrete(sender)].add(made.pk)

    def _receivers_of(self, model: ModelType) -> bool:
        if model not in self._has_receivers:
            self._has_receivers[model] = has_receivers(model)
        return self._has_receivers[model]


@dataclass(eq=False)
class PendingObject:
    """An object to be saved, with its place and the error of the last attempt.

    Attributes:
        is_changed: whether it is a row of a model that has changed since the dump.
        is_incomplete: whether its row is there, but for references that are not there yet.
    """

    instance: Model
    place: Place | None
    error: Exception | None = None
    is_changed: bool = False
    is_incomplete: bool = False

    def problem(self, using: str) -> Problem:
        """Return the problem of the object."""
        error, table = self.error or RefusedRow("it was not tried."), table_of(type(self.instance))
        return problem_of(row_ref(self.instance, self.place), table, error, using)

    def rejected(self, problem: Problem) -> Iterator[RejectedRow]:
        """Yield the row of the object; for a hand-written one, those of its parents before it."""
        instance, row = self.instance, dumped_row(self.instance)
        if row is not None:
            yield RejectedRow(type(instance), _dumped_values(instance, row), problem)
            return
        for model in [*reversed(instance._meta.get_parent_list()), type(instance)]:
            table = table_of(model)
            values = {
                column.name: field_value(column, instance) for column in given(table, instance)
            }
            link = instance._meta.get_ancestor_link(model)
            if link is not None and values.get(table.key[0]) is None:
                values[table.key[0]] = getattr(instance, link.attname)
            known = {n: v for n, v in values.items() if v is not None or n not in table.key}
            yield RejectedRow(table.model, known, problem)


class Unwritten(Exception):
    """A hook wants to see rows that are not written yet."""


class ObjectLoader:
    """Saves instances; those that cannot be saved yet are pending."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader
        self._references = loader.references
        self._using = loader.using
        self._open: set[int] = set()
        self._circle: set[RowKey] = set()
        # What a running hook wants to be saved, None if there is none.
        self._asked: list[PendingObject] | None = None
        self._may_flush = True
        # Saved rows with references by natural key, by which they may have to be found again.
        self._natural: defaultdict[tuple[Table, tuple[str, ...]], list[Row]] = defaultdict(list)

    @property
    def is_in_hook(self) -> bool:
        """Whether a hook is running; raises ``Unwritten`` if it is to see what is not written."""
        if self._asked is not None and not self._may_flush:
            raise Unwritten
        return self._asked is not None

    def add(self, item: PendingObject) -> bool:
        """Save an object, and what waits for it; return whether it could be saved.

        What a running hook asks for is saved when the hook has succeeded.
        """
        self._loader.require_table(type(item.instance), item.place)
        if self._asked is not None:
            self._asked.append(item)
            return False
        self._loader.pending.work([item])
        return item.error is None

    def attempt(self, item: PendingObject) -> bool:
        """Try to save an object; return whether its row was saved, complete or not."""
        was_there = item.is_incomplete
        try:
            self._save(item)
        except DumpyError:
            raise
        except MissingRow as error:
            item.error = error
            self._loader.pending.add(item)
            # Rows that are there, and wait for each other, must not wake each other for ever.
            return item.is_incomplete and not was_there
        except Exception as error:
            require_lock(error, self._using)
            if isinstance(error, DatabaseError) and self._references.require_queries(
                _key_of(item.instance)[0]
            ):
                # Its row may be there, made by code.
                return self.attempt(item)
            item.error = error
            self._loader.pending.add(item)
            return False
        item.error, instance = None, item.instance
        # Code may save an object of its own as often as it likes.
        if item.place and (self._loader.come_once or dumped_row(instance)):
            table = table_of(type(instance))
            self._loader.pending.loaded_keys.add_object(table, instance.pk, item.place)
        return True

    @contextmanager
    def circle(self, items: Collection[PendingObject]) -> Iterator[None]:
        """Let objects refer to each other in the block before they are saved."""
        self._circle = {key for item in items for key in row_keys(item.instance)}
        try:
            yield
        finally:
            self._circle = set()

    def may_be_incomplete(self, item: PendingObject) -> bool:
        """Whether a row can do for now without the references that are not there."""
        row = dumped_row(item.instance)
        if row is None or item.is_incomplete:
            return False
        table = table_of(type(item.instance))
        return all(
            table.column(name).field.null or self._references.is_available(natural)
            for name, natural in row.references.items()
        )

    def save_incomplete(self, item: PendingObject) -> bool:
        """Save a row without the references that are not there; return whether it is saved."""
        item.is_incomplete = True
        row = cast(DumpedRow, dumped_row(item.instance))
        there = {k: v for k, v in row.references.items() if self._references.is_available(v)}
        try:
            self._save_dumped(item, DumpedRow(row.names, there))
        except DumpyError:
            raise
        except Exception as error:
            require_lock(error, self._using)
            item.error = error
            return False
        return True

    def natural_rows(self) -> Iterator[tuple[Layout, list[Row]]]:
        """Yield the saved rows that have references by natural key, each with its key and them."""
        for (table, names), rows in self._natural.items():
            fields = {name: where for where, name in enumerate((*table.key, *names))}
            yield Layout(table, fields), rows

    def _save(self, item: PendingObject) -> None:
        self._call_hook(item.instance)
        row = dumped_row(item.instance)
        if row is None:
            self._save_new(item)
        else:
            self._save_dumped(item, row)
            self._note_natural(item, row)

    def _note_natural(self, item: PendingObject, row: DumpedRow) -> None:
        instance = item.instance
        table = table_of(type(instance))
        natural: dict[str, object] = {
            table.column(name).name: one
            for name, one in row.references.items()
            if one.model.lower() != "contenttypes.contenttype"
        }
        natural |= {n: some for n, some in row.links.items() if Natural in set(map(type, some))}
        if natural:
            key = [getattr(instance, name) for name in table.key]
            given = _row(item, [*key, *natural.values()])
            self._natural[table, tuple(natural)].append(given)

    def _call_hook(self, instance: Model) -> None:
        if not hasattr(instance, HOOK):
            return
        try:
            asked = self._asked_by(instance, may_flush=False)
        except Exception:
            # What it looks for may be in a block that is not written yet.
            self._loader.flush()
            asked = self._asked_by(instance, may_flush=True)
        self._loader.pending.work(asked)

    def _asked_by(self, instance: Model, *, may_flush: bool) -> list[PendingObject]:
        """Call the hook of an instance; return the objects that it wants to be saved."""
        self._asked, self._may_flush = [], may_flush
        try:
            hook: Any = getattr(instance, HOOK)
            with (
                self._loader.side_effects.noted(instance),
                transaction.atomic(using=self._using),
            ):
                hook(self._loader) if _takes_loader(type(instance)) else hook()
            return self._asked
        finally:
            self._asked = None

    def _save_new(self, item: PendingObject) -> None:
        """Save a hand-written object: validated, with its own ``save()`` and with signals."""
        instance = item.instance
        # Assigning an object to a foreign key has made it one of the default database.
        instance._state.db = self._using
        self._save_related(item)
        exempt, known = self._check_references(instance)
        if instance._state.adding:
            instance._state.adding = not self._is_stored(instance)
        adding = instance._state.adding
        with transaction.atomic(using=self._using):
            self._full_clean(instance, exempt, known)
            with self._loader.side_effects.noted(instance):
                model = type(instance)
                is_plain = model.save is Model.save and not model._meta.parents
                if adding and is_plain and instance.pk is not None:
                    instance.save(using=self._using, force_insert=True)
                else:
                    instance.save(using=self._using)
        self._references.note_saved(instance, is_new=adding)
        counts = self._counts(instance)
        counts.inserted += adding
        counts.updated += not adding

    def _full_clean(self, instance: Any, exempt: set[str], known: set[str]) -> None:
        """Validate an object, without a second look for rows that were found or not found."""
        model, adding = type(instance), instance._state.adding
        # The key of a new object was looked for before.
        unique = {model._meta.pk.name} if adding else set()
        vars(instance)["clean_fields"] = lambda exclude=None: model.clean_fields(
            instance, {*(exclude or ()), *known}
        )
        vars(instance)["validate_unique"] = lambda exclude=None: model.validate_unique(
            instance, {*(exclude or ()), *unique}
        )
        try:
            # Django looks for duplicates in the database that it would read from.
            is_read = router.db_for_read(model) == self._using
            instance.full_clean(exclude=exempt, validate_unique=is_read)
        finally:
            del vars(instance)["clean_fields"], vars(instance)["validate_unique"]

    def _save_related(self, item: PendingObject) -> None:
        """Save the unsaved objects that the object points at, as factories build them."""
        instance = item.instance
        self._open.add(id(instance))
        try:
            for field in _relations(type(instance)):
                related = field.get_cached_value(instance, default=None)
                if related is None or id(related) in self._open:
                    continue
                if related._state.adding and not self._is_stored(related):
                    try:
                        self._save(PendingObject(related, item.place))
                    except (ValidationError, DatabaseError) as error:
                        name, label = field.name, related._meta.label
                        said = f"its {name}, an unsaved {label}, is refused: {reason_of(error)}"
                        raise RefusedRow(said, name) from error
                if getattr(instance, getattr(field, "fk_field", None) or field.attname) is None:
                    setattr(instance, field.name, related)
        finally:
            self._open.discard(id(instance))

    def _check_references(self, instance: Model) -> tuple[set[str], set[str]]:
        """Raise ``MissingRow`` for a foreign key to a row that is not there.

        Returns the foreign keys that may lead nowhere for now, to the object itself or into a
        circle, and those that need not be looked up again.
        """
        exempt, known = set(), set()
        for field in _foreign_keys(type(instance)):
            value = getattr(instance, field.attname)
            # The row of a parent is saved with the object.
            if value is None or field.remote_field.parent_link:
                continue
            other = field.remote_field.model
            key = RowKey(concrete(other), field.target_field.attname, value)
            # It may lead to a row of another database.
            may_dangle = not field.db_constraint and not router.allow_migrate_model(
                self._using, other
            )
            if may_dangle or key in self._circle:
                exempt.add(field.name)
            elif self._references.exists(key):
                if _is_looked_up_only(field) and field.to_python(value) is value:
                    known.add(field.name)
            elif key in row_keys(instance):
                exempt.add(field.name)
            else:
                raise MissingRow(key, field.attname)
        return exempt, known

    def _is_stored(self, instance: Model) -> bool:
        if instance.pk is None:
            return False
        key = _key_of(instance)
        return not self._references.is_new(key) and self._references.exists(key)

    def _save_dumped(self, item: PendingObject, row: DumpedRow) -> None:
        """Put an object back as it was: no ``save()``, stamps kept."""
        instance = item.instance
        table = table_of(type(instance))
        for name, natural in row.references.items():
            column = table.column(name)
            value = self._references.resolve(natural, column.parent_field.attname)
            setattr(instance, column.name, value)
        if not item.is_incomplete:
            self._loader.validate(instance, row.names, is_changed=item.is_changed)
        if not set(table.key) <= set(row.names):
            instance.pk = stored_key(instance, self._using) or instance.pk
            if is_new := instance._state.adding and not self._is_stored(instance):
                self._insert(item)
            self._require_links(item, row, is_written=is_new)
            if is_new:
                with transaction.atomic(using=self._using):
                    self._link(item, row)
                return
        if self._loader.side_effects.is_heard(type(instance)):
            self._loader.flush()
            is_new = self._references.is_new(_key_of(instance))

            def put() -> bool:
                # A receiver may have changed the object.
                loader, given = self._table_loader(item, row)
                return loader.put(given, is_new=is_new)

            self._between_signals(item, put)
            self._references.note_saved(instance, is_new=is_new)
        else:
            loader, given = self._table_loader(item, row)
            loader.add(given)

    def _require_links(self, item: PendingObject, row: DumpedRow, *, is_written: bool) -> None:
        """Raise ``MissingRow`` if a linked row does not exist; the row is saved without its links.

        The linked row may need a unique value that the stored row still has.
        """
        item.is_incomplete |= is_written
        links = (one for some in row.links.values() if isinstance(some, list) for one in some)
        for natural in links:
            if isinstance(natural, Natural) and not self._references.is_available(natural):
                if not is_written:
                    loader, given = self._table_loader(item, replace(row, links={}))
                    loader.add(given)
                    self._loader.flush()
                item.is_incomplete = True
                raise MissingRow(natural)

    def _between_signals(self, item: PendingObject, write: Callable[[], bool]) -> None:
        """Write a row, between its signals if it has receivers."""
        instance, model = item.instance, type(item.instance)
        details: dict[str, Any] = {"raw": True, "using": self._using, "update_fields": None}
        with transaction.atomic(using=self._using), self._loader.side_effects.noted(instance):
            is_heard = self._loader.side_effects.is_heard(model)
            if is_heard:
                pre_save.send(sender=model, instance=instance, **details)
            is_new = write()
            if is_heard:
                post_save.send(sender=model, instance=instance, created=is_new, **details)

    def _insert(self, item: PendingObject) -> None:
        """Insert a row whose key the dump does not give."""
        self._loader.flush()
        instance, key = item.instance, item.instance.pk

        def insert() -> bool:
            meta: Any = instance._meta
            fields = [f for f in meta.local_concrete_fields if not f.generated]
            if key is None:
                fields.remove(meta.pk)
            manager: Any = type(instance)._base_manager
            ((instance.pk,),) = manager._insert(
                [instance], fields=fields, returning_fields=[meta.pk], using=self._using, raw=True
            )
            return True

        try:
            self._between_signals(item, insert)
        except Exception:
            # The next attempt must not take the key of a row that was rolled back.
            instance.pk = key
            raise
        self._counts(instance).inserted += 1
        self._references.note_inserted(table_of(type(instance)).model)

    def _link(self, item: PendingObject, row: DumpedRow) -> None:
        """Write the links of a row that was inserted and counted."""
        instance, table = item.instance, table_of(type(item.instance))
        names = [*table.key, *row.links]
        layout = Layout(table, {name: position for position, name in enumerate(names)})
        key = [getattr(instance, name) for name in table.key]
        loader = ReferenceLoader(layout, self._loader.pending, Counts())
        loader.put(_row(item, [*key, *row.links.values()]), is_new=False)

    def _table_loader(self, item: PendingObject, row: DumpedRow) -> tuple[TableLoader, Row]:
        """Return what writes an object, and the object as a row for it."""
        instance = item.instance
        table = table_of(type(instance))
        columns = given(table, instance)
        linked = [link.name for link in table.links if link.name in row.links]
        names = (*(column.name for column in columns), *linked)
        values = [field_value(column, instance) for column in columns]
        values += [row.links[name] for name in linked]
        loaders = self._loader.loaders
        loader = loaders.get((table.label, names))
        if loader is None:
            # A special row may get another key: whoever refers to it must be written later.
            self._loader.flush()
            make = SpecialLoader if is_special(table.model) else TableLoader
            layout = Layout(table, {name: position for position, name in enumerate(names)})
            loader = make(layout, self._loader.pending, self._counts(instance))
            loaders[table.label, names] = loader
        return loader, _row(item, values)

    def _counts(self, instance: Model) -> Counts:
        counts = self._loader.report.tables[table_of(type(instance)).label]
        counts.lane = "objects"
        return counts


def _row(item: PendingObject, values: list[Any]) -> Row:
    """The values of an object as a row, which has its place where others have a line."""
    return Row(cast(int, item.place), tuple(values), 0)


def _key_of(instance: Model) -> RowKey:
    pk: Any = instance._meta.pk
    return RowKey(concrete(type(instance)), pk.attname, instance.pk)


@cache
def _foreign_keys(model: ModelType) -> tuple[Any, ...]:
    return tuple(field for field in model._meta.concrete_fields if isinstance(field, ForeignKey))


@cache
def _relations(model: ModelType) -> tuple[Any, ...]:
    """The foreign keys of a model, and its generic ones."""
    generic = [field for field in model._meta.private_fields if hasattr(field, "fk_field")]
    return (*_foreign_keys(model), *generic)


@cache
def _is_looked_up_only(field: Any) -> bool:
    """Whether all that Django does to validate a foreign key is to look for its row."""
    own, manager = type(field), field.remote_field.model._base_manager
    return bool(
        own.validate is ForeignKey.validate
        and own.clean is ForeignKey.clean
        and type(manager) is Manager
        and not (field.validators or field.choices or field.get_limit_choices_to())
    )


def given(table: Table, instance: Model) -> list[Column]:
    """Return the columns whose values an instance has, not the database."""
    return [
        column
        for column in table.columns
        if not isinstance(getattr(instance, column.name), DatabaseDefault)
    ]


def field_value(column: Column, instance: Model) -> Any:
    """Return what an instance holds for a column, as a row of a dump has it."""
    value = attribute(column, instance)
    if column.is_json and hasattr(value, "as_sql"):
        return JSON_NULL
    if value is not None and has_own_decoder(column):
        return json.loads(json.dumps(value, cls=column.target.encoder))
    return value


def _dumped_values(instance: Model, row: DumpedRow) -> dict[str, Any]:
    table = table_of(type(instance))
    values = {
        column.name: field_value(column, instance)
        for column in given(table, instance)
        if {column.name, column.field.name} & set(row.names)
    }
    named = {table.column(name).name: value for name, value in row.references.items()}
    return values | named | row.links


@cache
def _takes_loader(model: Hashable) -> bool:
    return len(inspect.signature(getattr(model, HOOK)).parameters) > 1
