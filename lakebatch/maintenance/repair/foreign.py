"""The way back from commits of other programs: their files leave a table, and the files that they took out come back.

The files are put back only where each of them has the rows that were committed, to the last bit, and where the rows of an
assembly then are as many as its commits added. It is one commit, and no file is written or deleted.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from lakebatch._version import __version__
from lakebatch.errors import LakebatchError
from lakebatch.maintenance.inspection.table import InspectedTable
from lakebatch.maintenance.repair.contents import Contents
from lakebatch.maintenance.repair.history import METADATA
from lakebatch.maintenance.repair.outcome import CannotHealError, Outcome, State, healed
from lakebatch.storage.delta.foreign import OriginFile
from lakebatch.storage.delta.table import Table
from lakebatch.storage.delta.undo import undo

MIXED = "nothing tells its rows from the others; take the table back with the tool that merged them, or use a backup"


@dataclass(frozen=True)
class Change:
    """What other programs changed in the files of one assembly, or of a table without partitions."""

    table: InspectedTable
    assembly_id: str | None
    surplus: Sequence[OriginFile]
    missing: Sequence[OriginFile]
    hidden: Sequence[OriginFile]

    def outcome(self, state: State, how: str) -> Outcome:
        """Return the outcome of its repair."""
        return Outcome(state, self.table.path, self._what, how, "", self.assembly_id)

    @property
    def how(self) -> str:
        """What the repair does."""
        done = [
            ("its rows leave the table", self.surplus),
            ("the files that it took out are back", self.missing),
        ]
        return ", and ".join(words for words, found in done if found)

    @property
    def _what(self) -> str:
        of = f" of {self.assembly_id}" if self.assembly_id else ""
        parts = [
            f"{words} {_counted(found)}{of} (version {found[-1].version}, {found[-1].engine})"
            for words, found in (("brought", self.surplus), ("took out", [*self.missing, *self.hidden]))
            if found
        ]
        return f"Another program {' and '.join(parts)}"

    def check(self, contents: Contents, is_planned: Callable[[Collection[str]], bool]) -> None:
        """Raise `CannotHealError` unless the table has exactly the committed rows afterwards."""
        if self.hidden:
            raise CannotHealError(f"a deletion vector hides rows of {self.table.locate(self.hidden[0].path)}")
        for each in self.missing:
            if not contents.is_whole(each.path) and not is_planned([self.table.locate(each.path)]):
                raise CannotHealError(
                    f"{self.table.locate(each.path)} is not there any more as it was committed"
                )
        view = self.table.own_view
        rows = sum(each.rows for each in view.own.values() if each.assembly_id == self.assembly_id)
        committed = self.table.lineage.committed_rows(self.assembly_id)
        if self.missing and rows != committed:
            raise CannotHealError(f"its files would have {rows} rows, its commits brought {committed}")


def find(table: InspectedTable) -> list[Change]:
    """Return what other programs changed, and have not taken back, by assembly."""
    if not table.log.is_whole:
        return []
    view = table.own_view
    origins, missing = view.origins, view.missing
    surplus = [origins.brought.get(path, each) for path, each in view.active.items() if path not in view.own]
    hidden = [each for path, each in origins.taken.items() if path not in missing]
    found = []
    for assembly_id in dict.fromkeys(each.assembly_id for each in [*surplus, *missing.values(), *hidden]):
        groups = (
            [each for each in files if each.assembly_id == assembly_id]
            for files in (surplus, missing.values(), hidden)
        )
        found.append(Change(table, assembly_id, *groups))
    return found


def heal(
    table: InspectedTable, stored: Table, is_planned: Callable[[Collection[str]], bool], *, dry_run: bool
) -> Iterator[Outcome]:
    """Yield the outcome of each change that other programs made to the files of a table.

    ``is_planned`` says whether a dry run would write some files again.
    """
    changes = find(table)
    contents = Contents(table) if any(each.missing for each in changes) else None
    for change in changes:
        try:
            if contents is not None or change.hidden:
                change.check(contents or Contents(table), is_planned)
            if not dry_run:
                undo(stored, change.assembly_id, change.surplus, change.missing, _metadata(change))
        except LakebatchError as error:
            yield change.outcome("stays damaged", str(error))
        else:
            yield change.outcome(healed(dry_run), change.how)
    for each in table.own_view.origins.mixed.values():
        if each.path in table.own_view.active:
            what = f"Version {each.version} ({each.engine}) merged rows of other programs into {table.locate(each.path)}"
            yield Outcome("stays damaged", table.path, what, MIXED)


def _counted(files: Sequence[OriginFile]) -> str:
    count = sum(each.rows for each in files)
    return f"{count} row{'' if count == 1 else 's'}"


def _metadata(change: Change) -> dict[str, str]:
    described = {**METADATA, "lakebatch.code_version": __version__}
    return (
        described if change.assembly_id is None else described | {"lakebatch.assembly_id": change.assembly_id}
    )
