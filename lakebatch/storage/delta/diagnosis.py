"""Errors of the engine, explained in one line each: the damaged file if there is one, and what to do."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from deltalake.exceptions import TableNotFoundError

from lakebatch._files import ABSENT, unreadable
from lakebatch.errors import DamageError, LakebatchError, StorageError, UnreadableWarning, warn
from lakebatch.storage import Storage, disk_errors
from lakebatch.storage.delta import log as deltalog

# Parts of an engine's message that are of no use to a reader
NOISE = re.compile(r"\s+0: <unknown>.*|stack backtrace:.*|\x1b\[[0-9;]*m", re.DOTALL)
FOREIGN = "Unsupported table features"
"""The engine's words for a feature that another tool gave a table and that the engine does not write."""


def storage_error(storage: Storage, table: str, action: str, error: Exception) -> StorageError:
    """Return the error to raise when the engine could not open, read, create or write a table."""
    if isinstance(error, TableNotFoundError) and action != "create":
        return no_table(storage, table)
    what = f"Cannot {action} {storage.join(table)}"
    if explained := storage.explain(error):
        return StorageError(f"{what}: {explained}")
    if action != "write" and (fault := deltalog.first_fault(storage, table)):
        return (DamageError if fault.is_damage else StorageError)(f"{what}: {fault}")
    detail = one_line(error)
    return StorageError(f"{what}: {detail}. {_advice(detail)}")


def one_line(error: object) -> str:
    """Return an error's message in one line, without an engine's noise and the full stop."""
    return " ".join(NOISE.sub("", str(error)).split()).rstrip(".")


def _advice(detail: str) -> str:
    if "minimum reader version" in detail:
        return "Install a newer lakebatch, whose engine may know it."
    if any(words in detail for words in (FOREIGN, "error: Unsupported", "Column mapping")):
        return "Have the tool that added them take them out again: ALTER TABLE ... DROP FEATURE."
    return disk_errors.advice(detail)


def no_table(storage: Storage, table: str) -> StorageError:
    """Return the error to raise when a table is missing."""
    uri = storage.join(table)
    if storage.is_local:
        deltalog.exists(Path(uri))  # raises if the folder cannot be read
    if left := len(storage.files(table)):
        return DamageError(
            f"{uri} has lost its log: {left} files are in it and nothing says what they are. "
            f"Put {deltalog.FOLDER} back from a backup."
        )
    if storage.files(table.rpartition("/")[0]):
        return DamageError(
            f"There is no table at {uri}, though there are others of this experiment. Put it back from a backup."
        )
    return StorageError(f"There is no table at {uri}. Check --lake, or start with: lakebatch run")


def warn_of_lost_commits(storage: Storage, table: str, *, in_the_past: bool) -> bool:
    """Warn of every empty log entry, and return whether there is none.

    Only entries after the last checkpoint are checked, unless a past version is read.

    Raises
    ------
    DamageError
        If a pipe or a device is in place of one: engines skip it too, and a commit after it would wait for ever.
    """
    lost = _empty_entries(storage, table, 0 if in_the_past else None)
    for file in lost:
        what = f"{file} is empty, so the rows committed there are missing. {deltalog.RESTORE}"
        warn(what, UnreadableWarning)
    return not lost


def _empty_entries(storage: Storage, table: str, since: int | None) -> list[Path]:
    """Return the empty entries of a log on disk, which engines skip in silence, from a version on.

    A power cut can leave one after the newest checkpoint; on S3 an object is written whole or not at all.
    """
    if not storage.is_local:
        return []
    folder = Path(storage.uri, table, deltalog.FOLDER)
    first = _checkpointed(folder) + 1 if since is None else since
    try:
        later = [name for name in os.listdir(folder) if name >= f"{first:020d}"]  # of thousands, a few
        entries = [folder / name for name in sorted(later) if deltalog.ENTRY.fullmatch(name)]
        return [entry for entry in entries if _is_empty(entry)]
    except ABSENT:
        return []
    except LakebatchError:
        raise
    except OSError as error:
        raise unreadable(error, str(error.filename)) from error


def _is_empty(entry: Path) -> bool:
    about = entry.stat()
    if not stat.S_ISREG(about.st_mode):
        what = "is no regular file but a pipe, a socket or a device"
        raise DamageError(f"{entry} {what}. {deltalog.RESTORE}")
    return not about.st_size


def _checkpointed(folder: Path) -> int:
    try:
        return deltalog.pointed_version((folder / deltalog.POINTER).read_bytes())
    except (OSError, ValueError):
        return -1
