"""Save instances one by one: hand-written objects, and rows of a dump that code looks at."""

from __future__ import annotations

import inspect
import json
from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from django.apps import apps
from django.core.exceptions import ValidationError
from django.db import DatabaseError, router, transaction
from django.db.models import ForeignKey, Manager, Model, Value
from django.db.models.expressions import DatabaseDefault
from django.db.models.signals import post_save, pre_save

from dumpy.conf import configuration
from dumpy.errors import DumpyError, Place, Problem, reason_of
from dumpy.loading.batches import Layout, ReferenceLoader, TableLoader, raise_if_locked_out
from dumpy.loading.conflicts import unique_foreign_keys
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
from dumpy.text.skeleton import Fields
from dumpy.text.words import JSON_NULL, Natural, Stored

if TYPE_CHECKING:
    from dumpy.loading.loader import Loader

HOOK = "before_dumpy_save"


class SideEffects:
    """The rows that receivers, hooks and ``save()`` create while other rows are loaded.

    Only models with unique foreign keys are recorded: their rows may conflict with the dump's.
    """

    def __init__(self, using: str) -> None:
        self._using = using
        self._keys: defaultdict[ModelType, set[object]] = defaultdict(set)
        self._has_receivers: dict[ModelType, bool] = {}
        self._saving: list[Model] = []
        self._is_recording = False

    def keys(self, model: ModelType) -> set[object]:
        """Return the primary keys of the created rows of a model."""
        return self._keys[model]

    def sends_signals(self, model: ModelType) -> bool:
        """Whether dumped rows of a model are saved with signals."""
        return configuration().signals == "raw" and self._model_has_receivers(model)

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Record the rows that are created in the block, while ``recording_save`` is active."""
        if self._is_recording:
            yield
            return
        models = [model for model in apps.get_models() if unique_foreign_keys(concrete(model))]
        for model in models:
            # Later, the receiver below would count.
            self._model_has_receivers(model)
        for model in models:
            post_save.connect(self._record, sender=model)
        self._is_recording = True
        try:
            yield
        finally:
            self._is_recording = False
            for model in models:
                post_save.disconnect(self._record, sender=model)

    @contextmanager
    def recording_save(self, instance: Model) -> Iterator[None]:
        """Record the rows that are created in the block, in which ``instance`` is saved."""
        model = type(instance)
        runs_code = hasattr(model, HOOK) or model.save is not Model.save
        if not (runs_code or self._model_has_receivers(model)):
            yield
            return
        with self.recording():
            self._saving.append(instance)
            try:
                yield
            finally:
                self._saving.pop()

    def _record(
        self, sender: ModelType, instance: Model, created: bool, using: str, **_kwargs: Any
    ) -> None:
        if created and using == self._using and self._saving and instance is not self._saving[-1]:
            self._keys[concrete(sender)].add(instance.pk)

    def _model_has_receivers(self, model: ModelType) -> bool:
        if model not in self._has_receivers:
            self._has_receivers[model] = has_receivers(model)
        return self._has_receivers[model]


@dataclass(eq=False)
class PendingObject:
    """An object to be saved.

    Attributes:
        error: the error of the last attempt.
        is_changed: whether its model has changed since the dump.
        is_incomplete: whether its row was saved without references to rows that do not exist yet.
    """

    instance: Model
    place: Place | None
    error: Exception | None = None
    is_changed: bool = False
    is_incomplete: bool = False

    @property
    def table(self) -> Table:
        """The table of the model of the object."""
        return table_of(type(self.instance))

    def problem(self, using: str) -> Problem:
        """Return the problem of the object."""
        assert self.error is not None
        ref, is_object = row_ref(self.instance, self.place), dumped_row(self.instance) is None
        return replace(problem_of(ref, self.table, self.error, using), is_object=is_object)

    def rejected(self, problem: Problem) -> Iterator[RejectedRow]:
        """Yield the row of the object; a hand-written object has rows of its parents before it."""
        instance, row = self.instance, dumped_row(self.instance)
        if row is not None:
            yield RejectedRow(type(instance), _dumped_values(instance, row), problem)
            return
        for model in [*reversed(instance._meta.get_parent_list()), type(instance)]:
            table = table_of(model)
            values = {
                column.name: field_value(column, instance)
                for column in columns_with_values(table, instance)
            }
            link = instance._meta.get_ancestor_link(model)
            if link is not None and values.get(table.key[0]) is None:
                values[table.key[0]] = getattr(instance, link.attname)
            known = {n: v for n, v in values.items() if v is not None or n not in table.key}
            yield RejectedRow(table.model, known, problem)


class UnwrittenRows(Exception):
    """A hook flushes the loader, which it may not do in this attempt."""


class ObjectLoader:
    """Saves instances; an instance that cannot be saved yet is pending."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader
        self._references = loader.references
        self._using = loader.using
        self._saving: set[int] = set()
        self._cycle_keys: set[RowKey] = set()
        # The objects that the running hook wants to save; None outside of a hook.
        self._hook_items: list[PendingObject] | None = None
        self._may_flush = True
        self._natural_rows: defaultdict[tuple[Table, tuple[str, ...]], list[Row]] = defaultdict(
            list
        )

    @property
    def is_in_hook(self) -> bool:
        """Whether a hook is running; raises ``UnwrittenRows`` if the hook may not flush."""
        if self._hook_items is not None and not self._may_flush:
            raise UnwrittenRows
        return self._hook_items is not None

    def add(self, item: PendingObject) -> bool:
        """Save an object and the objects that wait for it; return whether it was saved.

        The objects of a running hook are saved after the hook.
        """
        self._loader.require_table(type(item.instance), item.place)
        if self._hook_items is not None:
            self._hook_items.append(item)
            return False
        self._loader.pending.process([item])
        return item.error is None

    def try_save(self, item: PendingObject) -> bool:
        """Try to save an object; return whether its row was saved, complete or not."""
        was_incomplete = item.is_incomplete
        try:
            self._save(item)
        except DumpyError:
            raise
        except MissingRow as error:
            item.error = error
            self._loader.pending.add(item)
            # Incomplete rows that wait for each other must not wake each other endlessly.
            return item.is_incomplete and not was_incomplete
        except Exception as error:
            raise_if_locked_out(error, self._using)
            model = _primary_key(item.instance).model
            if isinstance(error, DatabaseError) and self._references.require_queries(model):
                # Code may have created its row.
                return self.try_save(item)
            item.error = error
            self._loader.pending.add(item)
            return False
        item.error = None
        # Hand-written code may save an object several times.
        if item.place and (self._loader.tables_are_empty or dumped_row(item.instance)):
            loaded_keys = self._loader.pending.loaded_keys
            loaded_keys.add_object(item.table, item.instance.pk, item.place)
        return True

    @contextmanager
    def cycle(self, items: Collection[PendingObject]) -> Iterator[None]:
        """Let objects refer to each other in the block before they are saved."""
        self._cycle_keys = {key for item in items for key in row_keys(item.instance)}
        try:
            yield
        finally:
            self._cycle_keys = set()

    def may_be_incomplete(self, item: PendingObject) -> bool:
        """Whether a row can be saved without its references to rows that do not exist yet."""
        row = dumped_row(item.instance)
        if row is None or item.is_incomplete:
            return False
        return all(
            item.table.column(name).field.null or self._references.is_available(natural)
            for name, natural in row.references.items()
        )

    def save_incomplete(self, item: PendingObject) -> bool:
        """Save a row without references to rows that do not exist; return whether it was saved."""
        item.is_incomplete = True
        row = cast(DumpedRow, dumped_row(item.instance))
        available = {k: v for k, v in row.references.items() if self._references.is_available(v)}
        try:
            self._save_dumped_row(item, DumpedRow(row.names, available))
        except DumpyError:
            raise
        except Exception as error:
            raise_if_locked_out(error, self._using)
            item.error = error
            return False
        return True

    def rows_with_natural_keys(self) -> Iterator[tuple[Layout, list[Row]]]:
        """Yield the primary keys and references by natural key of the saved objects, as rows."""
        for (table, names), rows in self._natural_rows.items():
            yield Layout(table, _positions((*table.key, *names))), rows

    def _save(self, item: PendingObject) -> None:
        self._call_hook(item.instance)
        row = dumped_row(item.instance)
        if row is None:
            self._save_new(item)
        else:
            self._save_dumped_row(item, row)
            self._note_natural_keys(item, row)

    def _note_natural_keys(self, item: PendingObject, row: DumpedRow) -> None:
        table = item.table
        values: dict[str, object] = {
            table.column(name).name: natural
            for name, natural in row.references.items()
            if natural.model.lower() != "contenttypes.contenttype"
        }
        values |= {n: keys for n, keys in row.links.items() if Natural in set(map(type, keys))}
        if values:
            key = [getattr(item.instance, name) for name in table.key]
            rows = self._natural_rows[table, tuple(values)]
            rows.append(_row(item, [*key, *values.values()]))

    def _call_hook(self, instance: Model) -> None:
        if not hasattr(instance, HOOK):
            return
        try:
            items = self._objects_of_hook(instance, may_flush=False)
        except Exception:
            # The hook may need a row of a block that is not written yet.
            self._loader.flush()
            items = self._objects_of_hook(instance, may_flush=True)
        self._loader.pending.process(items)

    def _objects_of_hook(self, instance: Model, *, may_flush: bool) -> list[PendingObject]:
        """Call the hook of an instance; return the objects that it wants to save."""
        self._hook_items, self._may_flush = [], may_flush
        try:
            hook: Any = getattr(instance, HOOK)
            with (
                self._loader.side_effects.recording_save(instance),
                transaction.atomic(using=self._using),
            ):
                hook(self._loader) if _takes_loader(type(instance)) else hook()
            return self._hook_items
        finally:
            self._hook_items = None

    def _save_new(self, item: PendingObject) -> None:
        """Save a hand-written object with ``full_clean()``, its own ``save()``, and signals."""
        instance = item.instance
        # Django sets the default database when an object is assigned to a foreign key.
        instance._state.db = self._using
        self._save_related(item)
        exempt, known = self._check_references(instance)
        if instance._state.adding:
            instance._state.adding = not self._is_stored(instance)
        adding = instance._state.adding
        with transaction.atomic(using=self._using):
            self._full_clean(instance, exempt, known)
            with self._loader.side_effects.recording_save(instance):
                model = type(instance)
                is_plain = model.save is Model.save and not model._meta.parents
                if adding and is_plain and instance.pk is not None:
                    instance.save(using=self._using, force_insert=True)
                else:
                    instance.save(using=self._using)
        self._references.note_saved(instance, is_new=adding)
        counts = self._counts(item)
        counts.inserted += adding
        counts.updated += not adding

    def _full_clean(self, instance: Any, exempt: set[str], known: set[str]) -> None:
        """Validate an object without the queries whose results are known."""
        model, adding = type(instance), instance._state.adding
        # An object is new because no row has its key.
        unique = {model._meta.pk.name} if adding else set()
        vars(instance)["clean_fields"] = lambda exclude=None: model.clean_fields(
            instance, {*(exclude or ()), *known}
        )
        vars(instance)["validate_unique"] = lambda exclude=None: model.validate_unique(
            instance, {*(exclude or ()), *unique}
        )
        try:
            # Django queries the database that the router returns.
            validates_unique = router.db_for_read(model) == self._using
            instance.full_clean(exclude=exempt, validate_unique=validates_unique)
        finally:
            del vars(instance)["clean_fields"], vars(instance)["validate_unique"]

    def _save_related(self, item: PendingObject) -> None:
        """Save the unsaved objects that the object refers to: factories build such objects."""
        instance = item.instance
        self._saving.add(id(instance))
        try:
            for field in _relations(type(instance)):
                related = field.get_cached_value(instance, default=None)
                if related is None or id(related) in self._saving:
                    continue
                if related._state.adding and not self._is_stored(related):
                    try:
                        self._save(PendingObject(related, item.place))
                    except (ValidationError, DatabaseError) as error:
                        name, label = field.name, related._meta.label
                        reason = f"its {name}, an unsaved {label}, is refused: {reason_of(error)}"
                        raise RefusedRow(reason, name) from error
                if getattr(instance, getattr(field, "fk_field", None) or field.attname) is None:
                    setattr(instance, field.name, related)
        finally:
            self._saving.discard(id(instance))

    def _check_references(self, instance: Model) -> tuple[set[str], set[str]]:
        """Raise ``MissingRow`` for a foreign key to a row that does not exist.

        Returns the names of the foreign keys that need no row yet, because they refer to the object
        itself or to an object of the same cycle, and of those that need no second query.
        """
        exempt, known = set(), set()
        for field in _foreign_keys(type(instance)):
            value = getattr(instance, field.attname)
            # The row of a parent is saved with the object.
            if value is None or field.remote_field.parent_link:
                continue
            model = field.remote_field.model
            key = RowKey(concrete(model), field.target_field.attname, value)
            is_elsewhere = not field.db_constraint and not router.allow_migrate_model(
                self._using, model
            )
            if is_elsewhere or key in self._cycle_keys:
                exempt.add(field.name)
            elif self._references.exists(key):
                if _validates_existence_only(field) and field.to_python(value) is value:
                    known.add(field.name)
            elif key in row_keys(instance):
                exempt.add(field.name)
            else:
                raise MissingRow(key, field.attname)
        return exempt, known

    def _is_stored(self, instance: Model) -> bool:
        if instance.pk is None:
            return False
        key = _primary_key(instance)
        return not self._references.is_new(key) and self._references.exists(key)

    def _save_dumped_row(self, item: PendingObject, row: DumpedRow) -> None:
        """Save an object of a dump with its values as dumped, without ``save()``."""
        instance, table = item.instance, item.table
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
        if self._loader.side_effects.sends_signals(type(instance)):
            self._loader.flush()
            is_new = self._references.is_new(_primary_key(instance))

            def write() -> bool:
                # A receiver may have changed the object.
                loader, values = self._table_loader(item, row)
                return loader.write(values, is_new=is_new)

            self._write_with_signals(item, write)
            self._references.note_saved(instance, is_new=is_new)
        else:
            loader, values = self._table_loader(item, row)
            loader.add(values)

    def _require_links(self, item: PendingObject, row: DumpedRow, *, is_written: bool) -> None:
        """Raise ``MissingRow`` if a linked row does not exist, after saving the row without links.

        The linked row may need a unique value that the stored row still has.
        """
        item.is_incomplete |= is_written
        links = (key for keys in row.links.values() if isinstance(keys, list) for key in keys)
        for natural in links:
            if isinstance(natural, Natural) and not self._references.is_available(natural):
                if not is_written:
                    loader, values = self._table_loader(item, replace(row, links={}))
                    loader.add(values)
                    self._loader.flush()
                item.is_incomplete = True
                raise MissingRow(natural)

    def _write_with_signals(self, item: PendingObject, write: Callable[[], bool]) -> None:
        """Write a row, and send its signals if the model has receivers."""
        instance, model = item.instance, type(item.instance)
        side_effects = self._loader.side_effects
        kwargs: dict[str, Any] = {"raw": True, "using": self._using, "update_fields": None}
        with transaction.atomic(using=self._using), side_effects.recording_save(instance):
            sends_signals = side_effects.sends_signals(model)
            if sends_signals:
                pre_save.send(sender=model, instance=instance, **kwargs)
            is_new = write()
            if sends_signals:
                post_save.send(sender=model, instance=instance, created=is_new, **kwargs)

    def _insert(self, item: PendingObject) -> None:
        """Insert a row whose primary key is not in the dump."""
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
            self._write_with_signals(item, insert)
        except Exception:
            # The next attempt must not take the key of a row that was rolled back.
            instance.pk = key
            raise
        self._counts(item).inserted += 1
        self._references.note_inserted(item.table.model)

    def _link(self, item: PendingObject, row: DumpedRow) -> None:
        """Write the links of a row that was inserted."""
        table = item.table
        layout = Layout(table, _positions((*table.key, *row.links)))
        key = [getattr(item.instance, name) for name in table.key]
        loader = ReferenceLoader(layout, self._loader.pending, Counts())
        loader.write(_row(item, [*key, *row.links.values()]), is_new=False)

    def _table_loader(self, item: PendingObject, row: DumpedRow) -> tuple[TableLoader, Row]:
        """Return the loader of the table of an object, and the object as a row."""
        instance, table = item.instance, item.table
        columns = columns_with_values(table, instance)
        links = [link.name for link in table.links if link.name in row.links]
        names = (*(column.name for column in columns), *links)
        values = [field_value(column, instance) for column in columns]
        values += [row.links[name] for name in links]
        loaders = self._loader.loaders
        loader = loaders.get((table.label, names))
        if loader is None:
            # The row of a special model may get another key, to which this row may refer.
            self._loader.flush()
            loader_class = SpecialLoader if is_special(table.model) else TableLoader
            layout = Layout(table, _positions(names))
            loader = loader_class(layout, self._loader.pending, self._counts(item))
            loaders[table.label, names] = loader
        return loader, _row(item, values)

    def _counts(self, item: PendingObject) -> Counts:
        counts = self._loader.report.tables[item.table.label]
        counts.lane = "objects"
        return counts


def _positions(names: Iterable[str]) -> Fields:
    return {name: position for position, name in enumerate(names)}


def _row(item: PendingObject, values: list[Any]) -> Row:
    """Return the values of an object as a row, with its place instead of a line."""
    return Row(cast(int, item.place), tuple(values), 0)


def _primary_key(instance: Model) -> RowKey:
    pk: Any = instance._meta.pk
    return RowKey(concrete(type(instance)), pk.attname, instance.pk)


@cache
def _foreign_keys(model: ModelType) -> tuple[Any, ...]:
    return tuple(field for field in model._meta.concrete_fields if isinstance(field, ForeignKey))


@cache
def _relations(model: ModelType) -> tuple[Any, ...]:
    """Return the foreign keys and generic foreign keys of a model."""
    generic = [field for field in model._meta.private_fields if hasattr(field, "fk_field")]
    return (*_foreign_keys(model), *generic)


@cache
def _validates_existence_only(field: Any) -> bool:
    """Whether the validation of a foreign key only queries whether its row exists."""
    field_class, manager = type(field), field.remote_field.model._base_manager
    return bool(
        field_class.validate is ForeignKey.validate
        and field_class.clean is ForeignKey.clean
        and type(manager) is Manager
        and not (field.validators or field.choices or field.get_limit_choices_to())
    )


def columns_with_values(table: Table, instance: Model) -> list[Column]:
    """Return the columns that are not left to a default of the database."""
    return [
        column
        for column in table.columns
        if not isinstance(getattr(instance, column.name), DatabaseDefault)
    ]


def field_value(column: Column, instance: Model) -> Any:
    """Return the value of a column from an instance, as in a row of a dump."""
    value = attribute(column, instance)
    # ``new`` makes expressions of the words of a dump, for code that saves the instance itself.
    if column.is_json and hasattr(value, "as_sql"):
        inner = getattr(value, "value", None)
        return JSON_NULL if inner is None else inner
    if isinstance(value, Value):
        return None if value.value is None else Stored(value.value)
    if value is not None and has_own_decoder(column):
        return json.loads(json.dumps(value, cls=column.target.encoder))
    return value


def _dumped_values(instance: Model, row: DumpedRow) -> dict[str, Any]:
    table = table_of(type(instance))
    values = {
        column.name: field_value(column, instance)
        for column in columns_with_values(table, instance)
        if {column.name, column.field.name} & set(row.names)
    }
    references = {table.column(name).name: value for name, value in row.references.items()}
    return values | references | row.links


@cache
def _takes_loader(model: Hashable) -> bool:
    return len(inspect.signature(getattr(model, HOOK)).parameters) > 1
