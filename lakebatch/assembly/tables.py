"""The tables of one experiment in a lake, by name."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property

from lakebatch.assembly.events import AssemblyLog
from lakebatch.assembly.tags import TagLog
from lakebatch.errors import ConfigError
from lakebatch.ids import NAME, NUMBER, VERSION, check_name
from lakebatch.storage import Storage
from lakebatch.storage.delta.cache import TableCache
from lakebatch.storage.delta.schema import load_schema
from lakebatch.storage.delta.table import Table

FOLDER = re.compile(
    rf"(?P<number>{NUMBER.pattern})_(?P<version>{VERSION.pattern})_(?P<name>{NAME.pattern})", re.ASCII
)
RESULTS = "results"
FRAMES = "frames"
"""The folder of an experiment in which frames have one table per name."""
DATA = (RESULTS, "samples", "trajectories")
"""The tables that parts write, of which each that was never written to is missing."""


class ExperimentTables:
    """The folder of one experiment and the tables in it.

    Parameters
    ----------
    cache : TableCache, optional
        The states of the lake's tables that were read before.

    Attributes
    ----------
    other_versions : tuple of str
        Folders of other versions of the experiment, where it was asked for by its name alone.
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

    def claim_version(self, assembly_id: str) -> None:
        """See that the results have a version that no event has recorded, so that what is recorded next changes none."""
        seen = self.log.events()["results_version"].to_list()
        if max(seen, default=-1) >= self.results.version():
            self.results.mark({"lakebatch.assembly_id": assembly_id})

    def table(self, name: str) -> Table:
        """Return one of the experiment's tables by name, always the same one: it keeps what it has read of its log."""
        if name not in self._tables:
            self._tables[name] = Table(self.storage, self.folder, load_schema(name), self._cache)
        return self._tables[name]

    def frames(self, name: str) -> Table:
        """Return the table of the frames that were saved under a name."""
        return frames_table(self.storage, self.folder, name)

    def check_folders(self, names: Iterable[str], assembly_id: str | None = None) -> None:
        """Raise `StorageError` unless one can commit to some of the tables, and add to an assembly if one is named."""
        self.storage.check_folders(
            folder for name in names for folder in self.table(name).folders(assembly_id)
        )

    def exists(self) -> bool:
        """Whether anything was ever started here, or has left rows."""
        return self.log.table.exists() or (
            self.results.exists() and bool(self.results.at().rows_by_assembly())
        )


def frames_table(storage: Storage, folder: str, name: str) -> Table:
    """Return the table of the frames of an experiment that were saved under a name."""
    return Table(storage, f"{folder}/{FRAMES}", replace(load_schema(FRAMES), table=name))
