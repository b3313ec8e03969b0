"""Removal of the data files of one assembly from a table, for good.

The tables are append-only, so an engine refuses a commit that takes rows out. A removal therefore is three commits: the
first lifts the property ``delta.appendOnly``, the second takes the files out, the third sets the property again. The log
stays valid for every engine, and the commits say what was done. A process that is killed between them leaves a table that
is whole and can be read; the next removal, or `seal`, sets the property again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

import deltalake
from deltalake.transaction import RemoveAction

from lakebatch.errors import CommitError
from lakebatch.storage.delta.engine import Handle
from lakebatch.storage.delta.foreign import EVENT, PURGED
from lakebatch.storage.delta.replacement import TRANSACTION, commit_actions, next_transaction
from lakebatch.storage.delta.schema import TableSchema
from lakebatch.storage.delta.table import Table, Write
from lakebatch.storage.delta.table_format import APPEND_ONLY, Change, FindChange, set_properties
from lakebatch.storage.delta.version import DataFile, TableVersion
from lakebatch.storage.retry import COMMITS

PURGING = "purging"
"""Value of `EVENT` in the commit before files are deleted, which makes stopped writers of the assembly look again."""
ASSEMBLY = "lakebatch.assembly_id"
ATTEMPTS = 30
"""Attempts while other removals make the table append-only again."""


def remove(table: Table, assembly_id: str, metadata: Mapping[str, str]) -> bool:
    """Take the files of an assembly out of a table, and return whether there were any; no file is deleted.

    It is safe beside other writers: appends go through, and of a removal and a merge of the same files only the first
    succeeds.

    Raises
    ------
    CommitError
        If every attempt was refused.
    StorageError
        If the table cannot be written.
    """
    described = {**metadata, EVENT: PURGED, ASSEMBLY: assembly_id}

    def write_after(state: TableVersion, last: int) -> Write | None:
        files = own_files(state, assembly_id)
        if files and is_sealed(state):
            raise _SealedError
        return (lambda handle: _remove(handle, files, described, next_transaction(last))) if files else None

    try:
        return _unsealed(table, lambda: table.commit_once(TRANSACTION, write_after))
    finally:
        seal(table)


class _SealedError(Exception):
    """The table is append-only, perhaps again, since another removal has ended."""


def _unsealed(table: Table, commit: Callable[[], bool]) -> bool:
    """Return the result of a commit to a table that is not append-only.

    The property is lifted before the state is loaded from which the commit starts, so that the engine notices every
    commit that others make after that.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return commit()
        except _SealedError:
            table.alter("set the properties of", _append_only("false"))
            if attempt > 1:
                COMMITS.pause(attempt)
    raise CommitError(
        f"Others take files out of {table.uri} all the time. Nothing was removed; try again later."
    )


def own_files(state: TableVersion, assembly_id: str) -> list[DataFile]:
    """Return the files with rows of an assembly alone, also foreign ones; none of a table without partitions."""
    files = state.all_files.filter(assembly_id=assembly_id)
    return list(map(DataFile._make, files.iter_rows()))


def is_sealed(state: TableVersion) -> bool:
    """Whether engines refuse to take rows out of a table."""
    return state.properties.get(APPEND_ONLY) == "true"


def seal(table: Table) -> None:
    """Make a table append-only again, unless it is."""
    if not is_sealed(table.at()):
        table.alter("set the properties of", _append_only("true"))


def _remove(
    handle: Handle, files: Sequence[DataFile], metadata: Mapping[str, str], transaction: deltalake.Transaction
) -> None:
    at = int(datetime.now(UTC).timestamp() * 1000)
    commit_actions(handle, [_removed(file, at) for file in files], metadata, transaction)


def _removed(file: DataFile, at: int) -> RemoveAction:
    """Return the action that takes a file out; ``dataChange`` says that its rows are nowhere else."""
    return RemoveAction(
        file.path, True, at, size=file.size, partition_values={"assembly_id": file.assembly_id}
    )


def _append_only(value: str) -> FindChange:
    def find_change(handle: Handle, schema: TableSchema) -> Change | None:
        is_set = handle.metadata().configuration.get(APPEND_ONLY) == value
        return None if is_set else set_properties({APPEND_ONLY: value})

    return find_change
