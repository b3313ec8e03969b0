"""Views of snapshots in a DuckDB connection, with the faults of each."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count

import duckdb
import polars as pl

from lakebatch.assembly.tables import RESULTS, table_schema
from lakebatch.columns import DATA, Column
from lakebatch.errors import SchemaError, StorageError
from lakebatch.snapshot import config_columns, mixture, sweeps
from lakebatch.snapshot.completeness import damage_gaps
from lakebatch.snapshot.gaps import GAP_COLUMNS, Gap, to_frame
from lakebatch.snapshot.snapshot import Snapshot
from lakebatch.snapshot.snapshots import Snapshots
from lakebatch.snapshot.summary import SUMMARY_COLUMNS, summarize
from lakebatch.sql.answers import ArrowStream
from lakebatch.sql.catalog import (
    UNION,
    alias,
    contested_columns,
    member,
    quote_identifier,
    readable_name,
    view,
)
from lakebatch.sql.meanings import KEYED, of_view, statements
from lakebatch.sql.read_only import Path
from lakebatch.sql.supervision import interruptible
from lakebatch.storage.delta.arrow_sources import arrow_sources, check_present
from lakebatch.storage.delta.bundles import Sources
from lakebatch.storage.delta.damage import Fault
from lakebatch.storage.delta.schema import load_schema
from lakebatch.storage.delta.version import TableVersion, collect
from lakebatch.storage.uris import is_local

VIEW_COLUMNS = """
    SELECT database_name, schema_name, table_name, if(bool_or(of_table.table_name IS NULL), 'VIEW', 'TABLE'),
        list(column_name)
    FROM duckdb_columns() AS shown LEFT JOIN duckdb_tables() AS of_table
        USING (database_name, schema_name, table_name)
    WHERE NOT shown.internal GROUP BY ALL
"""
MAIN = "memory"
"""The default catalog of an in-memory connection."""
UNION_VIEWS = ("results", "assemblies", "configs", "sweeps", "gaps")
"""The views over all experiments together."""
OF_LAKE: dict[str, Callable[[Iterable[Snapshot]], pl.DataFrame]] = {
    "configs": config_columns.of_lake,
    "sweeps": sweeps.all_points,
}
"""How the views with a column per config key are made of those of all experiments."""
ORIGIN = {"experiment": pl.String(), "version": pl.String()}
EMPTY_UNIONS: dict[str, pl.Schema] = {
    "results": pl.Schema({**ORIGIN, **load_schema(RESULTS).polars, "config_hash": pl.String()}),
    "assemblies": pl.Schema({**ORIGIN, **SUMMARY_COLUMNS}),
    "gaps": pl.Schema({**ORIGIN, **GAP_COLUMNS, "config_hash": pl.String()}),
}
"""The columns of these views in an empty lake."""


@dataclass(frozen=True)
class View:
    """A view: its faults, the tables of snapshots that it reads, and descriptions of what it mixes by itself."""

    faults: tuple[Fault, ...] = ()
    reads: tuple[tuple[Snapshot, str], ...] = ()
    mixed: tuple[str, ...] = ()


class Views:
    """The views of some snapshots, one catalog per snapshot.

    Attributes
    ----------
    by_path : dict
        Each view by its name, with and without the catalog.
    names : dict
        The name of each view in SQL, the shortest where it has two.
    files : list of str
        The files behind them.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self.by_path: dict[Path, View] = {}
        self.names: dict[Path, str] = {}
        self.files: list[str] = []
        self._is_described = False
        self._numbers = count()

    def add(self, catalog: str, snapshot: Snapshots) -> None:
        """Create the views of a snapshot in an existing catalog."""
        for name, (schema, *others) in snapshot.schemas().items():
            self._connection.execute(f"CREATE SCHEMA {_name(catalog, schema)}")
            if name in snapshot:
                self._add_experiment(catalog, schema, snapshot[name])
            else:
                fault = Fault.of(snapshot.damaged[name], name)
                self._add_damaged(catalog, schema, fault, snapshot.own_tables.get(name, ()))
            for other in others:
                self._add_alias(catalog, other, schema)
        self._add_unions(catalog, snapshot)

    def read(self, paths: Iterable[Path]) -> list[View]:
        """Return some views by name."""
        return [self.by_path[path] for path in sorted(paths)]

    def describe(self) -> None:
        """Give every view and column its meaning and unit as a comment, once."""
        if self._is_described:
            return
        found = self._connection.execute(VIEW_COLUMNS).fetchall()
        known = [each for each in found if tuple(each[:-2]) in self.by_path]
        comments = (
            text
            for *path, kind, names in known
            for text in _comments(tuple(path), self.by_path[tuple(path)], kind, names)
        )
        self._connection.execute(";".join(comments))  # at once: a fifth faster than view by view
        self._is_described = True

    def path(self, name: str) -> Path | None:
        """Return catalog, schema and view that a name in SQL stands for; None if there is no such view."""
        steps = tuple(each.strip('"').lower() for each in name.split("."))
        whole = (MAIN, *steps) if len(steps) == 2 else steps
        return whole if whole in self.by_path else None

    def _add_experiment(self, catalog: str, schema: str, snapshot: Snapshot) -> None:
        self._add_records(catalog, schema, snapshot)
        self._add_configs(catalog, schema, snapshot)
        self._add_sweeps(catalog, schema, snapshot)
        for name in snapshot.tables.names:
            self._add_data(catalog, schema, snapshot, name)

    def _add_alias(self, catalog: str, other: str, schema: str) -> None:
        """Create a second schema with the views of another."""
        self._connection.execute(f"CREATE SCHEMA {_name(catalog, other)}")
        for *_, name in [path for path in self.by_path if path[:-1] == (catalog, schema)]:
            self._connection.execute(alias(_name(catalog, other, name), _name(catalog, schema, name)))
            self._register(catalog, other, name, self.by_path[catalog, schema, name])
            for path in self._paths(catalog, schema, name):  # messages list a view once
                self.names[path] = self.names[*path[:-2], other, name]

    def _add_records(self, catalog: str, schema: str, snapshot: Snapshot) -> None:
        gaps = [*damage_gaps(snapshot), *snapshot.gaps(), *snapshot.mixture_gaps()]
        lost = View(snapshot.tables.lost)
        self._add_frame(catalog, schema, "assemblies", summarize(snapshot), lost)
        self._add_frame(catalog, schema, "events", snapshot.events, lost)
        self._add_frame(catalog, schema, "gaps", to_frame(gaps), View())

    def _add_configs(self, catalog: str, schema: str, snapshot: Snapshot) -> None:
        """Create a table of the configs; an empty one if any is damaged."""
        try:
            frame, known = config_columns.of_experiment(snapshot), View()
        except StorageError as error:
            frame = pl.DataFrame(schema=config_columns.IDENTITY)
            known = View((Fault.of(error, snapshot.name),))
        self._add_frame(catalog, schema, "configs", frame, known)

    def _add_sweeps(self, catalog: str, schema: str, snapshot: Snapshot) -> None:
        """Create a table of the points of sweeps; an empty one if a plan is damaged."""
        try:
            frame, known = sweeps.points_of(snapshot), View(snapshot.tables.lost)
        except StorageError as error:
            frame = pl.DataFrame(schema=sweeps.POINT_COLUMNS)
            known = View((Fault.of(error, snapshot.name),))
        self._add_frame(catalog, schema, "sweeps", frame, known)

    def _add_data(self, catalog: str, schema: str, snapshot: Snapshot, name: str) -> None:
        """Create a view over the readable files of a table; an empty one if none is readable."""
        tables = snapshot.tables
        try:
            if tables.get(name) is None:
                return
            _, found = tables.read_readable(
                name,
                snapshot.ids(),
                lambda table, ids: self._create_data(_name(catalog, schema), snapshot, table, ids),
                check=read_through,
            )
        except (StorageError, SchemaError) as error:
            empty = pl.DataFrame(schema=_known_columns(snapshot, name))
            self._add_frame(catalog, schema, name, empty, View((Fault.of(error, snapshot.name),)))
        else:
            self._register(catalog, schema, name, View(tuple(found), ((snapshot, name),)))

    def _create_data(self, schema: str, snapshot: Snapshot, table: TableVersion, ids: list[str]) -> None:
        """Create a view over the rows of some assemblies; a copy if the files alone are not the rows."""
        name = table.schema.table
        found = table.sources(ids) if table.is_plain else Sources([], [])
        if not found.all:
            self._create_table(f"{schema}.{name}", collect(snapshot.rows_of(table, ids)))
        elif table.is_local:
            self._create_view(view(schema, snapshot, name, found, ids))
            self.files += found.all
        else:
            check_present(table, found)
            self._create_view(view(schema, snapshot, name, found, ids, self._add_datasets(table, found)))

    def _add_datasets(self, table: TableVersion, found: Sources) -> list[str]:
        """Make datasets of Arrow readable, and return their names; DuckDB asks them for columns and rows."""
        names = []
        for dataset in arrow_sources(table, found):
            names.append(f"{MAIN}.main.files_{next(self._numbers)}")
            # a registered one would be hidden from the connection's cursors
            self._connection.from_arrow(dataset).create_view(names[-1].rpartition(".")[2])
        return names

    def _create_view(self, statement: str) -> None:
        try:
            self._connection.execute(statement)
        except duckdb.Error as error:
            raise OSError(str(error)) from error

    def _add_damaged(self, catalog: str, schema: str, fault: Fault, own_tables: Collection[str]) -> None:
        """Create empty views for an experiment that cannot be read, and one gap that says why."""
        frames = {name: table_schema(name).in_datasets for name in (*DATA, *own_tables)} | {
            "assemblies": pl.Schema(SUMMARY_COLUMNS),
            "configs": pl.Schema(config_columns.IDENTITY),
            "events": load_schema("assemblies").polars,
        }
        for name, columns in frames.items():
            self._add_frame(catalog, schema, name, pl.DataFrame(schema=columns), View((fault,)))
        self._add_frame(catalog, schema, "gaps", to_frame([Gap("", str(fault))]), View())

    def _add_unions(self, catalog: str, snapshot: Snapshots) -> None:
        """Create the views of all experiment versions together."""
        self._connection.execute(f"CREATE SCHEMA {_name(catalog, UNION)}")
        contested = {(RESULTS, each): columns for each, columns in self._contested(snapshot).items()}
        for name in UNION_VIEWS:
            members = {
                each: schema
                for each, (schema, *_) in snapshot.schemas().items()
                if (catalog, schema, name) in self.by_path
            }
            of_each = [self.by_path[catalog, schema, name] for schema in members.values()]
            reads = tuple(read for each in of_each for read in each.reads)
            known = View(
                tuple(fault for each in of_each for fault in each.faults),
                reads,
                tuple(mixture.between_versions((each.name, each.experiment_version) for each, _ in reads)),
            )
            if name in OF_LAKE:  # types that DuckDB could not combine
                whole = [
                    snapshot[each]
                    for each, schema in members.items()
                    if each in snapshot and not self.by_path[catalog, schema, name].faults
                ]
                self._add_frame(catalog, UNION, name, OF_LAKE[name](whole), known)
            elif members:
                selects = [
                    member(
                        _name(catalog, schema),
                        name,
                        snapshot.qualified(each),
                        contested.get((name, each), ()),
                    )
                    for each, schema in members.items()
                ]
                text = f"CREATE VIEW {_name(catalog, UNION, name)} AS {' UNION ALL BY NAME '.join(selects)}"
                self._connection.execute(text)
                self._register(catalog, UNION, name, known)
            else:
                self._add_frame(catalog, UNION, name, pl.DataFrame(schema=EMPTY_UNIONS[name]), known)

    def _contested(self, snapshot: Snapshots) -> dict[str, list[str]]:
        """Return the result columns without a common type, by experiment; none of those that cannot be read."""
        readable = {}
        for name in snapshot:
            with suppress(StorageError, SchemaError):
                snapshot[name].table()
                readable[name] = snapshot[name]
        return contested_columns(readable)

    def _add_frame(self, catalog: str, schema: str, name: str, frame: pl.DataFrame, known: View) -> None:
        self._create_table(_name(catalog, schema, name), frame)
        self._register(catalog, schema, name, known)

    def _create_table(self, name: str, frame: pl.DataFrame) -> None:
        self._connection.register("incoming", ArrowStream(frame))
        self._connection.execute(f"CREATE TABLE {name} AS FROM incoming")
        self._connection.unregister("incoming")

    def _register(self, catalog: str, schema: str, name: str, known: View) -> None:
        for path in self._paths(catalog, schema, name):
            self.by_path[path] = known
            self.names[path] = ".".join(map(readable_name, path))

    def _paths(self, catalog: str, schema: str, name: str) -> list[Path]:
        """Return the names of a view: with the catalog and, of the default catalog, without."""
        return [(catalog, schema, name), *([(schema, name)] if catalog == MAIN else [])]


def _comments(path: Path, view: View, kind: str, names: list[str]) -> Iterator[str]:
    """Yield the statements that describe a view and its columns."""
    columns: dict[str, Column] = {}
    description = ""
    for snapshot, table in view.reads:
        found = snapshot.table(table)
        if table == path[-1] and found is not None:
            columns = {each.name: each for each in found.schema.columns} | columns
            description = found.description
    about, meanings = of_view(path[-1], columns, description)
    key = KEYED.get(path[-1])
    known = {name: meanings.get(name) or (key.format(name) if key else "") for name in names}
    return statements(path, kind, {name: each for name, each in known.items() if each}, about)


def _known_columns(snapshot: Snapshot, name: str) -> dict[str, pl.DataType]:
    """Return the known columns of a table that cannot be read."""
    try:
        return snapshot.schema(name).in_datasets
    except (StorageError, SchemaError):
        return table_schema(name).in_datasets


def read_through(file: str) -> None:
    """Read all rows of a Parquet file, as DuckDB does.

    Raises
    ------
    OSError
        If it cannot.
    """
    if not is_local(file):  # polars reads S3
        return
    with duckdb.connect() as connection, interruptible():
        try:
            relation = connection.sql(
                "FROM read_parquet($files, hive_partitioning = false)", params={"files": [file]}
            )
            for _ in relation.to_arrow_reader():
                pass
        except duckdb.Error as error:
            raise OSError(" ".join(str(error).split())) from error


def _name(*steps: str) -> str:
    return ".".join(map(quote_identifier, steps))
