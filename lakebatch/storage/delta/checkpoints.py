"""When a table gets a checkpoint, from which its log is read on.

The engine reads every commit since the checkpoint with which a table was opened, at each write; and a checkpoint
names every file there is or was. One every so many commits would make them grow with the square of the
commits, so the distance grows along: all checkpoints together take about 100 times what the last one does.
"""

from __future__ import annotations

import logging
from bisect import bisect_right
from collections.abc import Mapping

import deltalake

from lakebatch.storage.delta.engine import ENGINE_ERRORS

logger = logging.getLogger(__name__)

MIN_SPACING = 20
"""Commits from one checkpoint to the next, in a small table."""
SHARE = 100
"""In a larger one they are a part of its commits: one in so many."""

_due = [0]


def is_due_between(before: int, after: int) -> bool:
    """Whether one of the versions after the first, up to the second, is one that gets a checkpoint.

    >>> is_due_between(0, 19), is_due_between(19, 20), is_due_between(20, 39), is_due_between(20, 40)
    (False, True, False, True)
    """
    while _due[-1] <= after:
        _due.append(_due[-1] + max(MIN_SPACING, _due[-1] // SHARE))
    return bisect_right(_due, after) > bisect_right(_due, before)


def write_if_due(table: deltalake.DeltaTable) -> None:
    """Write a checkpoint if a commit that is made is one that gets it; without it the log is read from an earlier one."""
    version = int(table.version())
    if not is_due_between(version - 1, version):
        return
    try:
        table.create_checkpoint()
    except ENGINE_ERRORS as error:
        logger.warning("%s has no checkpoint at version %d: %s", table.table_uri, version, error)


def write_at(uri: str, options: Mapping[str, str], version: int) -> None:
    """Write the checkpoint of a version, and the pointer to it, from the entries of the log."""
    deltalake.DeltaTable(uri, version=version, storage_options=dict(options)).create_checkpoint()
