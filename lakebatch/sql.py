"""DuckDB over a snapshot of the lake, every table a view. The only import of duckdb."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb
import polars as pl

from lakebatch.assembly import Status
from lakebatch.delta import TableVersion
from lakebatch.errors import QueryError
from lakebatch.schema import load_schema
from lakebatch.snapshot import COMPLETED, OnGap, Snapshot, report_gaps
from lakebatch.stored import StoredExperiment
from lakebatch.summary import COLUMNS, GAP_COLUMNS, list_gaps, summarize

DATA = ("results", "samples", "trajectories")
READING = {duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN}


@dataclass(frozen=True)
class Pinned:
    """One experiment's snapshot and what it is called in SQL."""

    schema: str
    stored: StoredExperiment
    snapshot: Snapshot


def connect(
    experiments: Sequence[StoredExperiment],
    *,
    version: int | None = None,
    as_of: str | datetime | None = None,
    include: Collection[Status] = COMPLETED,
    on_gap: OnGap = "warn",
) -> duckdb.DuckDBPyConnection:
    """Return an in-memory DuckDB connection in which every table of some experiments is a view.

    Per experiment there is a schema, such as ``response_noise`` (with the number and version of its
    folder in the name where the lake has several versions). Its views are ``results``, ``samples`` and
    ``trajectories`` (rows of completed assemblies), ``assemblies`` (one row each), ``events`` and
    ``gaps`` (what the rows lack); ``lake.results``, ``lake.assemblies`` and ``lake.gaps`` hold those of
    all experiments, with the column ``experiment``. Gaps are reported as ``on_gap`` says, too.
    """
    pinned = _pin(experiments, version, as_of)
    _report(pinned, include, on_gap)
    return _open(pinned, include)[0]


def query(
    experiments: Sequence[StoredExperiment],
    text: str,
    parameters: Mapping[str, Any] | None = None,
    *,
    version: int | None = None,
    as_of: str | datetime | None = None,
    include: Collection[Status] = COMPLETED,
    on_gap: OnGap = "warn",
) -> pl.DataFrame:
    """Return what one SQL query answers over the views of some experiments.

    It can read the views and nothing else: no file, no network, no extension, no setting, no write.
    Parameters are bound, as ``$name`` in the text.

    Raises
    ------
    QueryError
        If the text is not one reading statement, or DuckDB cannot answer it.
    """
    pinned = _pin(experiments, version, as_of)
    _report(pinned, include, on_gap)
    connection, files = _open(pinned, include)
    with connection:
        _lock(connection, files)
        return _answer(connection, text, parameters or {})


def _answer(connection: duckdb.DuckDBPyConnection, text: str, parameters: Mapping[str, Any]) -> pl.DataFrame:
    try:
        _check_reading(connection.extract_statements(text))
        relation = connection.sql(text, params=dict(parameters) or None)
        frame = pl.from_arrow(relation.to_arrow_table())
    except (duckdb.Error, pl.exceptions.PolarsError) as error:
        raise QueryError(f"DuckDB cannot answer this: {' '.join(str(error).split())}") from error
    assert isinstance(frame, pl.DataFrame)
    return _with_integers(frame)


def _with_integers(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the frame with sums of integers as integers; DuckDB hands them out as decimals of 38 digits."""
    sums = [name for name, dtype in frame.schema.items() if dtype == pl.Decimal(38, 0)]
    fitting = [
        name
        for name in sums
        if frame[name].cast(pl.Int64, strict=False).null_count() == frame[name].null_count()
    ]
    return frame.with_columns(pl.col(fitting).cast(pl.Int64))


def _check_reading(statements: Sequence[Any]) -> None:
    kinds = [statement.type for statement in statements]
    if len(kinds) != 1 or kinds[0] not in READING:
        found = ", ".join(kind.name for kind in kinds) or "nothing"
        raise QueryError(
            f"Cannot run {found}. Expected one statement that reads: SELECT, DESCRIBE, SUMMARIZE or EXPLAIN."
        )


def _pin(
    experiments: Sequence[StoredExperiment], version: int | None, as_of: str | datetime | None
) -> list[Pinned]:
    """Return a snapshot of each experiment; those that had not begun at a past moment are left out."""
    names = [each.name for each in experiments]
    if version is not None and len(names) != 1:
        raise QueryError(
            f"A version is that of one experiment, this lake has {len(names)}: {', '.join(names)}. "
            "Use as_of (--as-of TIME) instead."
        )
    return [
        Pinned(
            each.schema_name(unique=names.count(each.name) == 1),
            each,
            each.snapshot(version=version, as_of=as_of),
        )
        for each in experiments
        if as_of is None or each.began_by(as_of)
    ]


def _report(pinned: Sequence[Pinned], include: Collection[Status], on_gap: OnGap) -> None:
    report_gaps([gap for each in pinned for gap in each.snapshot.gaps(include)], on_gap)


def _open(
    pinned: Sequence[Pinned], include: Collection[Status]
) -> tuple[duckdb.DuckDBPyConnection, list[str]]:
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    files: list[str] = []
    for each in pinned:
        files += _create_views(connection, each, include)
    _create_union_views(connection, pinned)
    return connection, files


def _create_views(
    connection: duckdb.DuckDBPyConnection, pinned: Pinned, include: Collection[Status]
) -> list[str]:
    schema = _identifier(pinned.schema)
    connection.execute(f"CREATE SCHEMA {schema}")
    frames = {
        "assemblies": summarize(pinned.snapshot),
        "events": pinned.snapshot.events,
        "gaps": list_gaps(pinned.snapshot, include),
    }
    for name, frame in frames.items():
        _create_table(connection, f"{schema}.{name}", frame)
    files: list[str] = []
    for name in DATA:
        table = pinned.snapshot.results if name == "results" else _newest(pinned.stored, name)
        if table is not None:
            files += _create_data(connection, pinned, f"{schema}.{name}", table, include)
    return files


def _newest(stored: StoredExperiment, name: str) -> TableVersion | None:
    """Return a table as it is now, if there is one; what completed assemblies wrote to it does not change."""
    table = stored.table(name)
    return table.at() if table.exists() else None


def _create_data(
    connection: duckdb.DuckDBPyConnection,
    pinned: Pinned,
    name: str,
    table: TableVersion,
    include: Collection[Status],
) -> list[str]:
    """Make rows a view over the files of a table, or a copy where DuckDB cannot reach the files; return the files."""
    ids = pinned.snapshot.ids(include)
    files = table.files(ids)
    if not files or pinned.stored.storage.is_s3:
        _create_table(connection, name, table.scan().filter(pl.col("assembly_id").is_in(ids)).collect())
        return []
    columns = ", ".join(_identifier(column) for column in table.columns())
    connection.execute(
        f"CREATE VIEW {name} AS SELECT {columns} FROM read_parquet({_list(files)}, "
        "hive_partitioning = true, hive_types = {'assembly_id': VARCHAR})"
    )
    return files


def _create_union_views(connection: duckdb.DuckDBPyConnection, pinned: Sequence[Pinned]) -> None:
    connection.execute("CREATE SCHEMA lake")
    tables: dict[str, Mapping[str, Any]] = {
        "results": load_schema("results").polars,
        "assemblies": COLUMNS,
        "gaps": GAP_COLUMNS,
    }
    for name, columns in tables.items():
        if not pinned:
            empty = pl.DataFrame(schema={"experiment": pl.String(), **columns})
            _create_table(connection, f"lake.{name}", empty)
            continue
        selects = [
            f"SELECT {_text(each.stored.name)} AS experiment, * FROM {_identifier(each.schema)}.{name}"
            for each in pinned
        ]
        connection.execute(f"CREATE VIEW lake.{name} AS {' UNION ALL BY NAME '.join(selects)}")


def _create_table(connection: duckdb.DuckDBPyConnection, name: str, frame: pl.DataFrame) -> None:
    connection.register("incoming", frame.to_arrow())
    connection.execute(f"CREATE TABLE {name} AS FROM incoming")
    connection.unregister("incoming")


def _lock(connection: duckdb.DuckDBPyConnection, files: Sequence[str]) -> None:
    """Leave the connection nothing but the views and the files behind them."""
    connection.execute(f"SET allowed_paths = {_list(files)}")
    connection.execute("SET python_enable_replacements = false")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    connection.execute("BEGIN TRANSACTION READ ONLY")


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _list(values: Sequence[str]) -> str:
    return "[" + ", ".join(_text(value) for value in values) + "]"
