"""Upkeep of a table's files: small ones are merged, those that nothing needs removed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import deltalake

from lakebatch.delta import claim
from lakebatch.delta.engine import COMMIT_RETRIES, HOT_PATH, WRITER_PROPERTIES
from lakebatch.delta.table import Table
from lakebatch.delta.version import Handle

UNCOMMITTED_HOURS = 24
"""How long a file that no commit names is left: its writer may be about to commit it."""


def compact(
    table: Table, target_bytes: int, metadata: Mapping[str, str], *, assembly_id: str | None = None
) -> dict[str, int]:
    """Merge the small files of each partition in one commit; no row changes, appends go on beside it.

    Parameters
    ----------
    assembly_id : str, optional
        Merge the files of this assembly alone.

    Returns
    -------
    dict
        ``files_before`` and ``files_after``, of those that were merged.
    """
    if not _mergeable(table, target_bytes, assembly_id):
        return {"files_before": 0, "files_after": 0}

    def merge(handle: Handle) -> dict[str, Any]:
        return handle.optimize.compact(
            partition_filters=None if assembly_id is None else [("assembly_id", "=", assembly_id)],
            target_size=target_bytes,
            writer_properties=WRITER_PROPERTIES,
            commit_properties=deltalake.CommitProperties(
                custom_metadata=dict(metadata), max_commit_retries=COMMIT_RETRIES
            ),
            post_commithook_properties=HOT_PATH,
        )

    with claim.held(table):
        metrics = table.change("compact", merge)
    return {"files_before": int(metrics["numFilesRemoved"]), "files_after": int(metrics["numFilesAdded"])}


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


def _mergeable(table: Table, target_bytes: int, assembly_id: str | None) -> bool:
    """Whether a partition has several small files."""
    files = table.newest().data_files(None if assembly_id is None else [assembly_id])
    partitions = [file.assembly_id for file in files if file.size < target_bytes]
    return len(partitions) > len(set(partitions))
