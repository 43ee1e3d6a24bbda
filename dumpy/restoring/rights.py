"""For PostgreSQL: whose the tables and views are, and what others may do with them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import Error

from dumpy.engines import engine_of
from dumpy.errors import RestoreFailed

_TABLES = """
    WITH tables AS (
        SELECT * FROM pg_class
        WHERE relname = ANY(%s) AND relkind IN ('r', 'p', 'v', 'm') AND pg_table_is_visible(oid)
    )
"""
_OWNERS = f"{_TABLES} SELECT relname, pg_get_userbyid(relowner) FROM tables"
_COLUMNS = f"""
    {_TABLES} SELECT relname, attname FROM tables JOIN pg_attribute ON attrelid = tables.oid
    WHERE NOT attisdropped
"""
# A table without a list of its own has the rights of its owner.
_GRANTS = f"""
    {_TABLES}, objects AS (
        SELECT 'TABLE' AS kind, relname, NULL AS attname,
            COALESCE(relacl, acldefault('r', relowner)) AS acl FROM tables
        UNION ALL
        SELECT 'SEQUENCE', sequences.relname, NULL,
            COALESCE(sequences.relacl, acldefault('s', sequences.relowner))
        FROM tables JOIN pg_depend ON refclassid = 'pg_class'::regclass AND refobjid = tables.oid
        JOIN pg_class AS sequences ON classid = 'pg_class'::regclass AND objid = sequences.oid
        WHERE sequences.relkind = 'S' AND deptype IN ('a', 'i')
        UNION ALL
        SELECT 'TABLE', relname, attname, attacl
        FROM tables JOIN pg_attribute ON attrelid = tables.oid
    )
    SELECT kind, relname, attname, privilege_type,
        CASE grantee WHEN 0 THEN NULL ELSE pg_get_userbyid(grantee) END, is_grantable
    FROM objects, aclexplode(acl)
"""
_POLICIES = f"""
    {_TABLES} SELECT relname, 'enabled' FROM tables WHERE relrowsecurity
    UNION ALL SELECT relname, 'forced' FROM tables WHERE relforcerowsecurity
    UNION ALL SELECT relname, concat_ws(
        ' ', polname, polcmd, polpermissive, polroles,
        pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)
    ) FROM tables JOIN pg_policy ON polrelid = tables.oid
"""


class Grant(NamedTuple):
    """A privilege on a table, a column of it, or its sequence; ``to`` is None for everybody."""

    kind: str
    name: str
    column: str | None
    privilege: str
    to: str | None
    is_grantable: bool


@dataclass(frozen=True)
class Rights:
    """The owners of tables and views, the grants on them, and what says who sees which rows."""

    owners: dict[str, str]
    grants: frozenset[Grant]
    policies: frozenset[tuple[str, str]]


def rights_of(connection: BaseDatabaseWrapper, tables: Collection[str]) -> Rights:
    """Return what there is of rights; none but on PostgreSQL, where a table takes them along."""
    if not engine_of(connection).has_rights:
        return Rights({}, frozenset(), frozenset())
    return Rights(
        dict(_rows(connection, _OWNERS, tables)),
        frozenset(Grant(*row) for row in _rows(connection, _GRANTS, tables)),
        frozenset(_rows(connection, _POLICIES, tables)),
    )


def give_back(connection: BaseDatabaseWrapper, before: Rights) -> None:
    """Let tables and views that were made anew have the owners and grants that they had.

    Those that are there no more are passed over. Raises ``RestoreFailed`` for a policy that is
    gone, as others would see more than they had, and for what cannot be given back.
    """
    if not engine_of(connection).has_rights:
        return
    # A table with rows that are still to be checked gets no other owner.
    connection.check_constraints()
    now = rights_of(connection, before.owners)
    _require_policies(before, now)
    for table in now.owners:
        if now.owners[table] != before.owners[table]:
            owner = _quoted(before.owners[table])
            sql = f"ALTER TABLE {_quoted(table)} OWNER TO {owner}"
            _execute(connection, table, sql, f", or first: GRANT CREATE ON SCHEMA … TO {owner}")
    # With the owner, grants have changed.
    now = rights_of(connection, now.owners)
    known = {*before.owners, *(grant.name for grant in before.grants)}
    for grant in now.grants - before.grants:
        if grant.name in known:
            _execute(connection, grant.name, f"REVOKE {_privilege(grant, 'FROM')}")
    for grant in _possible(connection, before.grants - now.grants, now):
        option = " WITH GRANT OPTION" if grant.is_grantable else ""
        _execute(connection, grant.name, f"GRANT {_privilege(grant, 'TO')}{option}")


def _require_policies(before: Rights, now: Rights) -> None:
    lost = {table for table, _policy in before.policies - now.policies} & now.owners.keys()
    if lost:
        raise RestoreFailed(
            f"Policies of row-level security that no migration makes would be lost: those of "
            f"{', '.join(map(repr, sorted(lost)))}. Put them into a migration, or drop them and "
            "disable the row-level security now, and make them again after the restore. The "
            "database is as it was."
        )


def _possible(
    connection: BaseDatabaseWrapper, grants: Iterable[Grant], now: Rights
) -> Iterator[Grant]:
    """Those grants whose table or sequence is there, and whose column is."""
    names = {*now.owners, *(grant.name for grant in now.grants)}
    columns = set(_rows(connection, _COLUMNS, now.owners))
    for grant in grants:
        if grant.name in names and (grant.column is None or (grant.name, grant.column) in columns):
            yield grant


def _privilege(grant: Grant, word: str) -> str:
    column = "" if grant.column is None else f" ({_quoted(grant.column)})"
    whom = "PUBLIC" if grant.to is None else _quoted(grant.to)
    return f"{grant.privilege}{column} ON {grant.kind} {_quoted(grant.name)} {word} {whom}"


def _quoted(name: str) -> str:
    # Django's own leaves quotes in a name as they are.
    return '"{}"'.format(name.replace('"', '""'))


def _rows(connection: BaseDatabaseWrapper, query: str, names: Iterable[str]) -> Sequence[Any]:
    with connection.cursor() as cursor:
        cursor.execute(query, [[*names]])
        rows: Sequence[Any] = cursor.fetchall()
        return rows


def _execute(connection: BaseDatabaseWrapper, name: str, sql: str, hint: str = "") -> None:
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql)
    except Error as error:
        raise RestoreFailed(
            f"What others may do with {name!r} cannot be given back: {error}. The statement was: "
            f"{sql}. Restore as a superuser{hint}. The database is as it was."
        ) from error
