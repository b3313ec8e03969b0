"""Views of snapshots in a DuckDB connection, with the faults of each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import duckdb
import polars as pl

from lakebatch.assembly.tables import DATA, RESULTS
from lakebatch.errors import SchemaError, StorageError
from lakebatch.snapshot.completeness import damage_gaps
from lakebatch.snapshot.gaps import GAP_COLUMNS, Gap, to_frame
from lakebatch.snapshot.snapshot import Snapshot
from lakebatch.snapshot.snapshots import Snapshots
from lakebatch.snapshot.summary import SUMMARY_COLUMNS, summarize
from lakebatch.sql.catalog import quote_identifier, readable_name, string_literal, view
from lakebatch.sql.read_only import Path
from lakebatch.storage.delta.bundles import Sources
from lakebatch.storage.delta.damage import Fault
from lakebatch.storage.delta.schema import load_schema
from lakebatch.storage.delta.version import TableVersion, collect
from lakebatch.storage.uris import is_local

MAIN = "memory"
"""The default catalog of an in-memory connection."""
UNION = "lake"
UNION_VIEWS = ("results", "assemblies", "gaps")
"""The views over all experiments together."""


@dataclass(frozen=True)
class View:
    """A view: its faults, and the tables of snapshots that it reads."""

    faults: tuple[Fault, ...] = ()
    reads: tuple[tuple[Snapshot, str], ...] = ()


class Views:
    """The views of some snapshots, one catalog per snapshot.

    Attributes
    ----------
    by_path : dict
        Each view by its name, with and without the catalog.
    names : dict
        The name of each view in SQL.
    files : list of str
        The files behind them.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self.by_path: dict[Path, View] = {}
        self.names: dict[Path, str] = {}
        self.files: list[str] = []

    def add(self, catalog: str, snapshot: Snapshots) -> None:
        """Create the views of a snapshot in an existing catalog."""
        for schema, each in snapshot.schemas().items():
            self._connection.execute(f"CREATE SCHEMA {_name(catalog, schema)}")
            self._add_records(catalog, schema, each)
            for name in DATA:
                self._add_data(catalog, schema, each, name)
        for schema, error in snapshot.damaged_schemas().items():
            self._add_damaged(catalog, schema, Fault.of(error, schema.replace("_", "-")))
        self._add_unions(catalog, snapshot)

    def read(self, paths: Iterable[Path]) -> list[View]:
        """Return some views by name."""
        return [self.by_path[path] for path in sorted(paths)]

    def _add_records(self, catalog: str, schema: str, snapshot: Snapshot) -> None:
        gaps = [*damage_gaps(snapshot), *snapshot.gaps(), *snapshot.mixture_gaps()]
        lost = View(snapshot.tables.lost)
        self._add_frame(catalog, schema, "assemblies", summarize(snapshot), lost)
        self._add_frame(catalog, schema, "events", snapshot.events, lost)
        self._add_frame(catalog, schema, "gaps", to_frame(gaps), View())

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
            empty = pl.DataFrame(schema=load_schema(name).polars)
            self._add_frame(catalog, schema, name, empty, View((Fault.of(error, snapshot.name),)))
        else:
            self._register(catalog, schema, name, View(tuple(found), ((snapshot, name),)))

    def _create_data(self, schema: str, snapshot: Snapshot, table: TableVersion, ids: list[str]) -> None:
        """Create a view over the rows of some assemblies; a copy if DuckDB cannot read the files directly."""
        name = table.schema.table
        found = table.sources(ids) if table.is_local and table.is_plain else Sources([], [])
        if not found.all:
            self._create_table(f"{schema}.{name}", collect(snapshot.rows_of(table, ids)))
            return
        try:
            self._connection.execute(view(schema, snapshot, name, found, ids))
        except duckdb.Error as error:
            raise OSError(str(error)) from error
        self.files += found.all

    def _add_damaged(self, catalog: str, schema: str, fault: Fault) -> None:
        """Create empty views for an experiment that cannot be read, and one gap that says why."""
        self._connection.execute(f"CREATE SCHEMA {_name(catalog, schema)}")
        frames = {name: load_schema(name).polars for name in DATA} | {
            "assemblies": pl.Schema(SUMMARY_COLUMNS),
            "events": load_schema("assemblies").polars,
        }
        for name, columns in frames.items():
            self._add_frame(catalog, schema, name, pl.DataFrame(schema=columns), View((fault,)))
        self._add_frame(catalog, schema, "gaps", to_frame([Gap("", str(fault))]), View())

    def _add_unions(self, catalog: str, snapshot: Snapshots) -> None:
        self._connection.execute(f"CREATE SCHEMA {_name(catalog, UNION)}")
        columns = {
            "results": load_schema(RESULTS).polars,
            "assemblies": pl.Schema(SUMMARY_COLUMNS),
            "gaps": pl.Schema(GAP_COLUMNS),
        }
        folders = snapshot.folders()
        for name in UNION_VIEWS:
            members = {
                schema: folder
                for schema, folder in folders.items()
                if (catalog, schema, name) in self.by_path
            }
            selects = [_member(_name(catalog, schema, name), folder) for schema, folder in members.items()]
            of_each = [self.by_path[catalog, schema, name] for schema in members]
            union = View(
                tuple(fault for each in of_each for fault in each.faults),
                tuple(read for each in of_each for read in each.reads),
            )
            if selects:
                text = " UNION ALL BY NAME ".join(selects)
                self._connection.execute(f"CREATE VIEW {_name(catalog, UNION, name)} AS {text}")
                self._register(catalog, UNION, name, union)
            else:
                empty = pl.DataFrame(
                    schema={"experiment": pl.String(), "version": pl.String(), **columns[name]}
                )
                self._add_frame(catalog, UNION, name, empty, union)

    def _add_frame(self, catalog: str, schema: str, name: str, frame: pl.DataFrame, known: View) -> None:
        self._create_table(_name(catalog, schema, name), frame)
        self._register(catalog, schema, name, known)

    def _create_table(self, name: str, frame: pl.DataFrame) -> None:
        self._connection.register("incoming", frame.to_arrow())
        self._connection.execute(f"CREATE TABLE {name} AS FROM incoming")
        self._connection.unregister("incoming")

    def _register(self, catalog: str, schema: str, name: str, known: View) -> None:
        paths = [(catalog, schema, name), *([(schema, name)] if catalog == MAIN else [])]
        for path in paths:
            self.by_path[path] = known
            self.names[path] = ".".join(map(readable_name, path))


def read_through(file: str) -> None:
    """Read all rows of a Parquet file, as DuckDB does.

    Raises
    ------
    OSError
        If it cannot.
    """
    if not is_local(file):  # polars reads S3
        return
    with duckdb.connect() as connection:
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


def _member(view: str, folder: str) -> str:
    """Return the part of a union that selects the rows of one experiment."""
    _, version, experiment = folder.split("_", 2)
    return f"SELECT {string_literal(experiment)} AS experiment, {string_literal(version)} AS version, * FROM {view}"
