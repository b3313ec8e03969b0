"""Removal of data files that no kept version of a table needs."""

from __future__ import annotations

from collections.abc import Sequence

import deltalake

from lakebatch.delta.engine import COMMIT_RETRIES, HOT_PATH
from lakebatch.delta.table import Table

UNCOMMITTED_HOURS = 24
"""How long a file that no commit names is left: its writer may be about to commit it."""


def vacuum(table: Table, *, keep_versions: Sequence[int], keep_hours: int, dry_run: bool) -> list[str]:
    """Remove files that no kept version needs, and return their paths within the table.

    Parameters
    ----------
    keep_versions : sequence of int
        Versions that stay readable; the newest always does.
    keep_hours : int, hours
        Files that were needed within this time are left; those that no commit ever named, for a day at least.
    dry_run : bool
        Only say which files they are.
    """

    def remove(hours: int, *, full: bool) -> set[str]:
        """Remove the files that commits took out of the table and, if ``full``, those that no commit names."""
        return set(
            table.change(
                "vacuum",
                lambda handle: handle.vacuum(
                    retention_hours=hours,
                    dry_run=dry_run,
                    enforce_retention_duration=False,
                    full=full,
                    keep_versions=sorted({*keep_versions, int(handle.version())}),
                    commit_properties=deltalake.CommitProperties(max_commit_retries=COMMIT_RETRIES),
                    post_commithook_properties=HOT_PATH,
                ),
            )
        )

    removed = remove(max(keep_hours, UNCOMMITTED_HOURS), full=True)
    if keep_hours < UNCOMMITTED_HOURS:
        removed |= remove(keep_hours, full=False)
    return sorted(removed)
