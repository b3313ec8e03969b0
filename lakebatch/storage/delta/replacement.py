"""Commits that replace data files by others with the same rows.

The engine's own compaction is unsafe: of two processes that merge the same files it commits both, which doubles every row.
So every replacement, in a compaction as in a repair, is a transaction of one name: of two that start from the same state
only the first succeeds, and the second checks again which of its files are still in the table. Appends are not hindered.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Protocol

import deltalake
from deltalake.transaction import AddAction, RemoveAction

from lakebatch.errors import CommitError
from lakebatch.storage.delta.engine import COMMIT_RETRIES, HOT_PATH, Handle
from lakebatch.storage.delta.table import Table, Write
from lakebatch.storage.delta.version import DataFile, TableVersion

TRANSACTION = "lakebatch.compaction"
"""Name of the transaction of all replacements; its version is odd while a lakebatch before 0.2 merges files."""
CLAIM = "lakebatch.claim"
"""Key in the metadata of a commit by a lakebatch before 0.2: the process that merges files until its next such commit."""
MAX_AGE_HOURS = 12
"""Maximal age of a new file at its commit."""
CLAIM_TIMEOUT_HOURS = 24
"""Age from which such a claim counts as left over."""


class _File(Protocol):
    """A file with its path below the table, its size in bytes and its row count."""

    @property
    def path(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def rows(self) -> int: ...


class NewFile(NamedTuple):
    """A Parquet file in a table's folder that no commit names yet."""

    path: str
    size: int
    rows: int


@dataclass(frozen=True)
class Replacement:
    """Data files of one assembly to remove from a table, and the files with the same rows that replace them."""

    assembly_id: str | None
    removed: tuple[DataFile, ...]
    added: tuple[NewFile, ...]


def replace(
    table: Table, replacements: Sequence[Replacement], metadata: Mapping[str, str]
) -> list[Replacement]:
    """Commit replacements, all in one commit, and return those that were committed.

    A replacement is skipped if a file that it removes has left the table meanwhile, or if one of its new files is gone or
    too old. `vacuum` removes the new files of skipped ones.

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
        present = set(state.all_files["path"])
        # committed by an attempt that was reported as failed
        done[:] = [each for each in replacements if present.issuperset(file.path for file in each.added)]
        pending = [
            each
            for each in replacements
            if present.issuperset(file.path for file in each.removed) and _is_fresh(table, each)
        ]

        def write(handle: Handle) -> None:
            _commit(handle, pending, metadata, next_transaction(last))
            done.extend(pending)

        return write if pending else None

    table.commit_once(TRANSACTION, write_after)
    return done


def _is_fresh(table: Table, replacement: Replacement) -> bool:
    """Whether the new files exist and are too young for `vacuum`, which removes uncommitted files after a day."""
    for file in replacement.added:
        folder, _, name = f"{table.path}/{file.path}".rpartition("/")
        if table.storage.ages(folder).get(name, math.inf) > 3600 * MAX_AGE_HOURS:
            return False
    return True


def next_transaction(last: int) -> deltalake.Transaction:
    """Return the next transaction with an even version, which an older lakebatch does not take for a claim."""
    return deltalake.Transaction(TRANSACTION, last + 2 - last % 2)


def _commit(
    handle: Handle,
    replacements: Sequence[Replacement],
    metadata: Mapping[str, str],
    transaction: deltalake.Transaction,
) -> None:
    actions = [
        action for each in replacements for action in same_rows(each.assembly_id, each.added, each.removed)
    ]
    commit_actions(handle, actions, metadata, transaction)


def same_rows(
    assembly_id: str | None, added: Iterable[_File], removed: Iterable[_File]
) -> list[AddAction | RemoveAction]:
    """Return the actions that put files of an assembly in the place of others, which changes no row of a dataset."""
    at = int(datetime.now(UTC).timestamp() * 1000)
    partition: dict[str, str | None] = {} if assembly_id is None else {"assembly_id": assembly_id}
    came: list[AddAction | RemoveAction] = [
        AddAction(file.path, file.size, partition, at, False, json.dumps({"numRecords": file.rows}))
        for file in added
    ]
    left = [
        RemoveAction(file.path, False, at, size=file.size, partition_values=partition) for file in removed
    ]
    return [*came, *left]


def commit_actions(
    handle: Handle,
    actions: Sequence[AddAction | RemoveAction],
    metadata: Mapping[str, str],
    transaction: deltalake.Transaction,
    *,
    schema: deltalake.Schema | None = None,
    retries: int = COMMIT_RETRIES,
) -> None:
    """Commit files that come into a table, or leave it, as one version.

    With other columns in ``schema``, all files of the table leave it, and no action has to say so.
    """
    handle.create_write_transaction(
        list(actions),
        mode="append" if schema is None else "overwrite",
        schema=schema or handle.schema(),
        partition_by=list(handle.metadata().partition_columns),
        commit_properties=deltalake.CommitProperties(
            custom_metadata=dict(metadata),
            max_commit_retries=retries,
            app_transactions=[transaction],
        ),
        post_commithook_properties=HOT_PATH,
    )
    handle.update_incremental()


def _refuse_claimed(table: Table, state: TableVersion, last: int) -> None:
    """Raise if an older lakebatch has claimed the files, since the engine refuses none of its merges."""
    holder = _holder(table, state) if last % 2 else None
    if holder is not None and datetime.now(UTC) - holder.since < timedelta(hours=CLAIM_TIMEOUT_HOURS):
        raise CommitError(
            f"The files of {table.uri} are being merged by {holder.name}, since {holder.since:%Y-%m-%d %H:%M:%S}Z, with a "
            "lakebatch before 0.2. Nothing was done; try again when it has ended, "
            f"at the latest {CLAIM_TIMEOUT_HOURS} hours after it began."
        )


class _Holder(NamedTuple):
    """The process that has claimed the files of a table, and the time."""

    name: str
    since: datetime


def _holder(table: Table, state: TableVersion) -> _Holder | None:
    """Return the process of the last claim; None if the log has no readable claim."""
    claims = (commit.metadata[CLAIM] for commit in reversed(table.commits(state)) if CLAIM in commit.metadata)
    try:
        claim = json.loads(next(claims))
        return _Holder(
            f"process {claim['pid']} on {claim['host']}", datetime.fromisoformat(claim["at"]).astimezone(UTC)
        )
    except (StopIteration, ValueError, KeyError, TypeError, RecursionError, OverflowError):
        return None
