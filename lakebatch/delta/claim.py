"""Sees that one process at a time merges the files of a table.

The engine does not notice two compactions that merge the same files: it commits both, and every row is there
twice. So whoever compacts claims it first by a commit that only one can win, and gives it back by another: the
version of a transaction is odd while somebody compacts. A claim whose process was killed is taken over.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from lakebatch import process
from lakebatch.delta.engine import pause
from lakebatch.errors import CommitError, LakebatchError

if TYPE_CHECKING:
    from lakebatch.delta.table import Table

logger = logging.getLogger(__name__)

TRANSACTION = "lakebatch.compaction"
CLAIM = "lakebatch.claim"
"""In a commit's metadata: who compacts from then on."""
ATTEMPTS = 8
FOREIGN_HOURS = 24
"""After how long a claim of another machine, whose processes cannot be seen from here, counts as abandoned."""


@contextmanager
def held(table: Table) -> Iterator[None]:
    """Hold the claim to compact a table.

    Raises
    ------
    CommitError
        If another process holds it, also after a while.
    """
    version = _take(table)
    try:
        yield
    finally:
        _give_back(table, version)


def _take(table: Table) -> int:
    token = secrets.token_hex(8)
    mine = {"token": token, "host": process.host(), "pid": os.getpid(), "at": datetime.now(UTC).isoformat()}
    mine["process_started"] = process.start_token(os.getpid())
    holder: dict[str, Any] | None = None
    for attempt in range(ATTEMPTS):
        last = table.transaction(TRANSACTION)
        holder = _holder(table) if last % 2 else None
        if holder is not None and holder["token"] == token:  # our commit, whose answer was lost
            return last
        if holder is None or _is_abandoned(holder):
            version = last + 1 + last % 2
            if table.try_transaction(TRANSACTION, version, {CLAIM: json.dumps(mine)}):
                return version
        pause(attempt)
    who = (
        f"process {holder['pid']} on {holder['host']}, since {holder['at']}" if holder else "other processes"
    )
    raise CommitError(
        f"The files of {table.uri} are being merged by {who}. Nothing was done; try again later with: lakebatch optimize"
    )


def _give_back(table: Table, version: int) -> None:
    """End the claim; if that fails, it ends with this process."""
    try:
        for attempt in range(ATTEMPTS):
            if table.transaction(TRANSACTION) != version:
                return
            if table.try_transaction(TRANSACTION, version + 1, {}):
                return
            pause(attempt)
    except LakebatchError as error:
        logger.info("the claim to compact %s was not given back: %s", table.uri, error)


def _holder(table: Table) -> dict[str, Any] | None:
    for commit in reversed(table.commits()):
        if CLAIM in commit.metadata:
            return dict(json.loads(commit.metadata[CLAIM]))
    return None


def _is_abandoned(holder: dict[str, Any]) -> bool:
    if holder["host"] == process.host():
        return not process.is_alive(holder["pid"], holder["process_started"])
    age = datetime.now(UTC) - datetime.fromisoformat(holder["at"])
    return age > timedelta(hours=FOREIGN_HOURS)
