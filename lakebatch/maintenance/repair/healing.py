"""What is healed of an experiment, and in which order."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import polars as pl

from lakebatch.assembly.record import Assembly, latest
from lakebatch.assembly.tables import FRAMES, ExperimentTables
from lakebatch.errors import DamageWarning, LakebatchError
from lakebatch.maintenance.doctor.bundles import damaged_bundles
from lakebatch.maintenance.doctor.rows import KEYS
from lakebatch.maintenance.doctor.table import ExaminedTable
from lakebatch.maintenance.doctor.tables import examined_tables, tagged_versions
from lakebatch.maintenance.repair import doubled
from lakebatch.maintenance.repair.contents import Contents
from lakebatch.maintenance.repair.doubled import Doubled
from lakebatch.maintenance.repair.files import FileRepair
from lakebatch.maintenance.repair.history import History
from lakebatch.maintenance.repair.logs import heal_log
from lakebatch.maintenance.repair.outcome import AT_WORK, Outcome, State
from lakebatch.storage.delta.log import FOLDER, fault_of
from lakebatch.storage.delta.table import Table

EVENTS = "assemblies"
MOVE_AWAY = "Put the file back that it stands for, or move it away; nothing was healed."


def heal(stored: ExperimentTables, *, dry_run: bool = True, jobs: int | None = None) -> Iterator[Outcome]:
    """Heal what is damaged in an experiment where that can be proven right, and yield what became of each damage.

    Data files that are lost or damaged get their rows back, from other files, from copies in the log, or computed
    anew from the assembly's record; only if the rows have the fingerprint that their commit recorded, and under the
    same path and in the same size, so that no log changes. Rows that are there several times leave the table.
    Checkpoints are written anew. Nothing that was committed once is ever dropped.

    Parameters
    ----------
    dry_run : bool
        Only say what would be done; nothing is computed.
    jobs : int, optional
        Worker processes that compute; all processors by default.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DamageWarning)  # which says what is yielded here
        yield from _Healing(stored, dry_run, jobs).carry_out()


class _Healing:
    def __init__(self, stored: ExperimentTables, dry_run: bool, jobs: int | None) -> None:
        self.stored = stored
        self.dry_run = dry_run
        self.files = FileRepair(stored, dry_run, jobs, [])
        self.history = History(stored)

    def carry_out(self) -> Iterator[Outcome]:
        tables = examined_tables(self.stored)
        if refused := list(_refused(tables)):
            yield from refused
            return
        yield from self.history.noted(self._all(tables))
        if not self.dry_run:
            yield from self.history.record()

    def _all(self, tables: dict[str, ExaminedTable]) -> Iterator[Outcome]:
        """Heal logs before all that is read by them, and events before what is computed from them."""
        for table in tables.values():
            yield from heal_log(table, dry_run=self.dry_run)
        contents = {name: Contents(tables[name]) for name in KEYS if name in tables}
        for each in contents.values():
            yield from self.files.unpartitioned(each)
        assemblies = self._assemblies(contents.get(EVENTS))
        data = [table for name, table in tables.items() if name not in KEYS]
        for table in data:
            table.keep(self._tagged(table.name))
        yield from self.files.partitioned([Contents(table) for table in data], assemblies)
        for name, table in examined_tables(self.stored).items():
            for found in doubled.find(table):
                yield self._single(name, found, assemblies)
        yield from self._bundles()

    def _assemblies(self, events: Contents | None) -> dict[str, Assembly]:
        """Return the assemblies by their ids, also those whose events were put back, or would be."""
        if events is None:
            return {}
        frames = [frame for frame in (*events.whole_rows(), *self.files.regained) if "event" in frame.columns]
        if not frames:
            return {}
        known = pl.concat(frames, how="diagonal").unique(KEYS[EVENTS])
        try:
            return {each.assembly_id: each for each in latest(known, self.stored.log.leases())}
        except LakebatchError:  # as of ids that are none; the doctor names them
            return {}

    def _tagged(self, table: str) -> list[int]:
        try:
            return tagged_versions(self.stored, table)
        except LakebatchError:
            return []

    def _single(self, name: str, found: Doubled, assemblies: dict[str, Assembly]) -> Outcome:
        """Leave rows that are there several times as often as they were committed."""
        assembly = assemblies.get(found.assembly_id or "")
        how = "each row left as often as it was committed"
        if assembly is not None and assembly.is_worked_on():
            return found.outcome("left alone", AT_WORK)
        if self.dry_run and found.damaged and self.history.has_planned(found.damaged):
            return found.outcome("can be healed", how)
        try:
            rows = doubled.single_rows(found.contents, found.assembly_id)
            if not self.dry_run:
                doubled.leave(self._table(name), found.contents, found.assembly_id, rows)
        except LakebatchError as error:
            return found.outcome("stays damaged", str(error))
        return found.outcome("can be healed" if self.dry_run else "healed", how)

    def _table(self, name: str) -> Table:
        if name.startswith(f"{FRAMES}/"):
            return self.stored.frames(name.removeprefix(f"{FRAMES}/"))
        return self.stored.table(name)

    def _bundles(self) -> Iterator[Outcome]:
        """Remove bundles that cannot be relied on."""
        try:
            damaged = list(damaged_bundles(self.stored))
        except LakebatchError:
            return
        for name, what in damaged:
            if not self.dry_run:
                self.stored.storage.remove(f"{self.stored.results.bundle_folder}/{name}")
            state: State = "can be healed" if self.dry_run else "healed"
            yield Outcome(state, self.stored.folder, what, "removed: it only repeats rows")


def _refused(tables: dict[str, ExaminedTable]) -> Iterator[Outcome]:
    """Yield the files of logs that an engine could read without end; nothing is opened beside them."""
    for table in tables.values():
        for file in table.log.files:
            if what := fault_of(file):
                where = table.locate(f"{FOLDER}/{file.path}")
                yield Outcome("stays damaged", table.path, f"{where} {what}", MOVE_AWAY, where)
