"""What is behind an engine's error, in one line: the damaged file if there is one, and what to do."""

from __future__ import annotations

import re
from pathlib import Path

from lakebatch._warnings import warn
from lakebatch.errors import DamageError, DamageWarning, StorageError
from lakebatch.storage import Storage, disk_errors
from lakebatch.storage.delta import log as deltalog
from lakebatch.storage.s3_errors import ENGINE_ERROR

NOISE = re.compile(r"\s+0: <unknown>.*|stack backtrace:.*|\x1b\[[0-9;]*m", re.DOTALL)
"""What engines add to their messages and nobody can use."""
# The engine's word for what other tools have given a table, and it does not write
FOREIGN = "Unsupported table features"


def explain(storage: Storage, table: str, action: str, error: Exception) -> StorageError:
    """Return the error to raise when an engine could not open, read, create or write a table."""
    uri = storage.join(table)
    detail = " ".join(NOISE.sub("", str(error)).split()).rstrip(".")
    # To look at the log while S3 is not reached would take as long again
    has_to_look = action != "write" and ENGINE_ERROR not in detail
    if has_to_look and (fault := deltalog.first_fault(storage, table)):
        kind = DamageError if fault.is_damage else StorageError
        return kind(f"Cannot {action} {uri}: {fault}")
    return StorageError(f"Cannot {action} {uri}: {detail}. {_advice(detail)}")


def warn_of_lost_commits(storage: Storage, table: str, *, in_the_past: bool) -> bool:
    """Warn of every entry of the log that is empty, and return whether there is none.

    Of those since the last checkpoint or, for a past version, of all.
    """
    lost = deltalog.empty_entries(storage, table, 0 if in_the_past else None)
    for file in lost:
        what = f"{file} is empty, so the rows committed there are missing. {deltalog.RESTORE}"
        warn(what, DamageWarning)
    return not lost


def no_table(storage: Storage, table: str) -> StorageError:
    """Return the error to raise where a table is looked for and none is found."""
    uri = storage.join(table)
    if storage.is_local:
        deltalog.exists(Path(uri))  # which raises where that cannot be told
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


def _advice(detail: str) -> str:
    if "minimum reader version" in detail:
        return "Install a newer lakebatch, whose engine may know it."
    if any(word in detail for word in (FOREIGN, "error: Unsupported", "Column mapping")):
        return "Have the tool that added them take them out again: ALTER TABLE ... DROP FEATURE."
    return disk_errors.advice(detail)
