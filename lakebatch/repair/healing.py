"""What is healed of an experiment, in which order, and how it is recorded."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from lakebatch.assembly import Assembly, latest
from lakebatch.delta import Table
from lakebatch.deltalog import fault_of
from lakebatch.doctor.bundles import damaged_bundles
from lakebatch.doctor.lineage import Group
from lakebatch.doctor.rows import KEYS
from lakebatch.doctor.table import FRAMES, ExaminedTable
from lakebatch.doctor.tables import examined_tables, tagged_versions
from lakebatch.errors import DamageWarning, LakebatchError
from lakebatch.frames.table import FrameTable
from lakebatch.repair import doubled
from lakebatch.repair.computing import Computed, check_computable, computed
from lakebatch.repair.contents import Contents
from lakebatch.repair.logs import heal_log
from lakebatch.repair.outcome import COLUMNS, CannotHealError, Outcome, State, to_frame
from lakebatch.repair.placing import place
from lakebatch.repair.recovery import Recovery
from lakebatch.stored import StoredExperiment

__all__ = ["COLUMNS", "heal", "to_frame"]

EVENTS = "assemblies"
AT_WORK = "a process works on the assembly; repeat the command when it has ended"
FROM_FILES = "from other files of the table and copies in its log"


@dataclass(frozen=True, eq=False)
class Case:
    """The damaged files of one commit."""

    recovery: Recovery
    group: Group
    paths: Sequence[str]

    @property
    def table(self) -> ExaminedTable:
        """The table that they are of."""
        return self.recovery.contents.table

    def outcomes(self, state: State, how: str) -> Iterator[Outcome]:
        """Yield what became of each file."""
        for path in self.paths:
            what = f"{self.table.locate(path)} {self.recovery.contents.damaged[path]}"
            yield Outcome(state, self.table.path, what, how)

    @property
    def places(self) -> set[str]:
        """Where the files are."""
        return {self.table.locate(path) for path in self.paths}


def heal(stored: StoredExperiment, *, dry_run: bool = True, jobs: int | None = None) -> Iterator[Outcome]:
    """Heal what is damaged in an experiment where that can be proven right, and yield what became of each damage.

    Data files that are lost or damaged get their rows back, from other files, from copies in the log, or computed
    anew from the assembly's record; only if the rows have the fingerprint that their commit recorded, and under the
    same path and in the same size, so that no log changes. Rows that are there twice leave the table. Checkpoints are
    written anew. Nothing that was committed once is ever dropped.

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
    def __init__(self, stored: StoredExperiment, dry_run: bool, jobs: int | None) -> None:
        self.stored = stored
        self.dry_run = dry_run
        self.jobs = jobs
        self.assemblies: dict[str, Assembly] = {}
        self._done: dict[str, list[str]] = defaultdict(list)
        self._marked: dict[str, None] = {}
        self._regained: list[pl.DataFrame] = []
        self._planned: set[str] = set()

    def carry_out(self) -> Iterator[Outcome]:
        tables = examined_tables(self.stored)
        if refused := list(_refused(tables)):
            yield from refused
            return
        for table in tables.values():
            for outcome in heal_log(table, dry_run=self.dry_run):
                self._note_table(outcome, table.name)
                yield outcome
        for name in KEYS.keys() & tables.keys():
            yield from self._unpartitioned(tables[name])
        self.assemblies = self._recorded()
        data = [table for name, table in tables.items() if name not in KEYS]
        for table in data:
            table.keep(self._tagged(table.name))
        yield from self._data_files(data)
        yield from self._doubled()
        yield from self._bundles()
        if not self.dry_run:
            yield from self._record()

    def _recorded(self) -> dict[str, Assembly]:
        """Return the assemblies by their ids, also those whose events would be healed."""
        try:
            events = pl.concat([self.stored.log.events(), *self._regained], how="diagonal")
            known = events.unique(KEYS[EVENTS])
            return {each.assembly_id: each for each in latest(known, self.stored.log.leases())}
        except LakebatchError:
            return {}

    def _tagged(self, table: str) -> list[int]:
        try:
            return tagged_versions(self.stored, table)
        except LakebatchError:
            return []

    def _unpartitioned(self, table: ExaminedTable) -> Iterator[Outcome]:
        """Put back files of events or tags."""
        contents = Contents(table)
        recovery = Recovery(contents, None)
        for group, paths in contents.damaged_groups():
            for outcome in self._healed(Case(recovery, group, paths), None):
                self._note_table(outcome, table.name)
                yield outcome

    def _data_files(self, tables: Sequence[ExaminedTable]) -> Iterator[Outcome]:
        contents = [Contents(table) for table in tables]
        damaged: dict[str | None, None] = {}
        for each in contents:
            damaged |= dict.fromkeys(group.files[0].assembly_id for group, _ in each.damaged_groups())
        for assembly_id in damaged:
            yield from self._assembly(assembly_id, contents)

    def _assembly(self, assembly_id: str | None, contents: Sequence[Contents]) -> Iterator[Outcome]:
        recoveries = [Recovery(each, assembly_id) for each in contents]
        cases = [
            Case(recovery, group, paths)
            for recovery in recoveries
            for group, paths in recovery.contents.damaged_groups()
            if group.files[0].assembly_id == assembly_id
        ]
        assembly = self.assemblies.get(assembly_id or "")
        if assembly is not None and assembly.is_worked_on():
            yield from (outcome for case in cases for outcome in case.outcomes("left alone", AT_WORK))
            return
        for outcome in self._cases(cases, assembly, recoveries):
            if outcome.state == "healed":
                self._done[assembly_id or ""].append(outcome.subject.rpartition("/")[2])
            yield outcome

    def _cases(
        self, cases: Sequence[Case], assembly: Assembly | None, recoveries: Sequence[Recovery]
    ) -> Iterator[Outcome]:
        """Heal first what is there in other files, then what has to be computed."""
        to_compute: dict[Case, list[str]] = {}
        for case in cases:
            try:
                lacking = case.recovery.lacking(case.group)
                parts = [_part(each) for each in lacking]
            except CannotHealError as error:
                yield from case.outcomes("stays damaged", str(error))
                continue
            if parts:
                to_compute[case] = parts
            else:
                yield from self._healed(case, None)
        if to_compute:
            yield from self._computed(to_compute, assembly, recoveries)

    def _computed(
        self, cases: dict[Case, list[str]], assembly: Assembly | None, recoveries: Sequence[Recovery]
    ) -> Iterator[Outcome]:
        parts = list(dict.fromkeys(part for each in cases.values() for part in each))

        def times(part: str) -> datetime | None:
            return next((at for each in recoveries if (at := _committed_at(each, part))), None)

        try:
            if assembly is None:
                raise CannotHealError(
                    "no event of its assembly can be read, from which it would be computed anew"
                )
            if self.dry_run:
                check_computable(self.stored, assembly, parts)
                for case, own in cases.items():
                    self._planned |= case.places
                    yield from case.outcomes("can be healed", _computing(own))
                return
            with computed(self.stored, assembly, parts, times, self.jobs) as anew:
                for case in cases:
                    yield from self._healed(case, anew, _computing(cases[case]))
        except CannotHealError as error:
            for case in cases:
                yield from case.outcomes("stays damaged", str(error))

    def _healed(self, case: Case, anew: Computed | None, how: str = FROM_FILES) -> Iterator[Outcome]:
        """Put the files of one commit back, and yield what became of them."""

        def compute(group: Group) -> pl.DataFrame:
            if anew is None:
                raise CannotHealError("its rows are neither in other files nor in its commit")
            return anew.rows(group, case.table.schema)

        try:
            files = case.recovery.files(case.group, compute)
            if self.dry_run:
                self._planned |= case.places
                self._regained += files.values() if case.table.name == EVENTS else ()
            else:
                for path, rows in files.items():
                    place(case.table, case.table.references[path], rows)
        except LakebatchError as error:
            yield from case.outcomes("stays damaged", str(error))
        else:
            yield from case.outcomes("can be healed" if self.dry_run else "healed", how)

    def _doubled(self) -> Iterator[Outcome]:
        """Take out rows that are there twice, of tables as they are by now."""
        for name, table in examined_tables(self.stored).items():
            if not table.log.is_whole:
                continue
            due = [
                each for each in table.lineage.surpluses if each.until is None and each.rows > each.expected
            ]
            found = [
                (each.assembly_id, f"{each.rows} rows where its commits brought {each.expected}")
                for each in due
            ]
            if name in KEYS and not found:
                found = list(self._doubled_keys(table))
            contents = Contents(table) if found else None
            for assembly_id, what in found:
                assert contents is not None
                yield self._single(contents, assembly_id, what)

    def _doubled_keys(self, table: ExaminedTable) -> Iterator[tuple[None, str]]:
        try:
            rows = self.stored.table(table.name).at().scan().collect()
        except (LakebatchError, pl.exceptions.PolarsError, OSError):
            return
        if count := int(rows.is_duplicated().sum()):
            yield None, f"{count} rows where {rows.unique().height} differ"

    def _single(self, contents: Contents, assembly_id: str | None, what: str) -> Outcome:
        table = contents.table
        subject = table.path
        what = f"{assembly_id} has {what}" if assembly_id else f"there are {what}"
        assembly = self.assemblies.get(assembly_id or "")
        if assembly is not None and assembly.is_worked_on():
            return Outcome("left alone", subject, what, AT_WORK)
        damaged = {table.locate(path) for path in doubled.damaged_files(contents, assembly_id)}
        if self.dry_run and damaged and damaged <= self._planned:
            return Outcome("can be healed", subject, what, "each row left as often as it was committed")
        try:
            rows = doubled.single_rows(contents, assembly_id)
            how = f"each row left as often as it was committed: {rows.height} rows"
            if self.dry_run:
                return Outcome("can be healed", subject, what, how)
            doubled.leave(self._table(table.name), contents, assembly_id, rows)
        except LakebatchError as error:
            return Outcome("stays damaged", subject, what, str(error))
        if assembly_id is None:
            self._marked[table.name] = None
        else:
            self._done[assembly_id].append(f"{table.name} (doubled rows)")
        return Outcome("healed", subject, what, how)

    def _table(self, name: str) -> Table:
        if name.startswith(f"{FRAMES}/"):
            return FrameTable(self.stored.storage, self.stored.folder, name.removeprefix(f"{FRAMES}/")).table
        return self.stored.table(name)

    def _bundles(self) -> Iterator[Outcome]:
        subject = f"{self.stored.folder}/bundles"
        try:
            damaged = list(damaged_bundles(self.stored))
        except LakebatchError:
            return
        for name, what in damaged:
            if not self.dry_run:
                self.stored.storage.remove(f"{self.stored.results.bundle_folder}/{name}")
            yield Outcome(
                "can be healed" if self.dry_run else "healed", subject, what, "removed: it only repeats rows"
            )

    def _note_table(self, outcome: Outcome, name: str) -> None:
        if outcome.state == "healed":
            self._marked[name] = None

    def _record(self) -> Iterator[Outcome]:
        """Record what was healed: with each assembly an event, of tables of no single one a commit."""
        try:
            for assembly_id, tables in sorted(self._done.items()):
                self._record_assembly(assembly_id, tables)
            for name in self._marked:
                self._table(name).mark({"lakebatch.event": "repaired"})
        except LakebatchError as error:
            yield Outcome(
                "stays damaged", self.stored.folder, "what was healed could not be recorded", str(error)
            )

    def _record_assembly(self, assembly_id: str, tables: Sequence[str]) -> None:
        counts = {name: tables.count(name) for name in tables}
        named = (f"{name} ({count} files)" if count > 1 else name for name, count in counts.items())
        text = f"repaired: {', '.join(named)}"
        assembly = self._recorded().get(assembly_id)
        if assembly is None:
            self.stored.results.mark({"lakebatch.event": "repaired", "lakebatch.assembly_id": assembly_id})
            return
        rows = self.stored.results.at().rows_by_assembly().get(assembly_id, 0)
        self.stored.note(assembly, text, rows=rows)


def _refused(tables: dict[str, ExaminedTable]) -> Iterator[Outcome]:
    """Yield the files of logs that an engine could read without end; nothing is opened beside them."""
    for table in tables.values():
        for file in table.log.files:
            if what := fault_of(file):
                where = table.locate(f"_delta_log/{file.path}")
                how = "Move it away, or put the file that it stands for back; nothing was healed."
                yield Outcome("stays damaged", table.path, f"{where} {what}", how)


def _part(group: Group) -> str:
    if group.part is None:
        raise CannotHealError(
            "its rows are neither in other files nor in its commit, and no part of a run gave them"
        )
    return group.part


def _computing(parts: Sequence[str]) -> str:
    return f"computed anew: part{'s' if len(parts) > 1 else ''} {', '.join(parts)}"


def _committed_at(recovery: Recovery, part: str) -> datetime | None:
    """Return when a part was committed, where a table still holds rows of it; all of a part have one time."""
    for group in recovery.lineage.originals(recovery.assembly_id):
        rows = recovery.present(group) if group.part == part else None
        if rows is not None and rows.height:
            at = rows["recorded_at"][0]
            return at if isinstance(at, datetime) else None
    return None
