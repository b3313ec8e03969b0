"""Removal of data files that no kept version of a table needs.

A file that no commit names may be one that its writer is about to commit, however long it was stopped. So before such
files are removed, a commit to the transactions of their writers makes these look again, and write their rows once more.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence

from lakebatch.storage.delta.foreign import EVENT
from lakebatch.storage.delta.log import FOLDER
from lakebatch.storage.delta.replacement import TRANSACTION
from lakebatch.storage.delta.table import Table
from lakebatch.storage.place import StoredFile

UNCOMMITTED_HOURS = 24
"""How long a file that no commit names is left: its writer may be about to commit it."""
UNFENCED_HOURS = 30 * 24
"""The same in a table without partitions, where a file does not tell whose it is."""
METADATA = {EVENT: "vacuumed"}
"""In a commit: files that versions before it need may be gone from then on."""
PARTITION = re.compile(r"assembly_id=([^/]+)/")


def vacuum(table: Table, *, keep_versions: Sequence[int], keep_hours: int, dry_run: bool) -> list[StoredFile]:
    """Remove files that no kept version needs, and return them.

    Parameters
    ----------
    keep_versions : sequence of int
        Versions that stay readable; the newest always does.
    keep_hours : int, hours
        Files that were still in use within this time are kept; files that no commit names, for at least a day by
        the clock of the storage.
    dry_run : bool
        Only return the files.
    """
    # listed before the log is read, so that a commit in between makes no file look uncommitted
    listed = table.storage.files(table.path)
    inner = inner_tables(file.path for file in listed)
    files = {file.path: file for file in listed if _is_data(file) and not is_within(file.path, inner)}
    replaced = _replaced(table, keep_versions, keep_hours) & files.keys()
    replaced -= table.at().origins.taken.keys()  # `repair` puts them back
    left_over = _old(table, files.keys() - _committed(table), max(keep_hours, UNCOMMITTED_HOURS))
    for version in keep_versions if left_over else ():
        left_over -= set(table.at(version).all_files["path"])
    if table.storage.is_local and (replaced or left_over):
        targets = link_targets(table.uri, files)
        replaced, left_over = replaced - targets, left_over - targets
    if not dry_run and (replaced or left_over):
        table.mark(METADATA, advance=[TRANSACTION, *_owners(left_over)])
        if left_over:  # a writer may have committed one of them before the mark
            left_over -= _committed(table)
        table.storage.remove_each(f"{table.path}/{path}" for path in sorted(replaced | left_over))
    return [files[path] for path in sorted(replaced | left_over)]


def inner_tables(paths: Iterable[str]) -> set[str]:
    """Return the folders of other tables below a table's folder, such as a copy of it, from the paths of its files.

    >>> inner_tables(["_delta_log/0.json", "a.parquet", "copy/_delta_log/0.json"])
    {'copy'}
    """
    return {path.partition(f"/{FOLDER}/")[0] for path in paths if f"/{FOLDER}/" in path}


def is_within(path: str, folders: Iterable[str]) -> bool:
    """Whether a path is below one of these folders."""
    return any(path.startswith(f"{folder}/") for folder in folders)


def link_targets(folder: str, paths: Iterable[str]) -> set[str]:
    """Return the paths of files below a folder of this machine to which links at others of the paths lead."""
    root = os.path.realpath(folder)
    links = [f"{root}/{path}" for path in paths if os.path.islink(f"{root}/{path}")]
    return {os.path.relpath(os.path.realpath(link), root) for link in links}


def _is_data(file: StoredFile) -> bool:
    """Whether a file may be one of the table's data files: neither of its log nor of another tool."""
    return file.path.endswith(".parquet") and not file.path.startswith(("_", ".")) and file.fault is None


def _committed(table: Table) -> set[str]:
    """Return the data files that commits have added to the table, also those that were replaced since."""
    return {*table.at().all_files["path"], *_replaced(table, (), 0)}


def _replaced(table: Table, keep_versions: Sequence[int], keep_hours: int) -> set[str]:
    """Return the data files that were taken out of the table before this time and that no kept version needs."""
    return set(
        table.ask(
            "vacuum",
            lambda handle: handle.vacuum(
                retention_hours=keep_hours,
                dry_run=True,
                enforce_retention_duration=False,
                keep_versions=sorted({*keep_versions, int(handle.version())}),
            ),
        )
    )


def _old(table: Table, paths: Iterable[str], hours: int) -> set[str]:
    """Return the files that are at least that old; a file without an owner must be much older."""
    found = set()
    by_folder: dict[str, list[str]] = {}
    for path in paths:
        by_folder.setdefault(path.rpartition("/")[0], []).append(path)
    for folder, files in by_folder.items():
        ages = table.storage.ages(f"{table.path}/{folder}".rstrip("/"))
        min_age = 3600.0 * (hours if _owners(files) else max(hours, UNFENCED_HOURS))
        found |= {path for path in files if ages.get(path.rpartition("/")[2], 0.0) > min_age}
    return found


def _owners(paths: Iterable[str]) -> set[str]:
    """Return the assemblies in whose partitions files are; they are the transactions of their writers."""
    matches = (PARTITION.match(path) for path in paths)
    return {match[1] for match in matches if match}
