"""Merges of small files, which make a lake quick to read."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence

import polars as pl

from lakebatch._version import __version__
from lakebatch.assembly.tables import PUBLISHED, ExperimentTables
from lakebatch.errors import LakebatchError
from lakebatch.maintenance import published
from lakebatch.maintenance.bundles import bundle, may_be_due
from lakebatch.maintenance.tables import existing_tables
from lakebatch.storage.delta import compaction
from lakebatch.storage.delta.table import Table

logger = logging.getLogger(__name__)

TARGET_BYTES = 128 * 1024 * 1024
"""Size of a merged file."""
MAX_EVENT_FILES = 64
"""Number of files of events from which the end of a run merges all of them."""
EVENT_BYTES = 256 * 1024
"""Size below which a file of events counts as small: of one event or a few."""
MAX_SMALL_FILES = 16
"""Number of small files of events from which the end of a run merges these."""
METADATA = {"lakebatch.event": "optimized", "lakebatch.code_version": __version__}

OPTIMIZED: dict[str, pl.DataType] = {
    "experiment": pl.String(),
    "table": pl.String(),
    "files": pl.Int64(),
    "files_after": pl.Int64(),
    "merged_bytes": pl.Int64(),
    "rewritten": pl.Int64(),
}


def optimize(experiments: Sequence[ExperimentTables], *, dry_run: bool = True) -> pl.DataFrame:
    """Merge the small files of each table in one commit, and make bundles; no row and no past state changes.

    Returns
    -------
    frame
        One row per table: its number of files before and after, the bytes of the merged files, and the number of
        files with types that some engines cannot read, which are written again in plain ones. The published table is
        brought up to date; where it was not, its files count as written again. With ``dry_run`` nothing
        is done, and ``files_after`` is an estimate.
    """
    rows: list[dict[str, object]] = [
        {"experiment": each.reference, "table": name, **_optimize(table, dry_run)}
        for each in experiments
        for name, table in existing_tables(each)
        if name != PUBLISHED
    ]
    for each in () if dry_run else experiments:
        if each.exists():
            bundle(each.results, each.log.table)
    rows += [_publish(each, dry_run) for each in experiments if published.is_wanted(each)]
    return pl.DataFrame(rows, schema=OPTIMIZED)


def _publish(experiment: ExperimentTables, dry_run: bool) -> dict[str, object]:
    """Bring the published table up to date, and merge its files; all of them count as rewritten then."""
    table = experiment.table(PUBLISHED)
    before = table.at().file_table if table.exists() else None
    is_behind = published.is_behind(experiment)
    if is_behind and not dry_run:
        published.update(experiment, merge=True)
    files = 0 if before is None else before.height
    after = table.at().file_table.height if table.exists() and not dry_run else files
    return {
        "experiment": experiment.reference,
        "table": PUBLISHED,
        "files": files,
        "files_after": max(1, after) if is_behind else after,
        "merged_bytes": int(before["bytes"].sum()) if is_behind and before is not None else 0,
        "rewritten": max(1, files) if is_behind else 0,
    }


def compact_assembly(results: Table, events: Table, assembly_id: str) -> None:
    """Merge the files of an assembly that has all its parts, and the events once they are many; make bundles.

    A failure does not fail the run: the rows stay where they were, and `optimize` merges them later.
    """
    try:
        state = results.opened()
        has_several, may_bundle = len(state.data_files([assembly_id])) > 1, may_be_due(state)
        if has_several:
            compaction.compact(results, TARGET_BYTES, METADATA, assembly_id=assembly_id)
        _compact_events(events)
        if may_bundle:
            bundle(results, events)
    except LakebatchError as error:
        logger.info("files of %s were not merged: %s", assembly_id, error)


def _compact_events(events: Table) -> None:
    """Merge the events once they are many files, and small files of events earlier: each run adds two."""
    files = events.opened().file_table
    if files.height >= MAX_EVENT_FILES:
        compaction.compact(events, TARGET_BYTES, METADATA)
    elif files.filter(pl.col("bytes") < EVENT_BYTES).height >= MAX_SMALL_FILES:
        compaction.compact(events, EVENT_BYTES, METADATA)


def _optimize(table: Table, dry_run: bool) -> dict[str, int]:
    state = table.at()
    files = state.file_table
    rewritten = compaction.with_other_types(state)
    small = files.filter(pl.col("bytes") < TARGET_BYTES)
    groups = small.group_by("assembly_id").agg(pl.len().alias("count"), pl.col("bytes").sum())
    merged = groups.filter(pl.col("count") > 1)
    saved = sum(
        count - math.ceil(size / TARGET_BYTES) for count, size in merged.select("count", "bytes").iter_rows()
    )
    after = files.height - saved
    if not dry_run and (merged.height or rewritten):
        compaction.compact(table, TARGET_BYTES, METADATA, rewritten=rewritten)
        after = table.at().file_table.height
    return {
        "files": files.height,
        "files_after": after,
        "merged_bytes": int(merged["bytes"].sum()),
        "rewritten": len(rewritten),
    }
