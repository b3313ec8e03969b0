"""Spacing of checkpoints, from which the log of a table is read on.

At each write the engine reads every commit since the checkpoint with which the table was opened; and a checkpoint names
every file that the table has or had. With a fixed spacing, the total size of checkpoints would grow with the square of the
commits. So the spacing grows with the table: all checkpoints together are about 100 times as large as the last one.
"""

from __future__ import annotations

import logging
from bisect import bisect_right
from collections.abc import Mapping

import deltalake

from lakebatch.errors import StorageError
from lakebatch.storage import retry
from lakebatch.storage.delta.diagnosis import one_line
from lakebatch.storage.delta.engine import ENGINE_ERRORS

logger = logging.getLogger(__name__)

MIN_SPACING = 10
"""Commits between two checkpoints in a small table."""
SPACING_DIVISOR = 100
"""In a larger table the spacing is its number of commits, divided by this."""

_due = [0]


def is_due_between(before: int, after: int) -> bool:
    """Whether any version after ``before``, up to ``after``, gets a checkpoint.

    >>> is_due_between(0, 9), is_due_between(9, 10), is_due_between(10, 19), is_due_between(10, 20)
    (False, True, False, True)
    """
    while _due[-1] <= after:
        _due.append(_due[-1] + max(MIN_SPACING, _due[-1] // SPACING_DIVISOR))
    return bisect_right(_due, after) > bisect_right(_due, before)


def write_if_due(table: deltalake.DeltaTable, before: int) -> None:
    """Write a checkpoint if the newest version gets one and is not an earlier one; if that fails, an older one is read."""
    version = int(table.version())
    if version == before or not is_due_between(version - 1, version):
        return
    try:
        retry.CHECKPOINTS.call(table.create_checkpoint, ENGINE_ERRORS, retry.is_transient)
    except (*ENGINE_ERRORS, StorageError) as error:
        logger.warning("%s has no checkpoint at version %d: %s", table.table_uri, version, one_line(error))


def write_at(uri: str, options: Mapping[str, str], version: int) -> None:
    """Write the checkpoint of a version and the pointer to it, from the entries of the log."""
    deltalake.DeltaTable(uri, version=version, storage_options=dict(options)).create_checkpoint()
