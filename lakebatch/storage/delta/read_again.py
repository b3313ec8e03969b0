"""Reads that start again after a compaction."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from lakebatch.errors import DamageError, StorageError

if TYPE_CHECKING:
    from lakebatch.storage.delta.reader import TableReader
    from lakebatch.storage.delta.version import TableVersion

Result = TypeVar("Result")
Errors = type[BaseException] | tuple[type[BaseException], ...]

MAX_RENEWALS = 10
"""How often a read starts again before it gives up."""


def retry_on_compaction(
    attempt: Callable[[], Result], renew: Callable[[], bool], errors: Errors = DamageError
) -> Result:
    """Return the result of a read; read again when a compaction has replaced the files of the state that is read.

    A table or a snapshot reads the files of the state that it opened. A compaction, followed by a vacuum, removes
    them; the newest state has the same rows in other files.

    Parameters
    ----------
    attempt : callable
        Reads the state that is open.
    renew : callable
        Opens the newest state after a failed attempt, and returns whether it differs from the one that was read.
        If it does not, no compaction is to blame, and the error of the attempt is raised.
    errors : exception type or tuple of them
        What ``attempt`` raises when a file is missing.

    Raises
    ------
    StorageError
        If the files are replaced faster than they can be read.
    """
    for _ in range(MAX_RENEWALS):
        try:
            return attempt()
        except errors as error:
            if not renew():
                raise
            last = error
    raise StorageError("The files of the lake are merged faster than they can be read. Try again.") from last


def read_latest(
    table: TableReader, read: Callable[[TableVersion], Result], first: TableVersion | None = None
) -> Result:
    """Return what ``read`` returns for the latest state of a table; see `retry_on_compaction`.

    Parameters
    ----------
    first : TableVersion, optional
        The state to read first, such as the one that a commit starts from.
    """
    state = table.newest() if first is None else first
    if first is not None:
        table.warn_of_lost_commits()

    def renew() -> bool:
        nonlocal state
        before, state = state.number, table.at()
        return state.number != before

    return retry_on_compaction(lambda: read(state), renew)
