"""Verify natural keys, and find references that need primary keys."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from copy import copy
from functools import cache, partial
from typing import Any

from django.apps import apps
from django.core.exceptions import MultipleObjectsReturned, ObjectDoesNotExist
from django.db.models import Model, QuerySet, prefetch_related_objects
from django.utils.functional import Promise

from dumpy.errors import RowRef, UnwritableRow, sentence
from dumpy.schema.instances import row_ref
from dumpy.schema.tables import Column, ModelType, concrete, is_content_type
from dumpy.text.words import Natural, Unwritable, source

FOREIGN, PRIMARY = "--natural-foreign", "--natural-primary"
_REMEMBERED = 100_000


class NaturalKeys:
    """The verified natural keys of one dump.

    Each natural key is looked up before it is written: it must lead to its row and no other row.
    No row of the dump may refer to a primary key that is left out.
    """

    def __init__(self, using: str) -> None:
        self.using = using
        self._cache: dict[tuple[ModelType, str], dict[object, Natural]] = {}
        self._left_out: set[ModelType] = set()
        self._held_keys: dict[ModelType, UnwritableRow] = {}
        self.model_of = cache(partial(model_of, using=using))

    def find(
        self, model: ModelType, name: str, values: Collection[object], option: str = FOREIGN
    ) -> dict[object, Natural]:
        """Return natural keys by the value of the field ``name``, at least for ``values``.

        ``option`` is the option that selects natural keys. Raises ``UnwritableRow``.
        """
        natural_keys = self._cache.setdefault((model, name), {})
        if len(natural_keys) >= _REMEMBERED:
            natural_keys.clear()
        unknown = [value for value in values if value not in natural_keys]
        if unknown:
            natural_keys.update(self._read_natural_keys(model, name, unknown, option))
        return natural_keys

    def leave_out(self, model: ModelType, keys: Collection[object]) -> None:
        """Verify that rows can be written without primary keys; raises ``UnwritableRow``."""
        assert model._meta.pk is not None
        self.find(model, model._meta.pk.attname, keys, PRIMARY)
        self._left_out.add(model)
        if model in self._held_keys:
            raise self._held_keys[model]

    def hold(
        self,
        owner: ModelType,
        ref: RowRef,
        name: str,
        value: object,
        *,
        foreign: bool = False,
    ) -> None:
        """Note that the field ``name`` of a row holds a primary key of the model ``owner``.

        ``foreign`` says that the field could hold a natural key instead. Raises ``UnwritableRow``
        if the primary keys of ``owner`` are left out.
        """
        if owner not in self._held_keys:
            key = f"{value!r}, a primary key of {owner._meta.label}, which {PRIMARY} leaves out."
            hint = f"Use {FOREIGN} as well, or dump without {PRIMARY}." if foreign else ""
            self._held_keys[owner] = UnwritableRow(
                ref, f"its {name} holds {key}", hint or _without(PRIMARY)
            )
        if owner in self._left_out:
            raise self._held_keys[owner]

    def _read_natural_keys(
        self, model: ModelType, name: str, values: Sequence[object], option: str
    ) -> dict[object, Natural]:
        rows: QuerySet[Model] = QuerySet(model, using=self.using).filter(**{f"{name}__in": values})
        try:
            instances = list(rows)
        except Exception as error:
            reason = f"rows with {name} in {values[:10]!r} cannot be made: {sentence(error)}"
            raise UnwritableRow(RowRef(model._meta.label), reason, _without(option)) from error
        naturals = list(_natural_keys(instances, option))
        if not is_content_type(model):
            manager: Any = model._default_manager.db_manager(self.using)
            for instance, natural in zip(instances, naturals, strict=True):
                if fault := _fault(manager, natural, instance.pk):
                    raise UnwritableRow(row_ref(instance), fault, _without(option))
            whole = next((natural for natural in naturals if None not in natural.key), None)
            if whole is not None and (query := _query(manager, whole.key)) is not None:
                self._hold_parts(model, whole, query)
        return {getattr(i, name): n for i, n in zip(instances, naturals, strict=True)}

    def _hold_parts(self, model: ModelType, natural: Natural, query: QuerySet[Any]) -> None:
        """Note the parts of a natural key that are primary keys of other rows."""
        for lookup in query.query.where.children:
            field: Any = getattr(getattr(lookup, "lhs", None), "target", None)
            value = getattr(lookup, "rhs", None)
            owner = Column(field).key_owner if field is not None and field.remote_field else None
            if owner is not None and type(value) is int and value in natural.key:
                name = f"natural key {natural.key!r}"
                self.hold(owner, RowRef(model._meta.label), name, value)


def model_of(content_type: object, using: str) -> ModelType | None:
    """Return the model of a content type by its primary key, or None if the project lacks it."""
    model = apps.get_model("contenttypes", "ContentType")
    rows = QuerySet(model, using=using).filter(pk=content_type)
    for names in rows.values_list("app_label", "model"):
        with suppress(LookupError):
            return concrete(apps.get_model(*names))
    return None


def plain_text(value: object) -> object:
    """Convert a lazy text or a subclass of ``str``, such as a safe string, to plain ``str``."""
    if isinstance(value, Promise):
        return str(value)
    return str.__str__(value) if isinstance(value, str) else value


def _without(option: str) -> str:
    return f"Dump without {option}."


def _natural_keys(instances: list[Model], option: str) -> Iterator[Natural]:
    """Yield natural keys; related rows that a natural key uses are prefetched for the others."""
    fetched: set[str] = set()
    for position, instance in enumerate(instances):
        yield _natural_key(instance, option)
        if relations := set(_used_relations(instance)) - fetched:
            fetched |= relations
            prefetch_related_objects(instances[position + 1 :], *sorted(relations))


def _used_relations(instance: Model) -> Iterator[str]:
    fields: Sequence[Any] = instance._meta.concrete_fields
    for field in fields:
        if field.is_relation and field.is_cached(instance):
            yield field.name
            related = field.get_cached_value(instance)
            if related is not None:
                yield from (f"{field.name}__{name}" for name in _used_relations(related))


def _natural_key(instance: Any, option: str) -> Natural:
    label = instance._meta.label
    try:
        if is_content_type(type(instance)):
            # Historical models have no methods.
            return Natural(label, (instance.app_label, instance.model))
        natural = Natural(label, tuple(map(plain_text, instance.natural_key())))
        hash(natural)
        source(natural)
    except Exception as error:
        reason = f"its natural_key() fails: {sentence(error)}"
        hint = _without(option)
        if isinstance(error, Unwritable):
            kind = f"{type(error.value).__module__}.{type(error.value).__qualname__}"
            reason = f"its natural_key() returns a value of type {kind}, which cannot be written."
            hint = f"Return texts, numbers, dates or UUIDs, or dump without {option}."
        raise UnwritableRow(row_ref(instance), reason, hint) from error
    return natural


def _fault(manager: Any, natural: Natural, pk: object) -> str:
    """Return why a natural key does not lead to exactly its row, or an empty text."""
    key = f"its natural key {natural.key!r}"
    try:
        keys = [manager.get_by_natural_key(*natural.key).pk]
    except ObjectDoesNotExist:
        return f"{key} leads to no row."
    except MultipleObjectsReturned:
        query = _query(manager, natural.key)
        if query is None:
            return f"{key} leads to several rows."
        keys = list(query.order_by("pk").values_list("pk", flat=True))
    except Exception as error:
        return f"get_by_natural_key() fails for {key}: {sentence(error)}"
    if keys == [pk]:
        return ""
    rows = ", ".join(f"pk={value!r}" for value in keys[:10])
    count = "another row, " if len(keys) == 1 else f"{len(keys)} rows: "
    return f"{key} leads to {count}{rows}."


def _query(manager: Any, key: Iterable[object]) -> QuerySet[Any] | None:
    """Return the unevaluated query of ``get_by_natural_key()``, or None if it has no single one."""
    recorder = copy(manager)
    try:
        rows: Any = manager.get_queryset()
        rows.__class__ = _recording_class(rows.__class__)
        recorder.get_queryset = rows.all
        result = recorder.get_by_natural_key(*key)
    except Exception:  # get_by_natural_key() uses the row that get() would return
        return None
    return result if isinstance(result, type(rows)) else None


@cache
def _recording_class(kind: Any) -> type[Any]:
    """Return a queryset class whose get() returns the filtered queryset."""

    def get(self: Any, *args: Any, **kwargs: Any) -> Any:
        return self.filter(*args, **kwargs)

    return type(f"Recording{kind.__name__}", (kind,), {"get": get})
