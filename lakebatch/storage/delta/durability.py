"""Syncs of commits to a local disk, so that they survive a power cut.

The engine lets the system decide when a file reaches the disk, which may be half a minute later. So each commit is synced
before it counts as made: its data files, its log entry, and the folders in which they are new.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import unquote

from lakebatch.errors import StorageError
from lakebatch.storage.delta.log import FOLDER, entry_name

UNSUPPORTED = {errno.EINVAL, errno.ENOTSUP, errno.ENOSYS}
"""Errors of file systems that sync a folder only together with its files."""


def sync(table: Path, versions: Iterable[int]) -> None:
    """Sync the commits of some versions of a table to the disk.

    Raises
    ------
    StorageError
        If the disk reports an error.
    """
    files: dict[Path, None] = {}
    for version in versions:
        entry = table / FOLDER / entry_name(version)
        files |= dict.fromkeys([*_added(table, entry), entry])
    for file in files:
        _sync(file)
    for folder in _folders(table, files):
        _sync(folder)


def sync_created(table: Path) -> None:
    """Sync a new table to the disk, with the folders above it."""
    entries = sorted((table / FOLDER).glob("*.json"))
    for file in (*entries, table / FOLDER, table, *list(table.parents)[:3]):
        _sync(file)


def _added(table: Path, entry: Path) -> Iterator[Path]:
    """Yield the data files that a commit added."""
    try:
        content = entry.read_bytes()
    except OSError as error:
        raise _lost(entry, error) from error
    for line in content.splitlines():
        if b'"add"' in line and (added := json.loads(line).get("add")):
            yield table / unquote(added["path"])


def _folders(table: Path, files: Iterable[Path]) -> list[Path]:
    """Return the folders of files, and the folder of the table."""
    own = dict.fromkeys(file.parent for file in files)
    return list(own | {table: None})


def _sync(path: Path) -> None:
    try:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        return  # merged with others meanwhile, and removed
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise _lost(path, error) from error


def _lost(path: Path, error: OSError) -> StorageError:
    return StorageError(
        f"Cannot write {path} through to the disk: {error.strerror}. It may be lost; check the disk, "
        "then look at the lake with: lakebatch doctor --deep"
    )
