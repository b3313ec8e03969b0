"""Commits to a table whose rows are derived from other tables: files come and leave, also with other columns than before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from deltalake.transaction import AddAction, RemoveAction

from lakebatch.storage.delta import table_format
from lakebatch.storage.delta.engine import Handle
from lakebatch.storage.delta.replacement import commit_actions, next_transaction
from lakebatch.storage.delta.schema import TableSchema
from lakebatch.storage.delta.version import DataFile

PROPERTIES = {
    name: value
    for name, value in table_format.PROPERTIES.items()
    if name not in (table_format.APPEND_ONLY, "delta.dataSkippingNumIndexedCols")
}
"""Properties of a derived table: rows leave it again, and readers skip files by the statistics of columns."""
RETRIES = 0
"""Retries inside one commit: after a refusal the state is read again."""


@dataclass(frozen=True)
class DerivedFile:
    """A new Parquet file: path below the table, size in bytes, and statistics as Delta's JSON."""

    path: str
    size: int
    statistics: str


@dataclass(frozen=True)
class Change:
    """Files that leave the table and files that come, in one commit.

    Attributes
    ----------
    schema : TableSchema, optional
        The columns from this commit on, if they are others than before; all files leave the table then.
    """

    removed: Sequence[DataFile]
    added: Sequence[DerivedFile]
    metadata: Mapping[str, str]
    schema: TableSchema | None = None


def commit(handle: Handle, change: Change, last: int) -> None:
    """Commit a change as one version; ``last`` is the version of the transaction of all replacements before it."""
    at = int(datetime.now(UTC).timestamp() * 1000)
    actions: list[AddAction | RemoveAction] = [
        AddAction(file.path, file.size, {}, at, True, file.statistics) for file in change.added
    ]
    if change.schema is None:
        actions += [
            RemoveAction(file.path, True, at, size=file.size, partition_values={}) for file in change.removed
        ]
    schema = None if change.schema is None else table_format.delta_schema(change.schema)
    commit_actions(handle, actions, change.metadata, next_transaction(last), schema=schema, retries=RETRIES)
