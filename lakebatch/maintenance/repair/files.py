"""Data files that are lost or damaged: each gets its rows back, or the reason why not is given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from lakebatch.assembly.record import Assembly
from lakebatch.assembly.tables import ExperimentTables
from lakebatch.errors import LakebatchError
from lakebatch.maintenance.doctor.lineage import Group
from lakebatch.maintenance.doctor.table import ExaminedTable
from lakebatch.maintenance.repair.computing import Computed, check_computable, computed
from lakebatch.maintenance.repair.contents import Contents
from lakebatch.maintenance.repair.outcome import AT_WORK, CannotHealError, Outcome, State
from lakebatch.maintenance.repair.placing import place
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
    def table(self) -> ExaminedTable:
        """The table that they are of."""
        return self.recovery.contents.table

    def outcomes(self, state: State, how: str) -> Iterator[Outcome]:
        """Yield what became of each file."""
        for path in self.paths:
            where, assembly_id = self.table.locate(path), self.recovery.assembly_id
            what = f"{where} {self.recovery.contents.damaged[path]}"
            yield Outcome(state, self.table.path, what, how, where, assembly_id)

    def left(self, error: LakebatchError) -> Iterator[Outcome]:
        """Yield that the files stay damaged, why, and what can be done about it."""
        advice = f" {error.advice}" if isinstance(error, CannotHealError) else ""
        return self.outcomes("stays damaged", f"{str(error).rstrip('.')}.{advice}")


@dataclass(frozen=True)
class FileRepair:
    """The repair of data files.

    Attributes
    ----------
    regained : list of frames
        Rows of tables without partitions that were put back, or would be.
    """

    stored: ExperimentTables
    dry_run: bool
    jobs: int | None
    regained: list[pl.DataFrame]

    def unpartitioned(self, contents: Contents) -> Iterator[Outcome]:
        """Heal the files of a table that is not partitioned by assembly."""
        yield from contents.aside()
        recovery = Recovery(contents, None)
        for group, paths in contents.damaged_groups(None):
            yield from self._healed(Case(recovery, group, paths), None)

    def partitioned(
        self, contents: Sequence[Contents], assemblies: Mapping[str, Assembly]
    ) -> Iterator[Outcome]:
        """Heal the files of all other tables, assembly by assembly."""
        damaged: set[str] = set()
        for each in contents:
            yield from each.aside()
            damaged |= each.damaged_assemblies
        for assembly_id in sorted(damaged):
            recoveries = [Recovery(each, assembly_id) for each in contents]
            yield from self._assembly(recoveries, assemblies.get(assembly_id))

    def _assembly(self, recoveries: Sequence[Recovery], assembly: Assembly | None) -> Iterator[Outcome]:
        """Heal first what is there in other files, then what has to be computed."""
        to_compute: dict[Case, list[str]] = {}
        is_at_work = assembly is not None and assembly.is_worked_on()
        for case in _cases(recoveries):
            if is_at_work:
                yield from case.outcomes("left alone", AT_WORK)
                continue
            try:
                parts = [_part(each) for each in case.recovery.lacking(case.group)]
            except CannotHealError as error:
                yield from case.left(error)
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
                raise CannotHealError(
                    "no event of its assembly is there, from which it would be computed anew"
                )
            if self.dry_run:
                check_computable(self.stored, assembly, parts)
                for case, own in cases.items():
                    yield from case.outcomes("can be healed", _computing(own))
                return
            with computed(self.stored, assembly, parts, times, self.jobs) as anew:
                for case, own in cases.items():
                    yield from self._healed(case, anew, _computing(own))
        except CannotHealError as error:
            for case in cases:
                yield from case.left(error)

    def _healed(self, case: Case, anew: Computed | None, how: str = FROM_FILES) -> Iterator[Outcome]:
        """Put the files of one commit back, and yield what became of them."""

        def compute(group: Group) -> pl.DataFrame:
            if anew is None:
                raise CannotHealError("its rows are neither in other files nor in its commit")
            return anew.rows(group, case.table.schema)

        try:
            for path, rows in case.recovery.files(case.group, compute).items():
                if case.recovery.assembly_id is None:
                    self.regained.append(rows)
                if not self.dry_run:
                    place(case.table, case.table.references[path], rows)
        except LakebatchError as error:
            yield from case.left(error)
        else:
            yield from case.outcomes("can be healed" if self.dry_run else "healed", how)


def _cases(recoveries: Sequence[Recovery]) -> Iterator[Case]:
    for recovery in recoveries:
        for group, paths in recovery.contents.damaged_groups(recovery.assembly_id):
            yield Case(recovery, group, paths)


def _part(group: Group) -> str:
    if group.part is None:
        raise CannotHealError(NOT_COMPUTED)
    return group.part


def _computing(parts: Sequence[str]) -> str:
    return f"computed anew: part{'s' if len(parts) > 1 else ''} {', '.join(parts)}"
