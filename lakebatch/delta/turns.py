"""Has the writers of one machine commit to a table one after the other.

Nothing depends on it: whoever commits is refused by the engine if somebody else came before. But being refused costs as
much as committing, and with many writers most attempts would be. So whoever is about to commit to a table on a disk locks
the table's folder; where that is not possible (S3, some network file systems), or takes too long, it goes on without.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

LONGEST_WAIT = 2.0
"""Seconds; a turn takes a few hundredths, but whoever has it can be writing a part larger than memory, or be stopped."""
POLL_SECONDS = 0.002


@contextmanager
def taken(folder: Path | None) -> Iterator[None]:
    """Take a turn to commit to the table in a folder; None for one that is not on a disk."""
    lock = None
    with suppress(OSError):
        lock = None if folder is None else os.open(folder, os.O_RDONLY)
    try:
        if lock is not None:
            _wait(lock)
        yield
    finally:
        if lock is not None:
            os.close(lock)  # which ends the turn, as the end of the process does


def _wait(lock: int) -> None:
    deadline = time.monotonic() + LONGEST_WAIT
    while time.monotonic() < deadline:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(POLL_SECONDS)
        except OSError:
            return
        else:
            return
