"""The tables of one experiment in a lake, by name; ``schemas/*.toml`` holds the columns of each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Self

from lakebatch._public import Public
from lakebatch.assembly import versions
from lakebatch.assembly.events import AssemblyLog
from lakebatch.assembly.sources import SourceLog
from lakebatch.assembly.sweeps import SweepLog
from lakebatch.assembly.tags import TagLog
from lakebatch.columns import DATA, STAMPED, Column
from lakebatch.columns import NAME as TABLE_NAME
from lakebatch.errors import ConfigError, SchemaError, StorageError
from lakebatch.ids import FOLDER, check_name
from lakebatch.storage import Storage
from lakebatch.storage.delta.schema import TableSchema, load_schema, table_names
from lakebatch.storage.delta.table import Table
from lakebatch.storage.delta.table_cache import TableCache

RESULTS = "results"
FRAMES = "frames"
"""Folder in an experiment's folder that has one table per name of saved frames."""
SAMPLES = "samples"
PUBLISHED = "published"
PUBLISHED_ROWS = (
    "Results of all completed assemblies and one column per config key, such as config_cohort_n_samples; derived, and "
    "made again by lakebatch optimize."
)
"""The table that is derived from the results of completed assemblies, see `lakebatch.maintenance.published`."""


class ExperimentTables(Public):
    """The folder of one experiment and the tables in it.

    Parameters
    ----------
    cache : TableCache, optional
        The states of the lake's tables that were read before.

    Attributes
    ----------
    other_versions : tuple of str
        The other experiment versions, as NAME@v1, if the experiment was chosen by name alone.
    """

    def __init__(self, storage: Storage, folder: str, cache: TableCache | None = None) -> None:
        match = FOLDER.fullmatch(folder)
        if match is None:
            raise ConfigError(
                f"{folder!r} is not an experiment's folder. Expected e.g. 03_v1_response-noise."
            )
        self.storage = storage
        self.folder = folder
        self.name = check_name(match["name"])
        self.number = match["number"]
        self.experiment_version = match["version"]
        self.other_versions: tuple[str, ...] = ()
        self._tables: dict[str, Table] = {}
        self._cache = cache or TableCache()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.storage.join(self.folder)!r})"

    @cached_property
    def reference(self) -> str:
        """The shortest name that opens the experiment: NAME for the newest experiment version, else NAME@v1."""
        return versions.shortest(self.lake_folders())[self.folder]

    def sibling(self, name: str) -> Self:
        """Return the experiment version of this experiment that NAME@v1, or its folder, names.

        Raises
        ------
        UnknownNameError
            If there is none.
        """
        return type(self)(self.storage, versions.find(name, self.lake_folders())[-1], self._cache)

    def lake_folders(self) -> set[str]:
        """Return the folders of all experiments in the lake."""
        return {self.folder, *(each for each in self.storage.folders() if FOLDER.fullmatch(each))}

    @cached_property
    def results(self) -> Table:
        """The table of results."""
        return self.table(RESULTS)

    @cached_property
    def log(self) -> AssemblyLog:
        """The events of the assemblies."""
        return AssemblyLog(self.table("assemblies"))

    @cached_property
    def tag_log(self) -> TagLog:
        """The tags."""
        return TagLog(self.table("tags"))

    @cached_property
    def sweep_log(self) -> SweepLog:
        """The sweeps."""
        return SweepLog(self.table("sweeps"))

    @cached_property
    def source_log(self) -> SourceLog:
        """The source files of the code that computed the assemblies."""
        return SourceLog(self.table("sources"))

    def claim_version(self, assembly_id: str) -> int:
        """Return the newest version of the results, after a mark if an event has recorded it, for the next event.

        So this event changes no past state.
        """
        seen = self.log.events()["results_version"].to_list()
        version = self.results.version()
        is_free = max(seen, default=-1) < version
        return version if is_free else self.results.mark({"lakebatch.assembly_id": assembly_id})

    def data_tables(self) -> tuple[str, ...]:
        """Return the names of the tables that parts write: the built-in ones, and the own ones that exist."""
        return (*DATA, *self.own_tables())

    def own_tables(self) -> tuple[str, ...]:
        """Return the names of the tables that the experiment declared, from its folder in the lake, sorted.

        A table that cannot be opened is one of them, so that the reader who asks for it learns why.
        """
        others = {*table_names(), FRAMES, PUBLISHED}
        candidates = [
            each
            for each in self.storage.folders(self.folder)
            if each not in others and TABLE_NAME.fullmatch(each)
        ]
        return tuple(each for each in candidates if self._is_own(each))

    def _is_own(self, name: str) -> bool:
        """Whether a folder is a table of own columns; without a log, whether it has partitions of assemblies."""
        table = self.table(name)
        if not table.exists():
            return any(
                each.startswith("assembly_id=") for each in self.storage.folders(f"{self.folder}/{name}")
            )
        try:
            return table.at().has_own_columns
        except (StorageError, SchemaError):
            return True

    def declare(self, schemas: Iterable[TableSchema]) -> None:
        """Write some tables with schemas that an experiment extends or declares, see `own_schema`."""
        for schema in schemas:
            self._tables[schema.table] = Table(self.storage, self.folder, schema, self._cache)

    def table(self, name: str) -> Table:
        """Return a table of the experiment by name; always the same object, which keeps its open log.

        A name that is none of lakebatch is that of an own table, whose columns the table itself describes.
        """
        if name not in self._tables:
            self._tables[name] = Table(self.storage, self.folder, table_schema(name), self._cache)
        return self._tables[name]

    def frames(self, name: str) -> Table:
        """Return the table of the frames saved under a name."""
        return frames_table(self.storage, self.folder, name)

    def check_folders(self, names: Iterable[str], assembly_id: str | None = None) -> None:
        """Raise `StorageError` unless commits to some tables, and to an assembly in them, can be made."""
        self.storage.check_folders(
            folder for name in names for folder in self.table(name).folders(assembly_id)
        )

    def exists(self) -> bool:
        """Whether the experiment has an event or a row."""
        return self.log.table.exists() or (self.results.exists() and bool(self.results.at().rows_by_assembly))


def frames_table(storage: Storage, folder: str, name: str) -> Table:
    """Return the table of an experiment's frames saved under a name."""
    return Table(storage, f"{folder}/{FRAMES}", replace(load_schema(FRAMES), table=name))


def table_schema(name: str) -> TableSchema:
    """Return the schema of a table by name; of an own one only the columns that lakebatch fills in."""
    if name == PUBLISHED:
        return published_schema()
    return load_schema(name) if name in table_names() else own_schema(name)


def published_schema(columns: Sequence[Column] = ()) -> TableSchema:
    """Return the schema of the published table; the table itself knows the columns that are not given."""
    known = tuple(columns) or tuple(
        each for each in load_schema(RESULTS).columns if each.name == "assembly_id"
    )
    return TableSchema(PUBLISHED, 1, PUBLISHED_ROWS, (), known, {}, grows=True, is_derived=True)


def own_schema(name: str, description: str = "", columns: Sequence[Column] = ()) -> TableSchema:
    """Return the schema of a table that an experiment declares; the table itself knows the columns that are not given.

    Raises
    ------
    SchemaError
        If a column is given that is filled in.
    """
    bookkeeping = {column.name: column for column in load_schema(RESULTS).columns}
    schema = TableSchema(
        name,
        1,
        description,
        ("assembly_id",),
        tuple(bookkeeping[name] for name in STAMPED),
        {name: load_schema(RESULTS).constraints[name] for name in ("assembly_id_is_set", "part_is_set")},
    )
    return schema.extended(columns, {})
