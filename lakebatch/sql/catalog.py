"""SQL that defines views over the files of tables, also for any DuckDB."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from datetime import datetime

from lakebatch.assembly.tables import DATA
from lakebatch.snapshot.gaps import OnGap
from lakebatch.snapshot.snapshot import Snapshot
from lakebatch.snapshot.snapshots import Snapshots
from lakebatch.snapshot.summary import summarize
from lakebatch.storage.delta import omissions
from lakebatch.storage.delta.bundles import Sources
from lakebatch.storage.delta.schema import TableSchema

PLAIN_NAME = re.compile("[a-z_][a-z0-9_]*")
ASSEMBLY_COLUMNS = (
    "assembly_id",
    "status",
    "parts_done",
    "parts_planned",
    "rows",
    "started_at",
    "seed",
    "config_hash",
)
S3_SETUP = """\
-- The lake is on S3: DuckDB reads it through its extension httpfs, with the keys of your environment.
INSTALL httpfs;
LOAD httpfs;
CREATE SECRET (TYPE s3, PROVIDER credential_chain);"""


def view(schema: str, snapshot: Snapshot, name: str, found: Sources, ids: Collection[str]) -> str:
    """Return the statement that creates a view over the rows of some assemblies."""
    table = snapshot.table(name)
    assert table is not None
    columns = ", ".join(quote_identifier(column) for column in table.columns())
    return (
        f"CREATE VIEW {schema}.{name} AS SELECT {columns} FROM {_read(found, table.schema)}"
        f"{_condition(snapshot, ids, has_others=found.has_others)}"
    )


def setup(snapshot: Snapshots, on_gap: OnGap = "warn") -> str:
    """Return the statements that create the data tables of a snapshot as views in any DuckDB.

    They name every file of the snapshot, so the views do not change when the lake grows; a lake on disk needs no
    DuckDB extension.

    Raises
    ------
    DamageError
        If something cannot be read, unless ``on_gap`` is "ignore", which leaves it out.
    SchemaError
        If a table has a feature that makes its files differ from its content.
    """
    snapshot.report_names()
    snapshot.refuse_damaged(on_gap)
    statements = list(_setup(snapshot, on_gap))
    remote = any(not _is_local(each) for each in snapshot.values())
    return "\n".join([*([S3_SETUP] if remote else []), *(f"{each};" for each in statements)])


def quote_identifier(name: str) -> str:
    """Return a name as a quoted SQL identifier.

    >>> print(quote_identifier('a "name"'))
    "a ""name\"""
    """
    return '"' + name.replace('"', '""') + '"'


def readable_name(name: str) -> str:
    """Return a name as an SQL identifier, quoted only when necessary.

    >>> readable_name("toy"), readable_name("90_v1_toy")
    ('toy', '"90_v1_toy"')
    """
    return name if PLAIN_NAME.fullmatch(name) else quote_identifier(name)


def string_literal(value: str) -> str:
    """Return a string as an SQL literal.

    >>> print(string_literal("it's"))
    'it''s'
    """
    return "'" + value.replace("'", "''") + "'"


def list_literal(values: Collection[str]) -> str:
    """Return strings as an SQL list."""
    return "[" + ", ".join(string_literal(value) for value in values) + "]"


def _setup(snapshot: Snapshots, on_gap: OnGap) -> Iterator[str]:
    for name, each in snapshot.schemas().items():
        schema = quote_identifier(name)
        yield f"CREATE SCHEMA {schema}"
        yield from _assemblies(schema, each)
        for table in DATA:
            if each.table(table) is None:
                continue
            ids, found = each.tables.readable(table, each.ids(), on_gap)
            omissions.warn_of_faults(found)
            files = each.tables.existing(table).files(ids)
            if files:
                yield view(schema, each, table, Sources([], files), ids)


def _assemblies(schema: str, snapshot: Snapshot) -> Iterator[str]:
    """Yield the statement that creates the table of assemblies."""
    rows = summarize(snapshot).select(*ASSEMBLY_COLUMNS).rows()
    if rows:
        values = ",\n  ".join(f"({', '.join(_literal(value) for value in row)})" for row in rows)
        yield f"CREATE TABLE {schema}.assemblies ({', '.join(ASSEMBLY_COLUMNS)}) AS VALUES\n  {values}"


def _literal(value: object) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, int):
        return str(value)
    return (
        f"TIMESTAMPTZ {string_literal(value.isoformat())}"
        if isinstance(value, datetime)
        else string_literal(str(value))
    )


def _is_local(snapshot: Snapshot) -> bool:
    table = snapshot.table()
    return table is None or table.is_local


def _read(found: Sources, schema: TableSchema) -> str:
    """Return the SQL that reads bundles and files; a column added later is NULL for older files."""
    by_name = f"union_by_name = {bool(schema.late)}"
    partition = "hive_partitioning = true, hive_types = {'assembly_id': VARCHAR}"
    sources = []
    if found.bundles:
        sources.append(
            f"FROM read_parquet({list_literal(found.bundles)}, {by_name}, hive_partitioning = false)"
        )
    if found.files:
        sources.append(f"FROM read_parquet({list_literal(found.files)}, {by_name}, {partition})")
    if schema.late:
        nulls = ", ".join(
            f"CAST(NULL AS {column.sql}) AS {quote_identifier(column.name)}" for column in schema.late
        )
        sources.append(f"SELECT {nulls} WHERE false")
    return f"({' UNION ALL BY NAME '.join(sources)})"


def _condition(snapshot: Snapshot, ids: Collection[str], *, has_others: bool) -> str:
    """Return the condition that selects the assemblies and, of unfinished ones, the parts committed at the moment."""
    conditions = []
    if has_others:
        conditions.append(f"assembly_id IN ({', '.join(map(string_literal, ids))})")
    unfinished = [each.assembly_id for each in snapshot.not_completed if each.assembly_id in set(ids)]
    if unfinished:
        seen = [
            f"(assembly_id = {string_literal(each)} AND list_contains({list_literal(snapshot.committed(each))}, part))"
            for each in unfinished
        ]
        conditions.append(
            f"(NOT list_contains({list_literal(unfinished)}, assembly_id) OR {' OR '.join(seen)})"
        )
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""
