"""The files of one assembly in the tables of its experiment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from lakebatch.assembly.purges import PurgedTable
from lakebatch.assembly.tables import RESULTS, ExperimentTables
from lakebatch.errors import AssemblyError, StorageError
from lakebatch.maintenance.links import find_link
from lakebatch.maintenance.tables import frame_tables
from lakebatch.storage.delta import bundles, damage
from lakebatch.storage.delta.commit_metadata import fingerprint
from lakebatch.storage.delta.removal import own_files
from lakebatch.storage.delta.table import Table
from lakebatch.storage.delta.version import DataFile, TableVersion
from lakebatch.storage.place import StoredFile


@dataclass(frozen=True)
class Holding:
    """The files of one assembly in one table.

    Attributes
    ----------
    stored : tuple of StoredFile
        The files in the assembly's partition, by paths below the lake: also those that only past versions need, and those
        of no version.
    """

    name: str
    table: Table
    assembly_id: str
    stored: tuple[StoredFile, ...]

    @cached_property
    def state(self) -> TableVersion:
        """The newest state of the table."""
        return self.table.at()

    @cached_property
    def active(self) -> list[DataFile]:
        """The files that the newest version has."""
        return own_files(self.state, self.assembly_id)

    @property
    def rows(self) -> int:
        """The rows in the newest version."""
        return sum(each.rows for each in self.active)

    @property
    def bytes(self) -> int:
        """The bytes of all files."""
        return sum(each.size for each in self.stored)

    def is_empty(self) -> bool:
        """Whether nothing is left."""
        return not self.stored and not self.active

    def summary(self) -> PurgedTable:
        """Return what would be lost; all rows are read for their fingerprint."""
        return PurgedTable(
            len(self.stored), self.rows, self.bytes, stable_fingerprint(self.state, self.assembly_id)
        )


def holdings(experiment: ExperimentTables, assembly_id: str) -> list[Holding]:
    """Return the files of an assembly in every table, those of the results first; also empty holdings.

    Raises
    ------
    AssemblyError
        If a table, or the assembly's folder in it, is a link, through which nothing is removed.
    """
    return [_holding(name, table, assembly_id) for name, table in data_tables(experiment)]


def data_tables(experiment: ExperimentTables) -> Iterator[tuple[str, Table]]:
    """Yield each table with rows of assemblies, built-in and own ones, with its name; the results first."""
    for name in (RESULTS, *(each for each in experiment.data_tables() if each != RESULTS)):
        table = experiment.table(name)
        if table.exists():
            yield name, table
    yield from frame_tables(experiment)


def _holding(name: str, table: Table, assembly_id: str) -> Holding:
    folder = f"{table.path}/assembly_id={assembly_id}"
    if link := find_link(table.storage, folder):
        raise AssemblyError(
            f"{link} is a link, and nothing is removed through one. Put the folder itself in its place, then try again."
        )
    files = (replace(file, path=f"{folder}/{file.path}") for file in table.storage.files(folder))
    return Holding(name, table, assembly_id, tuple(files))


def bundles_of(experiment: ExperimentTables, assembly_id: str) -> list[StoredFile]:
    """Return the bundles, valid or stale, that may repeat rows of an assembly, by paths below the lake."""
    folder = experiment.results.bundle_folder
    found = []
    for file in experiment.storage.files(folder):
        match = bundles.NAME.fullmatch(file.path)
        if match and match[1] <= assembly_id <= match[2]:
            found.append(replace(file, path=f"{folder}/{file.path}"))
    return found


def stable_fingerprint(state: TableVersion, assembly_id: str) -> str | None:
    """Return the fingerprint of an assembly's rows without volatile columns; None if they cannot be read.

    The same computation with the same seed gives the same fingerprint.
    """
    volatile = [name for name, column in state.described_columns.items() if column.volatile]
    files = own_files(state, assembly_id)
    if not files:
        return None
    try:
        return fingerprint(state.read_file(file).drop(volatile, strict=False) for file in files)
    except (*damage.READ_ERRORS, StorageError):
        return None
