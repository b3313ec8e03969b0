"""SQL that defines views over the files of tables, also for any DuckDB."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime

import polars as pl

from lakebatch.columns import Column
from lakebatch.ids import ExperimentName
from lakebatch.snapshot import config_columns, sweeps
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
    "name",
    "user",
    "note",
)
SQL_TYPES: dict[pl.DataType, str] = {pl.Boolean(): "BOOLEAN", pl.Int64(): "BIGINT", pl.Float64(): "DOUBLE"}
SQL_NUMBERS = {"BIGINT", "INTEGER", "DOUBLE", "FLOAT"}
UNION = "lake"
"""The schema of all experiment versions together."""
S3_SETUP = """\
-- The lake is on S3: DuckDB reads it through its extension httpfs, with the keys of your environment.
INSTALL httpfs;
LOAD httpfs;
CREATE SECRET (TYPE s3, PROVIDER credential_chain);"""


def view(
    schema: str,
    snapshot: Snapshot,
    name: str,
    found: Sources,
    ids: Collection[str],
    relations: Collection[str] = (),
) -> str:
    """Return the statement that creates a view over the rows of some assemblies.

    Parameters
    ----------
    relations : collection of str
        Names of relations with the rows of the sources, to be read in place of the files.
    """
    table = snapshot.table(name)
    assert table is not None
    columns = [name for name in table.columns() if name not in table.schema.large]
    listed = ", ".join(map(quote_identifier, columns))
    read = (
        _union([f"FROM {each}" for each in relations]) if relations else _read(found, table.schema, columns)
    )
    return (
        f"CREATE VIEW {schema}.{name} AS SELECT {listed} FROM {read}"
        f"{_condition(snapshot, ids, has_others=found.has_others)}"
    )


def comments(schema: str, table: TableSchema) -> list[str]:
    """Return the statements that give the own columns of a view their meaning and unit."""
    return [
        f"COMMENT ON COLUMN {schema}.{table.table}.{column.name} IS {string_literal(_meaning(column))}"
        for column in table.own
    ]


def _meaning(column: Column) -> str:
    return f"{column.comment} [{column.unit}]" if column.unit else column.comment


def alias(name: str, of: str) -> str:
    """Return the statement that creates a view with the content of another."""
    return f"CREATE VIEW {name} AS FROM {of}"


def member(schema: str, name: str, qualified_name: str, as_text: Collection[str] = ()) -> str:
    """Return the part of a view over all experiments that selects the rows of one experiment version.

    Parameters
    ----------
    as_text : collection of str
        The columns to cast to strings, see `contested_columns`.
    """
    experiment, _, version = str(ExperimentName.parse(qualified_name)).partition("@")
    origin = f"SELECT {string_literal(experiment)} AS experiment, {string_literal(version)} AS version"
    if name == "assemblies":  # it has the hash
        return f"{origin}, * FROM {schema}.{name}"
    casts = ", ".join(f"CAST(data.{each} AS VARCHAR) AS {each}" for each in as_text)
    data = f"data.* REPLACE ({casts})" if casts else "data.*"
    return (
        f"{origin}, {data}, run.config_hash FROM {schema}.{name} AS data "
        f"LEFT JOIN {schema}.assemblies AS run USING (assembly_id)"
    )


def contested_columns(experiments: Mapping[str, Snapshot]) -> dict[str, list[str]]:
    """Return the own columns of results, by experiment, whose types have no common one, such as a list and a number."""
    types = {
        name: {column.name: column.sql for column in table.schema.own}
        for name, each in experiments.items()
        if (table := each.table()) is not None
    }
    of_column: dict[str, set[str]] = {}
    for known in types.values():
        for column, sql in known.items():
            of_column.setdefault(column, set()).add(sql)
    contested = {name for name, found in of_column.items() if len(found) > 1 and not found <= SQL_NUMBERS}
    return {name: [each for each in known if each in contested] for name, known in types.items()}


def setup(snapshot: Snapshots, on_gap: OnGap = "warn") -> str:
    """Return the statements that create the data tables of a snapshot as views in any DuckDB.

    They have the schemas of `lakebatch.sql.session.connect`, without ``events`` and ``gaps``. They name every file of
    the snapshot, so the views do not change when the lake grows; a lake on disk needs no DuckDB extension.

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
    made: dict[str, list[str]] = {}
    for name, (schema, *others) in snapshot.schemas().items():
        if name not in snapshot:
            continue
        tables = dict(_tables(quote_identifier(schema), snapshot[name], on_gap))
        made[name] = [*tables]
        yield f"CREATE SCHEMA {quote_identifier(schema)}"
        yield from tables.values()
        for other in map(quote_identifier, others):
            yield f"CREATE SCHEMA {other}"
            yield from (alias(f"{other}.{table}", f"{quote_identifier(schema)}.{table}") for table in tables)
    yield from _unions(snapshot, made)


def _tables(schema: str, snapshot: Snapshot, on_gap: OnGap) -> Iterator[tuple[str, str]]:
    """Yield the name of each table and view of an experiment, and the statement that creates it."""
    runs = summarize(snapshot).select(*ASSEMBLY_COLUMNS)
    yield "assemblies", _table(f"{schema}.assemblies", runs)
    yield "configs", _table(f"{schema}.configs", config_columns.of_experiment(snapshot))
    yield "sweeps", _table(f"{schema}.sweeps", sweeps.points_of(snapshot))
    for table in snapshot.tables.names:
        if snapshot.table(table) is None:
            continue
        ids, found = snapshot.tables.readable(table, snapshot.ids(), on_gap)
        omissions.warn_of_faults(found)
        files = snapshot.tables.existing(table).files(ids)
        if files:
            created = view(schema, snapshot, table, Sources([], files), ids)
            yield table, ";\n".join([created, *comments(schema, snapshot.schema(table))])


def _unions(snapshot: Snapshots, made: Mapping[str, Collection[str]]) -> Iterator[str]:
    """Yield the statements that create the schema of all experiment versions."""
    yield f"CREATE SCHEMA {UNION}"
    contested = contested_columns({name: each for name, each in snapshot.items() if name in made})
    for table in ("results", "assemblies"):
        selects = [
            member(quote_identifier(schema), table, snapshot.qualified(name), contested.get(name, ()))
            for name, (schema, *_) in snapshot.schemas().items()
            if table in made.get(name, ())
        ]
        if selects:
            yield f"CREATE VIEW {UNION}.{table} AS {' UNION ALL BY NAME '.join(selects)}"
    yield _table(f"{UNION}.configs", config_columns.of_lake(snapshot.values()))
    yield _table(f"{UNION}.sweeps", sweeps.all_points(snapshot.values()))


def _table(name: str, frame: pl.DataFrame) -> str:
    """Return the statement that creates a table with the content of a frame."""
    columns = ", ".join(
        f"CAST(NULL AS {_sql_type(dtype)}) AS {quote_identifier(column)}"
        for column, dtype in frame.schema.items()
    )
    rows = ",\n  ".join(f"({', '.join(map(_literal, row))})" for row in frame.iter_rows())
    values = f"\nUNION ALL FROM (VALUES\n  {rows})" if rows else ""
    return f"CREATE TABLE {name} AS SELECT {columns} WHERE false{values}"


def _sql_type(dtype: pl.DataType) -> str:
    if isinstance(dtype, pl.List):
        return f"{_sql_type(dtype.inner)}[]"  # type: ignore[arg-type]
    return "TIMESTAMPTZ" if isinstance(dtype, pl.Datetime) else SQL_TYPES.get(dtype, "VARCHAR")


def _literal(value: object) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, list):
        return f"[{', '.join(map(_literal, value))}]"
    if isinstance(value, int | float):
        return repr(value).lower() if math.isfinite(value) else string_literal(str(value))
    return (
        f"TIMESTAMPTZ {string_literal(value.isoformat())}"
        if isinstance(value, datetime)
        else string_literal(str(value))
    )


def _is_local(snapshot: Snapshot) -> bool:
    table = snapshot.table()
    return table is None or table.is_local


def _read(found: Sources, schema: TableSchema, columns: Collection[str]) -> str:
    """Return the SQL that reads bundles and files; a column added later, also by another tool, is NULL for older files."""
    known = {column.name for column in schema.columns}
    late = {column.name: f"CAST(NULL AS {column.sql})" for column in schema.late}
    late |= {name: "NULL" for name in columns if name not in known}
    by_name = f"union_by_name = {bool(late)}"
    partition = "hive_partitioning = true, hive_types = {'assembly_id': VARCHAR}"
    sources = []
    if found.bundles:
        sources.append(
            f"FROM read_parquet({list_literal(found.bundles)}, {by_name}, hive_partitioning = false)"
        )
    if found.files:
        sources.append(f"FROM read_parquet({list_literal(found.files)}, {by_name}, {partition})")
    if late:
        nulls = ", ".join(f"{null} AS {quote_identifier(name)}" for name, null in late.items())
        sources.append(f"SELECT {nulls} WHERE false")
    return _union(sources)


def _union(sources: Collection[str]) -> str:
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
