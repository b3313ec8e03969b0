"""DuckDB over a snapshot of the lake, every table a view. The only import of duckdb."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack
from typing import Any, TypeVar

import duckdb
import polars as pl

from lakebatch import damage, forks
from lakebatch.assembly import Status
from lakebatch.delta.bundles import Sources
from lakebatch.errors import QueryError
from lakebatch.gaps import OnGap
from lakebatch.guard import check_reading
from lakebatch.ids import check_name
from lakebatch.lake_snapshot import LakeSnapshot
from lakebatch.schema import load_schema
from lakebatch.snapshot import COMPLETED, Snapshot
from lakebatch.sql_text import identifier, listed, quoted, view
from lakebatch.summary import COLUMNS, summarize
from lakebatch.tables import DATA

Result = TypeVar("Result")

LISTEN_SECONDS = 0.1
GAPS: dict[str, pl.DataType] = {"assembly_id": pl.String(), "what": pl.String()}


def connect(
    snapshot: LakeSnapshot,
    *,
    include: Collection[Status] = COMPLETED,
    on_gap: OnGap = "warn",
    also: Mapping[str, LakeSnapshot] | None = None,
) -> duckdb.DuckDBPyConnection:
    """Return an in-memory DuckDB connection in which every table of some experiments is a view.

    Per experiment there is a schema, such as ``response_noise`` (with the number and version of its
    folder in the name where the lake has several versions). Its views are ``results``, ``samples`` and
    ``trajectories`` (rows of completed assemblies), ``assemblies`` (one row each), ``events`` and
    ``gaps``; ``lake.results``, ``lake.assemblies`` and ``lake.gaps`` hold those of all experiments, with
    the column ``experiment``. What the rows lack is reported as ``on_gap`` says.

    Parameters
    ----------
    also : mapping
        Other snapshots by a name: with ``{"before": then}``, ``before.response_noise.results`` stands
        beside ``response_noise.results``.
    """
    snapshot.report(include, on_gap)
    return _open(snapshot, include, on_gap, also or {})[0]


def query(
    snapshot: LakeSnapshot,
    text: str,
    parameters: Mapping[str, Any] | None = None,
    *,
    include: Collection[Status] = COMPLETED,
    on_gap: OnGap = "warn",
    also: Mapping[str, LakeSnapshot] | None = None,
) -> pl.DataFrame:
    """Return what one SQL query answers over the views of some experiments.

    It can read the views and nothing else: no file, no network, no extension, no setting, no write.
    Parameters are bound, as ``$name`` in the text.

    Raises
    ------
    QueryError
        If the text is not one reading statement, or DuckDB cannot answer it.
    """

    def answer() -> pl.DataFrame:
        with Session(snapshot, include=include, on_gap=on_gap, also=also) as session:
            return session.answer(text, parameters)

    for _ in range(damage.REOPENED):
        try:
            return answer()
        except (QueryError, duckdb.IOException) as error:
            renewed = [each.renew() for each in (snapshot, *(also or {}).values())]
            if not _lacks_files(error) or True not in renewed:
                raise
    return answer()


def _lacks_files(error: Exception) -> bool:
    """Whether DuckDB did not find a file, which may have been merged with others and removed."""
    return any(hint in str(error) for hint in ("No such file", "No files found"))


class Session:
    """Several queries, one after the other, over one and the same snapshot."""

    def __init__(
        self,
        snapshot: LakeSnapshot,
        *,
        include: Collection[Status] = COMPLETED,
        on_gap: OnGap = "warn",
        also: Mapping[str, LakeSnapshot] | None = None,
    ) -> None:
        snapshot.report(include, on_gap)
        with ExitStack() as opened:
            scratch = opened.enter_context(tempfile.TemporaryDirectory(prefix="lakebatch-"))
            connection, files = _open(snapshot, include, on_gap, also or {})
            self._connection = opened.enter_context(connection)
            _lock(self._connection, files, scratch)
            self._opened = opened.pop_all()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def answer(self, text: str, parameters: Mapping[str, Any] | None = None) -> pl.DataFrame:
        """Return what one query answers, see `query`."""
        self._connection.execute("BEGIN TRANSACTION READ ONLY")
        try:
            return _answer(self._connection, text, parameters or {})
        finally:
            self._connection.execute("ROLLBACK")


def _answer(connection: duckdb.DuckDBPyConnection, text: str, parameters: Mapping[str, Any]) -> pl.DataFrame:
    try:
        check_reading(connection, text)
        relation = connection.sql(text, params=dict(parameters) or None)
        lengths = _lengths_of_time(relation)
        if lengths:
            relation = relation.project(_in_microseconds(lengths))
        frame = pl.from_arrow(_interruptibly(connection, relation.to_arrow_table))
    except (duckdb.Error, pl.exceptions.PolarsError) as error:
        known = _schemas(connection) if isinstance(error, duckdb.CatalogException) else ""
        raise QueryError(f"DuckDB cannot answer this: {' '.join(str(error).split())}{known}") from error
    assert isinstance(frame, pl.DataFrame)
    return _with_integers(frame).with_columns(pl.col(lengths).cast(pl.Duration("us")))


def _lengths_of_time(relation: duckdb.DuckDBPyRelation) -> list[str]:
    """Return the columns that are intervals; refuse those that have them inside, at which polars breaks down."""
    kinds = {name: str(kind) for name, kind in zip(relation.columns, relation.types, strict=True)}
    for name, kind in kinds.items():
        if "INTERVAL" in kind and kind != "INTERVAL":
            raise QueryError(
                f"DuckDB cannot answer this: column {name!r} has an interval inside ({kind}). Cast it to VARCHAR."
            )
    return [name for name, kind in kinds.items() if kind == "INTERVAL"]


def _in_microseconds(names: Sequence[str]) -> str:
    """Return what selects every column, those that are lengths of time as numbers, which polars can take over."""
    numbers = ", ".join(f"epoch_us({identifier(name)}) AS {identifier(name)}" for name in names)
    return f"* REPLACE ({numbers})"


def _schemas(connection: duckdb.DuckDBPyConnection) -> str:
    """Return a sentence with the schemas that can be named in a query; nothing where even that cannot be asked."""
    try:
        rows = connection.execute(
            "SELECT DISTINCT schema_name FROM duckdb_views() WHERE NOT internal ORDER BY 1"
        )
        return f" Known schemas: {', '.join(name for (name,) in rows.fetchall()) or 'none'}."
    except duckdb.Error:
        return ""


def _interruptibly(connection: duckdb.DuckDBPyConnection, work: Callable[[], Result]) -> Result:
    """Return what the engine returns; Ctrl-C, to which it does not listen itself, ends it."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        future = pool.submit(work)
        try:
            while not wait([future], LISTEN_SECONDS).done:
                pass
        except BaseException:
            # one that comes before the query has begun is lost
            while not wait([future], LISTEN_SECONDS).done:
                connection.interrupt()
            raise
        return future.result()


def _with_integers(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the frame with sums of integers as integers; DuckDB hands them out as decimals of 38 digits."""
    sums = [name for name, dtype in frame.schema.items() if dtype == pl.Decimal(38, 0)]
    fitting = [
        name
        for name in sums
        if frame[name].cast(pl.Int64, strict=False).null_count() == frame[name].null_count()
    ]
    return frame.with_columns(pl.col(fitting).cast(pl.Int64))


def _open(
    snapshot: LakeSnapshot, include: Collection[Status], on_gap: OnGap, also: Mapping[str, LakeSnapshot]
) -> tuple[duckdb.DuckDBPyConnection, list[str]]:
    """Return a connection with views over the snapshots, and the files behind them."""
    forks.check()
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    files = _create_catalog(connection, "memory", snapshot, include, on_gap)
    for name, other in also.items():
        catalog = identifier(check_name(name, "name of a snapshot"))
        connection.execute(f"ATTACH ':memory:' AS {catalog}")
        files += _create_catalog(connection, catalog, other, include, on_gap)
    return connection, files


def _create_catalog(
    connection: duckdb.DuckDBPyConnection,
    catalog: str,
    snapshot: LakeSnapshot,
    include: Collection[Status],
    on_gap: OnGap,
) -> list[str]:
    files: list[str] = []
    for name, each in snapshot.schemas().items():
        schema = f"{catalog}.{identifier(name)}"
        connection.execute(f"CREATE SCHEMA {schema}")
        files += _create_views(connection, schema, each, include, on_gap)
    _create_union_views(connection, catalog, snapshot)
    return files


def _create_views(
    connection: duckdb.DuckDBPyConnection,
    schema: str,
    snapshot: Snapshot,
    include: Collection[Status],
    on_gap: OnGap,
) -> list[str]:
    gaps = [{"assembly_id": gap.assembly_id, "what": gap.what} for gap in snapshot.gaps(include)]
    frames = {
        "assemblies": summarize(snapshot),
        "events": snapshot.events,
        "gaps": pl.DataFrame(gaps, schema=GAPS),
    }
    for name, frame in frames.items():
        _create_table(connection, f"{schema}.{name}", frame)
    files: list[str] = []
    for name in DATA:
        with damage.reported(f"{snapshot.name}.{name}", refuse=on_gap == "refuse"):
            if snapshot.table(name) is not None:
                files += _create_data(connection, schema, snapshot, name, include)
    return files


def _create_data(
    connection: duckdb.DuckDBPyConnection,
    schema: str,
    snapshot: Snapshot,
    name: str,
    include: Collection[Status],
) -> list[str]:
    """Make rows a view over the files of a table, or a copy where DuckDB cannot reach the files; return the files."""
    ids = snapshot.ids(include)
    chosen = snapshot.scan(include, table=name)
    table = snapshot.table(name)
    assert table is not None
    found = table.sources(ids) if table.is_local else Sources([], [])
    if not found.all:
        _create_table(connection, f"{schema}.{name}", snapshot.computed(chosen, ids, table=name))
        return []
    connection.execute(view(schema, snapshot, name, found, include))
    return found.all


def _create_union_views(connection: duckdb.DuckDBPyConnection, catalog: str, snapshot: LakeSnapshot) -> None:
    connection.execute(f"CREATE SCHEMA {catalog}.lake")
    views: dict[str, dict[str, pl.DataType]] = {
        "results": load_schema("results").polars,
        "assemblies": COLUMNS,
        "gaps": GAPS,
    }
    for name, columns in views.items():
        selects = [
            f"SELECT {quoted(each.name)} AS experiment, * FROM {catalog}.{identifier(schema)}.{name}"
            for schema, each in snapshot.schemas().items()
            if _has(connection, catalog, schema, name)
        ]
        if selects:
            connection.execute(f"CREATE VIEW {catalog}.lake.{name} AS {' UNION ALL BY NAME '.join(selects)}")
        else:
            empty = pl.DataFrame(schema={"experiment": pl.String(), **columns})
            _create_table(connection, f"{catalog}.lake.{name}", empty)


def _has(connection: duckdb.DuckDBPyConnection, catalog: str, schema: str, name: str) -> bool:
    found = "SELECT 1 FROM duckdb_columns() WHERE database_name = ? AND schema_name = ? AND table_name = ? LIMIT 1"
    return connection.execute(found, [catalog.strip('"'), schema, name]).fetchone() is not None


def _create_table(connection: duckdb.DuckDBPyConnection, name: str, frame: pl.DataFrame) -> None:
    connection.register("incoming", frame.to_arrow())
    connection.execute(f"CREATE TABLE {name} AS FROM incoming")
    connection.unregister("incoming")


def _lock(connection: duckdb.DuckDBPyConnection, files: Sequence[str], scratch: str) -> None:
    """Leave the connection nothing but the views, the files behind them and a folder of its own to sort in."""
    connection.execute(f"SET temp_directory = {quoted(scratch)}")
    connection.execute(f"SET allowed_paths = {listed(files)}")
    connection.execute("SET python_enable_replacements = false")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
