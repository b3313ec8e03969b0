"""Has the writers of one machine commit to a table one after the other.

Nothing depends on it: whoever commits is refused by the engine if somebody else came before. But being refused costs as
much as committing, and with many writers most attempts would be. So whoever is about to commit to a table locks the
table's folder, or a file of this machine that stands for a table on S3; where that is not possible (some network file
systems), or takes too long, it goes on without.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

# A pipe in place of the folder is not waited for
OPENING = os.O_RDONLY | os.O_NONBLOCK
MAX_WAIT = 2.0
"""Seconds; a turn takes a few hundredths, but whoever has it can be writing a part larger than memory, or be stopped."""
MIN_BACKOFF, MAX_BACKOFF = 0.001, 0.008
"""Seconds between two looks whether it is one's turn: ever longer, because many who look often leave no time to commit."""


def lock_file(uri: str) -> Path | None:
    """Return the file that stands for a table on S3, the same for all processes of a user on this machine.

    None where there is no folder that this user alone can write in: in one of somebody else's, a file could be a link.
    """
    folder = Path(tempfile.gettempdir(), f"lakebatch-turns-{os.getuid()}")
    file = folder / hashlib.sha256(uri.encode()).hexdigest()[:16]
    try:
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        if not _is_own(folder):
            return None
        os.close(os.open(file, OPENING | os.O_CREAT | os.O_NOFOLLOW, 0o600))
    except OSError:
        return None
    return file


def _is_own(folder: Path) -> bool:
    about = folder.lstat()
    is_private = stat.S_ISDIR(about.st_mode) and not about.st_mode & 0o077
    return is_private and about.st_uid == os.getuid()


@contextmanager
def hold(place: Path | None) -> Iterator[None]:
    """Take a turn to commit to the table in a folder, or to the one that a file stands for; none without a place."""
    lock = None
    with suppress(OSError):
        lock = None if place is None else os.open(place, OPENING)
    try:
        if lock is not None:
            _wait(lock)
        yield
    finally:
        if lock is not None:
            os.close(lock)  # which ends the turn, as the end of the process does


def _wait(lock: int) -> None:
    deadline, pause = time.monotonic() + MAX_WAIT, MIN_BACKOFF
    while time.monotonic() < deadline:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(pause)
            pause = min(2 * pause, MAX_BACKOFF)
        except OSError:
            return
        else:
            return
