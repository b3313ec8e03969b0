"""Keeps the newest state of a table that was read, for as long as nothing has changed in its log.

Opening a table of ten thousand commits takes a thousand times as long as seeing that nothing was committed since, and who
looks at a lake from a notebook reads the same state again and again.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from lakebatch.delta.version import TableVersion
from lakebatch.deltalog import FOLDER, entry_name

Stamp: TypeAlias = "tuple[int, ...] | None"


@dataclass(frozen=True)
class _Seen:
    """A state, and how the folder of the log and its newest entry were then."""

    state: TableVersion
    folder: Stamp
    entry: Stamp


class Kept:
    """The newest state that was read of one table; nothing of one on S3, whose log cannot be looked at for free."""

    def __init__(self) -> None:
        self._seen: _Seen | None = None

    def newest(self, table: Path | None, opened: Callable[[], tuple[TableVersion, bool]]) -> TableVersion:
        """Return the newest state: the one that was read last if it still is that, else one that is opened now.

        Parameters
        ----------
        table : Path or None
            The folder of the table, None on S3.
        opened : callable
            Opens the newest state, and says whether it may be kept.
        """
        if table is None:
            return opened()[0]
        log, seen = table / FOLDER, self._seen  # another thread may look too
        if seen is not None and _is_newest(seen, log):
            return seen.state
        folder = _stamp(log)  # before it is opened: what is committed meanwhile is seen at the next look
        state, may_be_kept = opened()
        self._seen = _Seen(state, folder, _stamp(log / entry_name(state.number))) if may_be_kept else None
        return state


def _is_newest(seen: _Seen, log: Path) -> bool:
    """Whether no file of the log came or went since, its newest entry is the same, and there is no next one.

    The clock of a disk is coarse, so the folder alone does not tell.
    """
    number = seen.state.number
    return (
        _stamp(log) == seen.folder
        and _stamp(log / entry_name(number)) == seen.entry
        and _stamp(log / entry_name(number + 1)) is None
    )


def _stamp(path: Path) -> Stamp:
    """Return what changes when a file or folder does; None if it is not there."""
    try:
        about = os.stat(path)
    except OSError:
        return None
    return about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns
