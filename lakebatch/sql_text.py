"""The SQL that makes a table's files a view, also for a DuckDB of one's own."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime

from lakebatch.assembly import Status
from lakebatch.lake_snapshot import LakeSnapshot
from lakebatch.schema import TableSchema
from lakebatch.snapshot import COMPLETED, Snapshot
from lakebatch.summary import summarize
from lakebatch.tables import DATA

SHOWN = ("assembly_id", "status", "parts_done", "parts_planned", "rows", "started_at", "seed", "config_hash")
S3_SETUP = """\
-- The lake is on S3: DuckDB reads it through its extension httpfs, with the keys of your environment.
INSTALL httpfs;
LOAD httpfs;
CREATE SECRET (TYPE s3, PROVIDER credential_chain);"""


def view(
    schema: str, snapshot: Snapshot, name: str, files: Sequence[str], include: Collection[Status]
) -> str:
    """Return the statement that makes the files of one data table a view."""
    table = snapshot.table(name)
    assert table is not None
    columns = ", ".join(identifier(column) for column in table.columns())
    return (
        f"CREATE VIEW {schema}.{name} AS SELECT {columns} FROM {_read(files, table.schema)}"
        f"{_where(snapshot, include)}"
    )


def setup(snapshot: LakeSnapshot, include: Collection[Status] = COMPLETED) -> str:
    """Return the statements that make the data tables of a snapshot views in a plain DuckDB.

    They name the files of the snapshot one by one: the views stay as they are, whatever is added to the
    lake later, and need no extension for a lake on disk.
    """
    statements = list(_setup(snapshot, include))
    remote = any(not _is_local(each) for each in snapshot.values())
    return "\n".join([*([S3_SETUP] if remote else []), *(f"{each};" for each in statements)])


def identifier(name: str) -> str:
    """Return a name as it stands in SQL.

    >>> print(identifier('a "name"'))
    "a ""name\"""
    """
    return '"' + name.replace('"', '""') + '"'


def quoted(value: str) -> str:
    """Return a text as it stands in SQL.

    >>> print(quoted("it's"))
    'it''s'
    """
    return "'" + value.replace("'", "''") + "'"


def listed(values: Collection[str]) -> str:
    """Return texts as a list in SQL."""
    return "[" + ", ".join(quoted(value) for value in values) + "]"


def _setup(snapshot: LakeSnapshot, include: Collection[Status]) -> Iterator[str]:
    for name, each in snapshot.schemas().items():
        schema = identifier(name)
        yield f"CREATE SCHEMA {schema}"
        yield from _assemblies(schema, each)
        for table in DATA:
            pinned = each.table(table)
            files = pinned.files(each.ids(include)) if pinned is not None else []
            if files:
                yield view(schema, each, table, files, include)


def _assemblies(schema: str, snapshot: Snapshot) -> Iterator[str]:
    """Yield the statement that makes what became of each assembly a table."""
    rows = summarize(snapshot).select(*SHOWN).rows()
    if rows:
        values = ",\n  ".join(f"({', '.join(_literal(value) for value in row)})" for row in rows)
        yield f"CREATE TABLE {schema}.assemblies ({', '.join(SHOWN)}) AS VALUES\n  {values}"


def _literal(value: object) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, int):
        return str(value)
    return f"TIMESTAMPTZ {quoted(value.isoformat())}" if isinstance(value, datetime) else quoted(str(value))


def _is_local(snapshot: Snapshot) -> bool:
    table = snapshot.table()
    return table is None or table.is_local


def _read(files: Sequence[str], schema: TableSchema) -> str:
    """Return what reads the files; where columns were added later, files that lack them have NULL there."""
    source = (
        f"read_parquet({listed(files)}, union_by_name = {bool(schema.late)}, "
        "hive_partitioning = true, hive_types = {'assembly_id': VARCHAR})"
    )
    if not schema.late:
        return source
    nulls = ", ".join(f"CAST(NULL AS {column.sql}) AS {identifier(column.name)}" for column in schema.late)
    return f"(FROM {source} UNION ALL BY NAME SELECT {nulls} WHERE false)"


def _where(snapshot: Snapshot, include: Collection[Status]) -> str:
    """Return the condition that leaves of assemblies that are not completed only what they had at the moment."""
    unfinished = snapshot.ids(set(include) - set(COMPLETED))
    if not unfinished:
        return ""
    seen = [
        f"(assembly_id = {quoted(each)} AND list_contains({listed(snapshot.parts_committed[each])}, part))"
        for each in unfinished
    ]
    return f" WHERE NOT list_contains({listed(unfinished)}, assembly_id) OR {' OR '.join(seen)}"
