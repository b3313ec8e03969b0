"""Advisory lock that makes the writers of one machine commit to a table one after the other.

No guarantee depends on the lock: the engine refuses a commit that another writer overtook. But a refused commit costs as
much as a successful one, and with many writers most attempts would be refused. So a writer locks the folder of the table, or
for a table on S3 a file of this machine; if that is not possible (some network file systems) or takes too long, it commits
without the lock.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lakebatch._files import O_NOFOLLOW, O_NONBLOCK

# Without waiting, should a pipe be in place of the folder
OPEN_FLAGS = os.O_RDONLY | O_NONBLOCK
MAX_WAIT = 2.0
"""Seconds; a commit takes a few hundredths, but the holder can be writing a part larger than memory, or be stopped."""
MIN_BACKOFF, MAX_BACKOFF = 0.001, 0.008
"""Seconds between two attempts to lock; doubled each time, because many frequent attempts leave no time to commit."""


def lock_file(uri: str) -> Path | None:
    """Return the lock file of a table on S3, the same for all processes of a user on this machine.

    None without a folder that only this user can write in: in a folder of another user, the file could be a link.
    """
    if sys.platform == "win32":  # nothing is written there
        return None
    folder = Path(tempfile.gettempdir(), f"lakebatch-turns-{os.getuid()}")
    file = folder / hashlib.sha256(uri.encode()).hexdigest()[:16]
    try:
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        if not _is_own(folder):
            return None
        os.close(os.open(file, OPEN_FLAGS | os.O_CREAT | O_NOFOLLOW, 0o600))
    except OSError:
        return None
    return file


def _is_own(folder: Path) -> bool:
    if sys.platform == "win32":  # see above
        raise NotImplementedError
    about = folder.lstat()
    is_private = stat.S_ISDIR(about.st_mode) and not about.st_mode & 0o077
    return is_private and about.st_uid == os.getuid()


@contextmanager
def hold(place: Path | None) -> Iterator[None]:
    """Hold the lock of a table's folder or lock file; without a place, hold none."""
    lock = None
    with suppress(OSError):
        lock = None if place is None else os.open(place, OPEN_FLAGS)
    try:
        if lock is not None:
            _wait(lock)
        yield
    finally:
        if lock is not None:
            os.close(lock)  # releases the lock, as the end of the process does


def _wait(lock: int) -> None:
    if sys.platform == "win32":  # nothing is written there
        return
    import fcntl

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
