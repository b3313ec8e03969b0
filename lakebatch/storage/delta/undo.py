"""One commit that undoes what other programs did to the files of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lakebatch.storage.delta.foreign import OriginFile
from lakebatch.storage.delta.replacement import TRANSACTION, commit_actions, next_transaction, same_rows
from lakebatch.storage.delta.table import Table, Write
from lakebatch.storage.delta.version import TableVersion


def undo(
    table: Table,
    assembly_id: str | None,
    surplus: Sequence[OriginFile],
    missing: Sequence[OriginFile],
    metadata: Mapping[str, str],
) -> bool:
    """Take foreign files of an assembly out of a table and put missing ones back, and return whether there were any.

    It is safe beside other writers: of this commit, a merge and a purge of the same files only the first succeeds. No file
    is written or deleted.
    """

    def write_after(state: TableVersion, last: int) -> Write | None:
        present = set(state.all_files["path"])
        out = [each for each in surplus if each.path in present]
        back = [each for each in missing if each.path not in present]
        actions = same_rows(assembly_id, back, out)
        if not actions:
            return None
        return lambda handle: commit_actions(handle, actions, metadata, next_transaction(last))

    return table.commit_once(TRANSACTION, write_after)
