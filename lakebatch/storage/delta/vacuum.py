"""Removal of data files that no kept version of a table needs.

A file that no commit names may be one that its writer is about to commit, however long it was stopped. So before such
files are removed, a commit to the transactions of their writers makes these look again, and write their rows once more.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from lakebatch.storage.delta.replacement import TRANSACTION
from lakebatch.storage.delta.table import Table

UNCOMMITTED_HOURS = 24
"""How long a file that no commit names is left: its writer may be about to commit it."""
UNFENCED_HOURS = 30 * 24
"""The same in a table without partitions, where a file does not tell whose it is."""
EVENT = "lakebatch.event"
METADATA = {EVENT: "vacuumed"}
"""In a commit: files that versions before it need may be gone from then on."""
PARTITION = re.compile(r"assembly_id=([^/]+)/")


class Unneeded(NamedTuple):
    """Paths of files that no kept version of a table needs: replaced by others, or never named by a commit."""

    replaced: frozenset[str]
    uncommitted: frozenset[str]


def vacuum(table: Table, *, keep_versions: Sequence[int], keep_hours: int, dry_run: bool) -> list[str]:
    """Remove files that no kept version needs, and return their paths within the table.

    Parameters
    ----------
    keep_versions : sequence of int
        Versions that stay readable; the newest always does.
    keep_hours : int, hours
        Files that were needed within this time are left; those that no commit ever named, for a day at least, by
        the clock of the storage.
    dry_run : bool
        Only say which files they are.
    """
    found = _unneeded(table, keep_versions, keep_hours)
    left_over = _old(table, found.uncommitted, max(keep_hours, UNCOMMITTED_HOURS))
    if not dry_run and (found.replaced or left_over):
        table.mark(METADATA, advance=[TRANSACTION, *_owners(left_over)])
        if left_over:  # a writer may have committed one of them before the mark
            left_over &= _unneeded(table, keep_versions, keep_hours).uncommitted
        table.storage.remove_each(f"{table.path}/{path}" for path in sorted(found.replaced | left_over))
    return sorted(found.replaced | left_over)


def _unneeded(table: Table, keep_versions: Sequence[int], keep_hours: int) -> Unneeded:
    def listed(hours: int, *, full: bool) -> frozenset[str]:
        """Return the files that commits took out of the table and, if ``full``, those that no commit names."""
        return frozenset(
            table.change(
                "vacuum",
                lambda handle: handle.vacuum(
                    retention_hours=hours,
                    dry_run=True,
                    enforce_retention_duration=False,
                    full=full,
                    keep_versions=sorted({*keep_versions, int(handle.version())}),
                ),
            )
        )

    return Unneeded(listed(keep_hours, full=False), listed(0, full=True) - listed(0, full=False))


def _old(table: Table, paths: Iterable[str], hours: int) -> set[str]:
    """Return the files that were written that long ago; those without an owner much longer ago."""
    found = set()
    by_folder: dict[str, list[str]] = {}
    for path in paths:
        by_folder.setdefault(path.rpartition("/")[0], []).append(path)
    for folder, files in by_folder.items():
        ages = table.storage.ages(f"{table.path}/{folder}".rstrip("/"))
        least = 3600.0 * (hours if _owners(files) else max(hours, UNFENCED_HOURS))
        found |= {path for path in files if ages.get(path.rpartition("/")[2], 0.0) > least}
    return found


def _owners(paths: Iterable[str]) -> set[str]:
    """Return the assemblies in whose partitions files are; they are the transactions of their writers."""
    matches = (PARTITION.match(path) for path in paths)
    return {match[1] for match in matches if match}
