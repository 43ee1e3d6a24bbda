"""Tests of Django that pass with json and have no meaning for py: each with the reason."""

from __future__ import annotations

_FEWER = (
    "It counts Django's queries, 1 for each object and many-to-many field. dumpy needs 1 for each "
    "many-to-many field, and no prefetching: 4 where 7 or 5 are expected."
)
_MESSAGE = (
    "It wants the words of one exception of the database. dumpy's LoadError, a "
    "DeserializationError too, names each object that fails, with file, line and reason."
)
_PARENT = (
    "The fixture gives a field of the parent to a row of the child. json drops the value without "
    "a word; dumpy refuses it with file and line, or says so with --ignorenonexistent."
)

DIFFERENCES: dict[str, str] = {
    "fixtures.tests.FixtureLoadingTests.test_dumpdata_objects_with_prefetch_related": (
        "It counts 5 queries. dumpy needs 4 more in each dump, whatever its size: which tables "
        "are there, and the migrations that are applied."
    ),
    "fixtures.tests.FixtureLoadingTests.test_loaddata_error_message": _MESSAGE,
    "fixtures_regress.tests.TestFixtures"
    ".test_loaddata_raises_error_when_fixture_has_invalid_foreign_key": _MESSAGE,
    "fixtures_regress.tests.TestFixtures.test_ticket_20820": _PARENT,
    "fixtures_regress.tests.TestFixtures.test_ticket_22421": _PARENT,
    "serializers.test_natural.NaturalKeySerializerTests.test_py_forward_references_fk_errors": (
        _MESSAGE
    ),
    "serializers.test_natural.NaturalKeySerializerTests.test_py_forward_references_m2m_errors": (
        _MESSAGE
    ),
    "serializers.test_py.PySerializerTestCase.test_deserialize_force_insert": (
        "It replaces Model by a mock and looks at the call of save_base(). dumpy puts a row back "
        "without save_base(), which is how it keeps receivers out."
    ),
    "serializers.test_py.PySerializerTestCase.test_serialize_no_only_pk_with_natural_keys": _FEWER,
    "serializers.test_py.PySerializerTestCase.test_serialize_only_pk": _FEWER,
    "serializers.test_py.PySerializerTestCase.test_serialize_prefetch_related_m2m": _FEWER,
    "serializers.test_py.PySerializerTestCase"
    ".test_serialize_prefetch_related_m2m_with_natural_keys": _FEWER,
}
