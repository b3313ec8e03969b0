"""Removal of a purged assembly from the published table, with the files that had its rows."""

from __future__ import annotations

from lakebatch.assembly.tables import PUBLISHED, ExperimentTables
from lakebatch.errors import StorageError
from lakebatch.maintenance.links import find_link
from lakebatch.maintenance.published.contents import read_entries
from lakebatch.maintenance.published.keep import update
from lakebatch.storage.delta.foreign import EVENT
from lakebatch.storage.delta.removal import ASSEMBLY, PURGING
from lakebatch.storage.delta.replacement import TRANSACTION
from lakebatch.storage.delta.table import Table
from lakebatch.storage.delta.version import DataFile


def purge(tables: ExperimentTables, assembly_id: str) -> None:
    """Take an assembly out of the published table for good: its rows leave the newest version, then old files go.

    Versions that had it cannot be read any more; no tag names one of them.

    Raises
    ------
    LakebatchError
        If the table cannot be brought up to date; call it again then.
    """
    table = tables.table(PUBLISHED)
    if not table.exists():
        return
    if link := find_link(table.storage, table.path):
        raise StorageError(
            f"{link} is a link, and nothing is removed through one. Put the folder itself in its place."
        )
    update(tables)
    if not _holding(tables, table, assembly_id):
        return
    # a process that was stopped before its commit looks again after this one
    table.mark({EVENT: PURGING, ASSEMBLY: assembly_id}, advance=[TRANSACTION])
    update(tables)
    table.storage.remove_each(f"{table.path}/{path}" for path in _holding(tables, table, assembly_id))


def _holding(tables: ExperimentTables, table: Table, assembly_id: str) -> list[str]:
    """Return the files that no needed version has and that hold the assembly, or cannot be read."""
    stored = [
        each
        for each in table.storage.files(table.path)
        if each.path.endswith(".parquet") and "/" not in each.path
    ]
    versions = {each.published_version for each in tables.tag_log.all() if each.published_version is not None}
    newest = table.at()
    needed = {path for state in (newest, *map(table.at, versions)) for path in state.file_table["path"]}
    found = []
    for each in stored:
        if each.path not in needed:
            entries = read_entries(newest, DataFile(each.path, None, each.size, -1))
            if entries is None or assembly_id in entries:
                found.append(each.path)
    return found
