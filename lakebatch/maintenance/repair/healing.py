"""The repair of an experiment: logs, then events and tags, then data files, doubled rows and bundles."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterator

import polars as pl

from lakebatch.assembly.record import Assembly, latest
from lakebatch.assembly.tables import FRAMES, PUBLISHED, ExperimentTables
from lakebatch.errors import DamageWarning, LakebatchError, StorageError
from lakebatch.maintenance import published
from lakebatch.maintenance.inspection.rows import KEYS, damaged_bundles
from lakebatch.maintenance.inspection.table import InspectedTable
from lakebatch.maintenance.inspection.tables import inspected_tables, tagged_versions
from lakebatch.maintenance.repair import doubled, foreign
from lakebatch.maintenance.repair.contents import Contents
from lakebatch.maintenance.repair.doubled import Doubled
from lakebatch.maintenance.repair.files import FileRepair
from lakebatch.maintenance.repair.history import History
from lakebatch.maintenance.repair.logs import heal_log
from lakebatch.maintenance.repair.outcome import AT_WORK, Outcome, healed
from lakebatch.storage.delta.log import FOLDER, READABLE, fault_of
from lakebatch.storage.delta.table import Table

EVENTS = "assemblies"
MOVE_AWAY = "Put the real file back, or move this away; nothing was healed."


def heal(stored: ExperimentTables, *, dry_run: bool = True, jobs: int | None = None) -> Iterator[Outcome]:
    """Heal the damage in an experiment where the result can be proven right, and yield the outcome of each damage.

    Lost or damaged data files are written again under the same path and in the same size, so that no log changes.
    Their rows come from other files, from copies in the log, or from a new computation by the assembly's record, and
    must have the fingerprint that their commit recorded. Repetitions of rows leave the table. Checkpoints are written
    again. Nothing that was committed once is ever dropped.

    Parameters
    ----------
    dry_run : bool
        Only yield what would be done; nothing is computed.
    jobs : int, optional
        Number of worker processes; by default one per processor.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DamageWarning)  # the outcomes name the same damage
        yield from _Healing(stored, dry_run, jobs).run()


class _Healing:
    def __init__(self, stored: ExperimentTables, dry_run: bool, jobs: int | None) -> None:
        self.stored = stored
        self.dry_run = dry_run
        self.files = FileRepair(stored, dry_run, jobs, [])
        self.history = History(stored)

    def run(self) -> Iterator[Outcome]:
        try:
            tables = inspected_tables(self.stored)
        except StorageError as error:
            yield Outcome("stays damaged", self.stored.folder, str(error), READABLE)
            return
        if refused := list(_refused(tables)):
            yield from refused
            return
        try:
            yield from self.history.collect(self._all(tables))
        except BaseException:  # also Ctrl-C in a long computation
            self._record_so_far()
            raise
        if not self.dry_run:
            yield from self.history.record()
        yield from self._published()

    def _record_so_far(self) -> None:
        """Record what was healed before an error, which matters more than a fault in recording."""
        if not self.dry_run:
            list(self.history.record())

    def _all(self, tables: dict[str, InspectedTable]) -> Iterator[Outcome]:
        """Heal logs first, since all else is read through them, and events before parts that are computed from them."""
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
        yield from self._foreign()
        for name, table in inspected_tables(self.stored).items():
            for found in doubled.find(table):
                yield self._heal_doubled(name, found, assemblies)
            yield from _taken_out(table)
        yield from self._bundles()

    def _foreign(self) -> Iterator[Outcome]:
        """Undo what other programs changed in the tables."""
        for name, table in inspected_tables(self.stored).items():
            yield from foreign.heal(table, self._table(name), self._is_planned, dry_run=self.dry_run)

    def _is_planned(self, places: Collection[str]) -> bool:
        return self.dry_run and self.history.has_planned(places)

    def _assemblies(self, events: Contents | None) -> dict[str, Assembly]:
        """Return the assemblies by their ids, from whole files of events and from healed ones."""
        if events is None:
            return {}
        frames = [each for each in (events.whole_rows(), *self.files.healed_rows) if "event" in each.columns]
        if not frames:
            return {}
        known = pl.concat(frames, how="diagonal").unique(KEYS[EVENTS])
        try:
            return {each.assembly_id: each for each in latest(known, self.stored.log.leases())}
        except LakebatchError:  # such as an invalid id, which the doctor names
            return {}

    def _tagged(self, table: str) -> list[int]:
        try:
            return tagged_versions(self.stored, table)
        except LakebatchError:
            return []

    def _heal_doubled(self, name: str, found: Doubled, assemblies: dict[str, Assembly]) -> Outcome:
        """Remove the repetitions of rows."""
        assembly = assemblies.get(found.assembly_id or "")
        how = "each row left as often as it was committed"
        if assembly is not None and assembly.is_worked_on():
            return found.outcome("left alone", AT_WORK)
        if self.dry_run and found.damaged and self.history.has_planned(found.damaged):
            return found.outcome("can be healed", how)
        try:
            rows = doubled.single_rows(found)
            if not self.dry_run:
                doubled.replace_rows(self._table(name), found, rows)
        except LakebatchError as error:
            return found.outcome("stays damaged", str(error))
        return found.outcome(healed(self.dry_run), how)

    def _table(self, name: str) -> Table:
        if name.startswith(f"{FRAMES}/"):
            return self.stored.frames(name.removeprefix(f"{FRAMES}/"))
        return self.stored.table(name)

    def _published(self) -> Iterator[Outcome]:
        """Bring the published table to the rows of the dataset."""
        try:
            what = published.heal(self.stored, dry_run=self.dry_run)
        except LakebatchError:  # what keeps it from being made is an outcome of its own
            return
        if what is not None:
            folder = f"{self.stored.folder}/{PUBLISHED}"
            yield Outcome(healed(self.dry_run), folder, what, "its rows are taken from the results again")

    def _bundles(self) -> Iterator[Outcome]:
        """Remove damaged bundles."""
        try:
            damaged = list(damaged_bundles(self.stored))
        except LakebatchError:
            return
        for name, what in damaged:
            if not self.dry_run:
                self.stored.storage.remove(f"{self.stored.results.bundle_folder}/{name}")
            yield Outcome(healed(self.dry_run), self.stored.folder, what, "removed: it only repeats rows")


def _taken_out(table: InspectedTable) -> Iterator[Outcome]:
    """Yield the assemblies with fewer rows than their commits added, as after a restore by another tool."""
    undone = {each.assembly_id for each in foreign.find(table)}
    for each in table.lineage.open_surpluses if table.log.is_whole else ():
        if each.rows < each.expected and each.assembly_id not in undone:
            what = (
                f"{each.assembly_id or 'the table'} has {each.rows} rows, its commits brought {each.expected}"
            )
            how = (
                f"version {each.since} took rows out; take version {each.since - 1} back with the tool that did so, or use "
                "a backup"
            )
            yield Outcome("stays damaged", table.path, what, how, "", each.assembly_id, each.rows)


def _refused(tables: dict[str, InspectedTable]) -> Iterator[Outcome]:
    """Yield what lies in a log and is no file, since an engine could read it without end; no table is opened then."""
    for table in tables.values():
        for file in table.log.files:
            if what := fault_of(file):
                where = table.locate(f"{FOLDER}/{file.path}")
                yield Outcome("stays damaged", table.path, f"{where} {what}", MOVE_AWAY, where)
