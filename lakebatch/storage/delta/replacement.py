"""Commits that replace data files by others with the same rows, and that can be refused.

The engine's own compaction cannot: of two that merge the same files it commits both, and every row is there twice. So
each replacement of files, in a merge as in a repair, is a transaction of one name: of two that start from one state only
the first succeeds, and the second looks again which of its files are still in the table. Appends go on beside it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import deltalake
from deltalake.transaction import AddAction, RemoveAction

from lakebatch.errors import CommitError
from lakebatch.storage.delta import checkpoints
from lakebatch.storage.delta.engine import COMMIT_RETRIES, HOT_PATH
from lakebatch.storage.delta.table import Table, Write
from lakebatch.storage.delta.version import DataFile, Handle, TableVersion

TRANSACTION = "lakebatch.compaction"
"""The transaction of all replacements; its version is odd while a lakebatch before 0.2 merges files."""
CLAIM = "lakebatch.claim"
"""In the metadata of a commit by a lakebatch before 0.2: the process that merges files until its next such commit."""
MAX_AGE_HOURS = 12
"""How old a new file may be when it is committed."""
CLAIM_TIMEOUT_HOURS = 24
"""After how long such a claim counts as left over."""


class NewFile(NamedTuple):
    """A Parquet file that was written into a table's folder and that no commit names yet."""

    path: str
    size: int
    rows: int


@dataclass(frozen=True)
class Replacement:
    """Data files of one assembly that are to leave a table, and those that hold the same rows in their place."""

    assembly_id: str | None
    removed: tuple[DataFile, ...]
    added: tuple[NewFile, ...]


def replace(
    table: Table, replacements: Sequence[Replacement], metadata: Mapping[str, str]
) -> list[Replacement]:
    """Commit replacements, all in one commit, and return those that were carried out.

    Each is carried out whole or not at all: it is not if one of the files that it removes has left the table meanwhile,
    or one of its own is gone or was written too long ago.
    New files that no commit names then are left to `vacuum`.

    Raises
    ------
    CommitError
        If an older lakebatch is merging files of the table, or every attempt was refused.
    StorageError
        If the table cannot be written.
    """
    done: list[Replacement] = []

    def write_after(state: TableVersion, last: int) -> Write | None:
        _refuse_claimed(table, state, last)
        there = {file.path for file in state.data_files()}
        done[:] = [each for each in replacements if there.issuperset(file.path for file in each.added)]
        due = [
            each
            for each in replacements
            if there.issuperset(file.path for file in each.removed) and _is_fresh(table, each)
        ]

        def write(handle: Handle) -> None:
            _commit(handle, due, metadata, _next(last))
            done.extend(due)

        return write if due else None

    table.commit_once(TRANSACTION, write_after)
    return done


def _is_fresh(table: Table, replacement: Replacement) -> bool:
    """Whether the new files are there, and too young for `vacuum`, which removes what no commit names after a day."""
    for file in replacement.added:
        folder, _, name = f"{table.path}/{file.path}".rpartition("/")
        if table.storage.ages(folder).get(name, math.inf) > 3600 * MAX_AGE_HOURS:
            return False
    return True


def _next(last: int) -> deltalake.Transaction:
    """Return the transaction that follows a version of it: an even one, by which no older lakebatch feels claimed."""
    return deltalake.Transaction(TRANSACTION, last + 2 - last % 2)


def _commit(
    handle: Handle,
    replacements: Sequence[Replacement],
    metadata: Mapping[str, str],
    transaction: deltalake.Transaction,
) -> None:
    at = int(datetime.now(UTC).timestamp() * 1000)
    actions: list[AddAction | RemoveAction] = []
    for each in replacements:
        partition: dict[str, str | None] = (
            {} if each.assembly_id is None else {"assembly_id": each.assembly_id}
        )
        actions += [
            AddAction(file.path, file.size, partition, at, False, json.dumps({"numRecords": file.rows}))
            for file in each.added
        ]
        actions += [
            RemoveAction(file.path, False, at, size=file.size, partition_values=partition)
            for file in each.removed
        ]
    handle.create_write_transaction(
        actions,
        mode="append",
        schema=handle.schema(),
        partition_by=list(handle.metadata().partition_columns),
        commit_properties=deltalake.CommitProperties(
            custom_metadata=dict(metadata),
            max_commit_retries=COMMIT_RETRIES,
            app_transactions=[transaction],
        ),
        post_commithook_properties=HOT_PATH,
    )
    handle.update_incremental()
    checkpoints.write_if_due(handle)


def _refuse_claimed(table: Table, state: TableVersion, last: int) -> None:
    """Leave the files to an older lakebatch that has claimed them, since the engine refuses none of its merges."""
    holder = _holder(table, state) if last % 2 else None
    if holder is not None and datetime.now(UTC) - holder.since < timedelta(hours=CLAIM_TIMEOUT_HOURS):
        raise CommitError(
            f"The files of {table.uri} are being merged by {holder.name}, since {holder.since:%Y-%m-%d %H:%M:%S}Z, with a "
            "lakebatch before 0.2. Nothing was done; try again when it has ended, "
            f"at the latest {CLAIM_TIMEOUT_HOURS} hours after it began."
        )


class _Holder(NamedTuple):
    """Who has claimed the files of a table, and when."""

    name: str
    since: datetime


def _holder(table: Table, state: TableVersion) -> _Holder | None:
    """Return who made the last claim; None if the log has none that can be read."""
    claims = (commit.metadata[CLAIM] for commit in reversed(table.commits(state)) if CLAIM in commit.metadata)
    try:
        claim = json.loads(next(claims))
        return _Holder(
            f"process {claim['pid']} on {claim['host']}", datetime.fromisoformat(claim["at"]).astimezone(UTC)
        )
    except (StopIteration, ValueError, KeyError, TypeError, RecursionError, OverflowError):
        return None
