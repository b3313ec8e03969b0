"""Takes rows out of a table that are there several times, and leaves each as often as it was committed."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from lakebatch._version import __version__
from lakebatch.maintenance.doctor.rows import KEYS, brought
from lakebatch.maintenance.doctor.table import ExaminedTable
from lakebatch.maintenance.repair.contents import Contents
from lakebatch.maintenance.repair.history import EVENT
from lakebatch.maintenance.repair.outcome import CannotHealError, Outcome, State
from lakebatch.maintenance.repair.recovery import once
from lakebatch.storage.delta.compaction import write_rows
from lakebatch.storage.delta.engine import FINGERPRINT
from lakebatch.storage.delta.fingerprint import fingerprint
from lakebatch.storage.delta.replacement import Replacement, replace
from lakebatch.storage.delta.table import Table

MEANWHILE = "the table was changed meanwhile; repeat the command"


@dataclass(frozen=True)
class Doubled:
    """Rows that are there several times: of which table and assembly, how many there are, and how many there should be."""

    contents: Contents
    assembly_id: str | None
    rows: int
    due: str

    @property
    def damaged(self) -> list[str]:
        """Where the files are that have to be healed before."""
        paths = (
            path for path in _active(self.contents, self.assembly_id) if not self.contents.is_whole(path)
        )
        return [self.contents.table.locate(path) for path in paths]

    def outcome(self, state: State, how: str) -> Outcome:
        """Return what became of them."""
        begin = f"{self.assembly_id} has" if self.assembly_id else "There are"
        what = f"{begin} {self.rows} rows, {self.due}"
        return Outcome(state, self.contents.table.path, what, how, "", self.assembly_id, self.rows)


def find(table: ExaminedTable) -> list[Doubled]:
    """Return which rows of a table, as it is now, are there several times."""
    if not table.log.is_whole:
        return []
    due = [each for each in table.lineage.surpluses if each.until is None and each.rows > each.expected]
    found = [(each.assembly_id, each.rows, f"its commits brought {each.expected}") for each in due]
    if not found and table.name not in KEYS:
        return []
    contents = Contents(table)
    if not found:
        rows = pl.concat([pl.DataFrame(), *contents.whole_rows()], how="diagonal")
        single = rows.unique()  # other tools can append events or tags once more
        found = (
            [(None, rows.height, f"of which {single.height} differ")] if single.height < rows.height else []
        )
    return [Doubled(contents, *each) for each in found]


def single_rows(contents: Contents, assembly_id: str | None) -> pl.DataFrame:
    """Return the rows that an assembly has now, each as often as it was committed.

    Raises
    ------
    CannotHealError
        If they are not, to the last bit, those that its commits brought.
    """
    rows = _active_rows(contents, assembly_id)
    if assembly_id is None:
        return _unique(rows, KEYS[contents.table.name])
    groups = contents.table.lineage.originals(assembly_id)
    frames = []
    for group in groups:
        own = rows.filter(pl.col("part") == group.part)
        found = once(own, group.rows or 0, group.recorded or "")
        if group.part is None or found is None:
            raise CannotHealError(
                f"the rows of part {group.part} cannot be told apart from those that are too many"
            )
        frames.append(found)
    single = pl.concat(frames, how="diagonal")
    if set(rows["part"]) != set(single["part"]) or fingerprint([single]) != brought(
        contents.table, assembly_id
    ):
        raise CannotHealError("some of the rows are of no commit of a run")
    return single


def _active(contents: Contents, assembly_id: str | None) -> list[str]:
    active = contents.table.lineage.active.values()
    return [each.path for each in active if each.assembly_id == assembly_id]


def _active_rows(contents: Contents, assembly_id: str | None) -> pl.DataFrame:
    paths = _active(contents, assembly_id)
    damaged = [path for path in paths if not contents.is_whole(path)]
    if damaged:
        raise CannotHealError(f"{contents.table.locate(damaged[0])} has to be healed before")
    return pl.concat([contents.read(path) for path in paths], how="diagonal")


def _unique(rows: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    """Return rows of events or tags, of those that are equal in all columns one."""
    single = rows.unique(maintain_order=True)
    differing = single.filter(pl.struct(keys).is_duplicated())
    if differing.height:
        raise CannotHealError(
            f"two of {', '.join(keys)} {differing.row(0)[: len(keys)]} differ, so that one is wrong"
        )
    return single


def leave(table: Table, contents: Contents, assembly_id: str | None, rows: pl.DataFrame) -> None:
    """Replace the files of an assembly by one with the given rows, in a commit that can be refused.

    Raises
    ------
    CannotHealError
        If the files have been replaced meanwhile; nothing is changed then.
    """
    state = table.at()
    files = state.data_files(None if assembly_id is None else [assembly_id])
    if {each.path for each in files} != set(_active(contents, assembly_id)):
        raise CannotHealError(MEANWHILE)
    metadata = {**EVENT, "lakebatch.code_version": __version__, FINGERPRINT: fingerprint([rows])}
    metadata |= {} if assembly_id is None else {"lakebatch.assembly_id": assembly_id}
    new = write_rows(table, state, [rows], assembly_id)
    if not replace(table, [Replacement(assembly_id, tuple(files), (new,))], metadata):
        raise CannotHealError(MEANWHILE)
