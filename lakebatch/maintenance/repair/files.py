"""Repair of data files that are lost or damaged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from lakebatch.assembly.record import Assembly
from lakebatch.assembly.tables import ExperimentTables
from lakebatch.errors import LakebatchError
from lakebatch.maintenance.inspection.lineage import Group
from lakebatch.maintenance.inspection.table import InspectedTable
from lakebatch.maintenance.repair.computing import Computed, check_computable, computed
from lakebatch.maintenance.repair.contents import Contents
from lakebatch.maintenance.repair.outcome import AT_WORK, CannotHealError, Outcome, State, healed
from lakebatch.maintenance.repair.placing import place, require_place
from lakebatch.maintenance.repair.recovery import Recovery

FROM_FILES = "from other files of the table and copies in its log"
NOT_COMPUTED = "its rows are neither in other files nor in its commit, and no part of a run gave them"


@dataclass(frozen=True, eq=False)
class Case:
    """The damaged files of one commit."""

    recovery: Recovery
    group: Group
    paths: Sequence[str]

    @property
    def table(self) -> InspectedTable:
        """The table of the files."""
        return self.recovery.contents.table

    def require_places(self) -> None:
        """Raise `CannotHealError` if a file cannot be put where a log names it."""
        for path in self.paths:
            require_place(self.table, self.table.references[path])

    def outcomes(self, state: State, how: str) -> Iterator[Outcome]:
        """Yield the outcome of each file."""
        for path in self.paths:
            where, assembly_id = self.table.locate(path), self.recovery.assembly_id
            what = f"{where} {self.recovery.contents.damaged[path]}"
            yield Outcome(state, self.table.path, what, how, where, assembly_id)

    def outcomes_of(self, error: LakebatchError) -> Iterator[Outcome]:
        """Yield that the files stay damaged, with the reason and the advice."""
        advice = f" {error.advice}" if isinstance(error, CannotHealError) else ""
        return self.outcomes("stays damaged", f"{str(error).rstrip('.')}.{advice}")


@dataclass(frozen=True)
class FileRepair:
    """The repair of data files.

    Attributes
    ----------
    healed_rows : list of frames
        Healed rows of tables without partitions; in a dry run, those that would be healed.
    """

    stored: ExperimentTables
    dry_run: bool
    jobs: int | None
    healed_rows: list[pl.DataFrame]

    def unpartitioned(self, contents: Contents) -> Iterator[Outcome]:
        """Heal the files of a table without partitions."""
        yield from contents.outcomes_out_of_reach()
        recovery = Recovery(contents, None)
        for group, paths in contents.damaged_groups(None):
            yield from self._healed(Case(recovery, group, paths), None)

    def partitioned(
        self, contents: Sequence[Contents], assemblies: Mapping[str, Assembly]
    ) -> Iterator[Outcome]:
        """Heal the files of all tables that are partitioned by assembly, assembly by assembly."""
        damaged: set[str] = set()
        for each in contents:
            yield from each.outcomes_out_of_reach()
            damaged |= each.damaged_assemblies
        for assembly_id in sorted(damaged):
            recoveries = [Recovery(each, assembly_id) for each in contents]
            yield from self._assembly(recoveries, assemblies.get(assembly_id))

    def _assembly(self, recoveries: Sequence[Recovery], assembly: Assembly | None) -> Iterator[Outcome]:
        """Heal first the files whose rows are elsewhere, then those whose parts must be computed."""
        to_compute: dict[Case, list[str]] = {}
        is_running = assembly is not None and assembly.is_worked_on()
        for case in _cases(recoveries):
            if is_running:
                yield from case.outcomes("left alone", AT_WORK)
                continue
            try:
                case.require_places()
                parts = [_part(each) for each in case.recovery.missing(case.group)]
            except CannotHealError as error:
                yield from case.outcomes_of(error)
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
            return next((at for each in recoveries if (at := each.committed_at(part))), None)

        try:
            if assembly is None:
                raise CannotHealError("its assembly has no event, from which it could be computed again")
            if self.dry_run:
                check_computable(self.stored, assembly, parts)
                for case, own in cases.items():
                    yield from case.outcomes("can be healed", _computing(own))
                return
            with computed(self.stored, assembly, parts, times, self.jobs) as computation:
                for case, own in cases.items():
                    yield from self._healed(case, computation, _computing(own))
        except CannotHealError as error:
            for case in cases:
                yield from case.outcomes_of(error)

    def _healed(self, case: Case, computation: Computed | None, how: str = FROM_FILES) -> Iterator[Outcome]:
        """Write the files of one commit again, and yield their outcomes."""

        def compute(group: Group) -> pl.DataFrame:
            if computation is None:
                raise CannotHealError("its rows are neither in other files nor in its commit")
            return computation.rows(group, case.table.schema)

        try:
            case.require_places()
            for path, rows in case.recovery.files(case.group, compute).items():
                if case.recovery.assembly_id is None:
                    self.healed_rows.append(rows)
                if not self.dry_run:
                    place(case.table, case.table.references[path], rows)
        except LakebatchError as error:
            yield from case.outcomes_of(error)
        else:
            yield from case.outcomes(healed(self.dry_run), how)


def _cases(recoveries: Sequence[Recovery]) -> Iterator[Case]:
    for recovery in recoveries:
        for group, paths in recovery.contents.damaged_groups(recovery.assembly_id):
            yield Case(recovery, group, paths)


def _part(group: Group) -> str:
    if group.part is None:
        raise CannotHealError(NOT_COMPUTED)
    return group.part


def _computing(parts: Sequence[str]) -> str:
    return f"computed again: part{'s' if len(parts) > 1 else ''} {', '.join(parts)}"
