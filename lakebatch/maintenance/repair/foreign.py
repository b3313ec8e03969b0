"""The way back from commits of other programs: their files leave a table, and the files that they took out come back.

The files are put back only where each of them has the rows that were committed, to the last bit, and where the rows of an
assembly then are as many as its commits added. It is one commit, and no file is written or deleted.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from deltalake.transaction import AddAction, RemoveAction

from lakebatch._version import __version__
from lakebatch.errors import LakebatchError
from lakebatch.maintenance.inspection.table import InspectedTable
from lakebatch.maintenance.repair.contents import Contents
from lakebatch.maintenance.repair.history import EVENT
from lakebatch.maintenance.repair.outcome import CannotHealError, Outcome, State, healed
from lakebatch.storage.delta.foreign import OriginFile
from lakebatch.storage.delta.replacement import TRANSACTION, commit_actions, next_transaction
from lakebatch.storage.delta.table import Table, Write
from lakebatch.storage.delta.version import TableVersion

HOW = "its files are left out of the table, and those that it took out are back"
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
    def _what(self) -> str:
        of = f" of {self.assembly_id}" if self.assembly_id else ""
        parts = [
            f"{words} {sum(each.rows for each in found)} rows{of} (version {found[-1].version}, {found[-1].engine})"
            for words, found in (("brought", self.surplus), ("took out", [*self.missing, *self.hidden]))
            if found
        ]
        return f"Another program {' and '.join(parts)}"

    def check(self, contents: Contents) -> None:
        """Raise `CannotHealError` unless the table has exactly the committed rows afterwards."""
        if self.hidden:
            raise CannotHealError(f"a deletion vector hides rows of {self.table.locate(self.hidden[0].path)}")
        for each in self.missing:
            if not contents.is_whole(each.path):
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


def heal(table: InspectedTable, stored: Table, *, dry_run: bool) -> Iterator[Outcome]:
    """Yield the outcome of each change that other programs made to the files of a table."""
    changes = find(table)
    contents = Contents(table) if any(each.missing for each in changes) else None
    for change in changes:
        try:
            if contents is not None or change.hidden:
                change.check(contents or Contents(table))
            if not dry_run:
                _commit(stored, change)
        except LakebatchError as error:
            yield change.outcome("stays damaged", str(error))
        else:
            yield change.outcome(healed(dry_run), HOW)
    for each in table.own_view.origins.mixed.values():
        if each.path in table.own_view.active:
            what = f"Version {each.version} ({each.engine}) merged rows of other programs into {table.locate(each.path)}"
            yield Outcome("stays damaged", table.path, what, MIXED)


def _commit(stored: Table, change: Change) -> None:
    """Take the foreign files out and put the missing ones back, unless the table was changed meanwhile."""
    metadata = {**EVENT, "lakebatch.code_version": __version__}
    if change.assembly_id is not None:
        metadata["lakebatch.assembly_id"] = change.assembly_id

    def write_after(state: TableVersion, last: int) -> Write | None:
        present = set(state.all_files["path"])
        surplus = [each for each in change.surplus if each.path in present]
        missing = [each for each in change.missing if each.path not in present]
        actions = _actions(change.assembly_id, surplus, missing)
        if not actions:
            return None
        return lambda handle: commit_actions(handle, actions, metadata, next_transaction(last))

    stored.commit_once(TRANSACTION, write_after)


def _actions(
    assembly_id: str | None, surplus: Sequence[OriginFile], missing: Sequence[OriginFile]
) -> list[AddAction | RemoveAction]:
    at = int(datetime.now(UTC).timestamp() * 1000)
    partition: dict[str, str | None] = {} if assembly_id is None else {"assembly_id": assembly_id}
    back: list[AddAction | RemoveAction] = [
        AddAction(each.path, each.size, partition, at, False, json.dumps({"numRecords": each.rows}))
        for each in missing
    ]
    out = [RemoveAction(each.path, False, at, size=each.size, partition_values=partition) for each in surplus]
    return [*back, *out]
