"""Removal of rows that are in a table several times; each stays as often as it was committed."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from lakebatch._version import __version__
from lakebatch.maintenance.inspection.lineage import Group
from lakebatch.maintenance.inspection.rows import KEYS, contradictions
from lakebatch.maintenance.inspection.table import InspectedTable
from lakebatch.maintenance.repair.contents import Contents
from lakebatch.maintenance.repair.history import METADATA
from lakebatch.maintenance.repair.outcome import CannotHealError, Outcome, State
from lakebatch.maintenance.repair.recovery import once
from lakebatch.storage.delta.commit_metadata import fingerprint
from lakebatch.storage.delta.compaction import write_rows
from lakebatch.storage.delta.engine import FINGERPRINT
from lakebatch.storage.delta.replacement import Replacement, replace
from lakebatch.storage.delta.table import Table

MEANWHILE = "the table was changed meanwhile; repeat the command"


@dataclass(frozen=True)
class Doubled:
    """Rows that are there several times: their table and assembly, their count, and the right count in words."""

    contents: Contents
    assembly_id: str | None
    rows: int
    expected: str

    @property
    def paths(self) -> list[str]:
        """The files with these rows."""
        return self.contents.table.lineage.active_paths(self.assembly_id)

    @property
    def damaged(self) -> list[str]:
        """The locations of the files that must be healed first."""
        return [self.contents.table.locate(path) for path in self.paths if not self.contents.is_whole(path)]

    def outcome(self, state: State, how: str) -> Outcome:
        """Return the outcome of their repair."""
        begin = f"{self.assembly_id} has" if self.assembly_id else "There are"
        what = f"{begin} {self.rows} rows, {self.expected}"
        return Outcome(state, self.contents.table.path, what, how, "", self.assembly_id, self.rows)


def find(table: InspectedTable) -> list[Doubled]:
    """Return the rows that the newest version of a table has several times."""
    if not table.log.is_whole:
        return []
    surpluses = [each for each in table.lineage.open_surpluses if each.rows > each.expected]
    if surpluses:
        contents = Contents(table)
        return [
            Doubled(contents, each.assembly_id, each.rows, f"its commits brought {each.expected}")
            for each in surpluses
        ]
    return _repeated(Contents(table)) if table.name in KEYS else []


def _repeated(contents: Contents) -> list[Doubled]:
    """Return equal events or tags, which other tools can append once more."""
    rows = contents.whole_rows()
    distinct = rows.unique().height
    return (
        [Doubled(contents, None, rows.height, f"{distinct} of them distinct")]
        if distinct < rows.height
        else []
    )


def single_rows(doubled: Doubled) -> pl.DataFrame:
    """Return the rows that an assembly has now, each as often as it was committed.

    Raises
    ------
    CannotHealError
        If they are not, to the last bit, those that its commits added.
    """
    if doubled.damaged:
        raise CannotHealError(f"{doubled.damaged[0]} must be healed first")
    table, rows = doubled.contents.table, doubled.contents.read_all(doubled.paths)
    if doubled.assembly_id is None:
        return _distinct(rows, KEYS[table.name])
    originals = table.lineage.originals(doubled.assembly_id)
    if foreign := [each.entry.version for each in originals if each.part is None]:
        raise CannotHealError(
            f"version {foreign[0]} is not of a run, and nothing tells which rows are too many"
        )
    single = pl.concat([_rows_of(rows, each) for each in originals], how="diagonal")
    is_complete = set(rows["part"]) == set(single["part"])
    if not is_complete or fingerprint([single]) != table.lineage.committed(doubled.assembly_id):
        raise CannotHealError("some of the rows are of no commit of a run")
    return single


def _rows_of(rows: pl.DataFrame, group: Group) -> pl.DataFrame:
    """Return the rows of the part that a commit added, each as often as the commit has it."""
    found = once(rows.filter(pl.col("part") == group.part), group.rows or 0, group.recorded or "")
    if found is None:
        raise CannotHealError(f"nothing tells which rows of part {group.part} are too many")
    return found


def _distinct(rows: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    """Return events or tags, one of those that are equal in all columns."""
    differing = contradictions(rows, keys)
    if differing.height:
        raise CannotHealError(
            f"two of {', '.join(keys)} {differing.row(0)[: len(keys)]} differ, so that one is wrong"
        )
    return rows.unique(maintain_order=True)


def replace_rows(table: Table, doubled: Doubled, rows: pl.DataFrame) -> None:
    """Replace the files of an assembly by one with the given rows, in a commit that can be refused.

    Raises
    ------
    CannotHealError
        If the files were replaced meanwhile; nothing is changed then.
    """
    state, assembly_id = table.at(), doubled.assembly_id
    files = state.data_files(None if assembly_id is None else [assembly_id])
    if {each.path for each in files} != set(doubled.paths):
        raise CannotHealError(MEANWHILE)
    metadata = {**METADATA, "lakebatch.code_version": __version__, FINGERPRINT: fingerprint([rows])}
    metadata |= {} if assembly_id is None else {"lakebatch.assembly_id": assembly_id}
    new = write_rows(table, state, [rows], assembly_id)
    if not replace(table, [Replacement(assembly_id, tuple(files), (new,))], metadata):
        raise CannotHealError(MEANWHILE)
