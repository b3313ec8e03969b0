"""The rows of one experiment at one moment, for some assemblies at a time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from typing import Self

import polars as pl

from lakebatch import _html
from lakebatch.assembly import metrics
from lakebatch.assembly.lease import Leases
from lakebatch.assembly.metrics import Roles
from lakebatch.assembly.record import Assembly, Include
from lakebatch.assembly.sources import Files, SourceLog
from lakebatch.assembly.sweeps import Sweep, SweepLog
from lakebatch.assembly.tables import RESULTS, table_schema
from lakebatch.errors import AssemblyError
from lakebatch.ids import FOLDER
from lakebatch.snapshot import choice
from lakebatch.snapshot.attempts import Attempts
from lakebatch.snapshot.committed_parts import CommittedParts
from lakebatch.snapshot.selection import COMPLETED, Selection
from lakebatch.snapshot.statuses import Statuses
from lakebatch.snapshot.tables import PinnedTables
from lakebatch.storage.delta import damage
from lakebatch.storage.delta.damage import Fault
from lakebatch.storage.delta.schema import TableSchema
from lakebatch.storage.delta.version import Arrange, TableVersion

COUNTED = {"assembly_id": pl.String(), "rows": pl.Int64()}


class PinnedRows(Statuses):
    """One experiment's statuses and tables, pinned at one moment; `Snapshot` makes datasets of them.

    Parameters
    ----------
    folder : str
        The experiment's folder in the lake.
    selection : Selection
        The moment, and what datasets are made of by default.
    events : frame
        The events of the selected assemblies that had been recorded by then.
    version : int
        The version of the results table at that moment.
    tables : PinnedTables
        The data tables in their newest state.
    find_parts : callable
        Returns the parts of some assemblies in the results table at the moment, as pairs of id and key.
    leases : Leases, optional
        The leases that tell whether a process on another machine is alive.
    uncertain : collection of str
        The assemblies with events that cannot be read; their rows are left out.
    other_versions : sequence of str
        Folders of other versions of the experiment, when it was selected by its name alone.
    numbers : mapping, optional
        The number of each config by its hash; by default from the events.
    attempts : Attempts, optional
        What the commits recorded of the process that computed each part.
    sources : SourceLog, optional
        The source files of the code that computed the assemblies.
    sweep_log : SweepLog, optional
        The sweeps of the experiment.
    lake_uri : str
        Where the lake lies.
    find_folders : callable, optional
        Returns the folders of all experiments in the lake.
    """

    def __init__(
        self,
        folder: str,
        selection: Selection,
        events: pl.DataFrame,
        version: int,
        *,
        tables: PinnedTables,
        find_parts: Callable[[Collection[str]], Collection[tuple[str, str]]],
        leases: Leases | None = None,
        uncertain: Collection[str] = (),
        other_versions: Sequence[str] = (),
        numbers: Mapping[str, int] | None = None,
        attempts: Attempts | None = None,
        sources: SourceLog | None = None,
        sweep_log: SweepLog | None = None,
        lake_uri: str = "",
        find_folders: Callable[[], Collection[str]] = tuple,
    ) -> None:
        super().__init__(folder, selection, events, leases, uncertain, numbers)
        self.version = version
        self.tables = tables
        self.other_versions = tuple(other_versions)
        self._find_parts = find_parts
        self.attempts = attempts
        self._sources = sources
        self._sweep_log = sweep_log
        self.lake_uri = lake_uri
        self._find_folders = find_folders
        self._committed = CommittedParts(lambda: self.not_completed, find_parts)

    def select(self, selection: Selection, *, may_be_empty: bool = False) -> Self:
        """Return the same state with only the assemblies that a selection chooses; its moment is not looked at.

        Raises
        ------
        LakebatchError
            If it chooses none, unless that may be.
        """
        ids = choice.choose(self.name, self.last_events, self.config_numbers, selection)
        if selection.narrows and not ids and not may_be_empty:
            raise choice.why_empty(self.name, self.last_events, self.config_numbers, selection)
        chosen = self._events.filter(pl.col("assembly_id").is_in(ids)) if selection.narrows else self._events
        uncertain = (self.uncertain & set(ids)) | self.without_event
        return self._like(chosen, replace(selection, moment=self.moment), uncertain)

    def with_events(self, events: pl.DataFrame) -> Self:
        """Return the same state with other texts in its events, such as those without the names of people."""
        return self._like(events, self.selection, self.uncertain)

    def _like(self, events: pl.DataFrame, selection: Selection, uncertain: Collection[str]) -> Self:
        return type(self)(
            self.folder,
            selection,
            events,
            self.version,
            tables=self.tables,
            find_parts=self._find_parts,
            leases=self.leases,
            uncertain=uncertain,
            other_versions=self.other_versions,
            numbers=self.config_numbers,
            attempts=self.attempts,
            sources=self._sources,
            sweep_log=self._sweep_log,
            lake_uri=self.lake_uri,
            find_folders=self._find_folders,
        )

    @cached_property
    def shown_name(self) -> str:
        """The name in titles: with the experiment version where the lake has several."""
        folders = [FOLDER.fullmatch(each) for each in self._find_folders()]
        several = sum(each is not None and each["name"] == self.name for each in folders) > 1
        return self.qualified_name if several else self.name

    def table(self, name: str = RESULTS) -> TableVersion | None:
        """Return one of the data tables, None if it was never written."""
        return self.tables.get(name)

    def schema(self, name: str = RESULTS) -> TableSchema:
        """Return the columns of a table: the built-in ones, and the own ones of the experiment if it was written."""
        pinned = self.table(name)
        return table_schema(name) if pinned is None else pinned.schema

    @cached_property
    def roles(self) -> Roles:
        """The metrics, the axis and the groups of the results."""
        results = self.table()
        return Roles() if results is None else metrics.roles(results.described_columns, results.properties)

    def source_files(self, source_hash: str) -> Files | None:
        """Return the source files with a source hash, by path; None if they are not recorded."""
        return None if self._sources is None else self._sources.files(source_hash)

    @cached_property
    def sweeps(self) -> list[Sweep]:
        """The sweeps at the moment, oldest first; of a past moment, as of its last event."""
        if self._sweep_log is None or (self.moment.is_past and self.events.is_empty()):
            return []
        until = self.events["at"].max() if self.moment.is_past else None
        found = self._sweep_log.all(until if isinstance(until, datetime) else None)
        chosen = [each for each in found if self.selection.sweep in (None, each.name)]
        return _html.Records(chosen, "sweeps", Sweep.row)

    def renew(self) -> bool:
        """Open the newest files of the tables, which changes no row; return whether any table has newer files."""
        return self.tables.renew()

    def faults(self, include: Include | None = None, *, table: str = RESULTS) -> list[Fault]:
        """Return the known faults in the files of the assemblies with one of these statuses."""
        return self.tables.faults(table, self.ids(include))

    def rows_of(
        self,
        pinned: TableVersion,
        ids: Collection[str],
        arranged: Arrange = lambda rows: rows,
        *,
        whole: bool = False,
    ) -> pl.LazyFrame:
        """Return the rows of some assemblies in a table, lazily, without rows later than this snapshot.

        Parameters
        ----------
        arranged : callable
            Sorts the rows of single files, see `TableVersion.scan`.
        whole : bool
            With the columns that datasets leave out, such as the contents of artifacts.
        """
        unfinished = ~pl.col("status").is_in(COMPLETED) & pl.col("assembly_id").is_in(list(ids))
        later = self.last_events.filter(unfinished)["assembly_id"].to_list()
        rows = pinned.scan(ids, arranged=arranged)
        return self._as_committed(rows if whole else rows.drop(pinned.schema.large), later)

    def _as_committed(self, rows: pl.LazyFrame, unfinished: Collection[str]) -> pl.LazyFrame:
        """Return rows without the parts of unfinished assemblies that are later than the snapshot."""
        readable = ~pl.col("assembly_id").is_in(unfinished)
        for each in unfinished:
            readable |= (pl.col("assembly_id") == each) & pl.col("part").is_in(self.committed(each))
        return rows.filter(readable) if unfinished else rows

    def check_whole(self, ids: Collection[str]) -> None:
        """Raise `AssemblyError` if the files of an assembly may hold rows later than this snapshot."""
        last = self.last_events.filter(pl.col("assembly_id").is_in(list(ids)))
        unfinished = last.filter(~pl.col("status").is_in(COMPLETED))["assembly_id"].to_list()
        if unfinished and self.moment.is_past:
            raise AssemblyError(
                f"{unfinished[0]} was not complete, {self.moment}: its files may hold later rows. "
                "Read it with reassemble or scan, or leave it out."
            )

    def computed(
        self, frame: pl.LazyFrame, assembly_ids: Collection[str] | None = None, *, table: str = RESULTS
    ) -> pl.DataFrame:
        """Return a lazy frame over one of the tables, computed; an error names the file that cannot be read."""
        with self.tables.translate_purges(assembly_ids or ()):
            return damage.read_rows(self.tables.existing(table), frame, assembly_ids)

    def rows_by_assembly(self, table: str = RESULTS) -> dict[str, int]:
        """Return the current row count of each assembly in a table, from the log alone."""
        pinned = self.table(table)
        return {} if pinned is None else pinned.rows_by_assembly

    @property
    def counted(self) -> pl.DataFrame:
        """The row count of each assembly in the results, as ``assembly_id`` and ``rows``."""
        rows = self.rows_by_assembly()
        return pl.DataFrame({"assembly_id": rows.keys(), "rows": rows.values()}, schema=COUNTED)

    def committed(self, assembly_id: str) -> list[str]:
        """Return the committed parts of an assembly that was not completed, in the order of the plan.

        Raises
        ------
        DamageError
            If they cannot be read.
        """
        return self._committed.of_unfinished(assembly_id)

    def parts_done(self, each: Assembly) -> list[str]:
        """Return the planned parts of an assembly that have rows, in the order of the plan."""
        is_completed = each.status in COMPLETED
        return self._committed.look_up(each) if is_completed else self.committed(each.assembly_id)
