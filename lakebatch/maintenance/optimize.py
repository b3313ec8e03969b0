"""Keeps a lake quick and small: merges small files, removes files that nothing needs, says what takes space."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Iterator, Sequence
from datetime import timedelta

import polars as pl

from lakebatch._version import __version__
from lakebatch.assembly import lease
from lakebatch.assembly.tables import DATA, ExperimentTables
from lakebatch.errors import ConfigError, DamageWarning, LakebatchError
from lakebatch.maintenance import bundles as bundling
from lakebatch.maintenance.links import linked
from lakebatch.storage import Storage
from lakebatch.storage.delta import compaction
from lakebatch.storage.delta import vacuum as delta_vacuum
from lakebatch.storage.delta.table import Table

logger = logging.getLogger(__name__)

TARGET_BYTES = 128 * 1024 * 1024
"""Size that files are merged to."""
MAX_EVENT_FILES = 64
"""From so many files on, one for each event, those of the events are merged."""
KEEP_DAYS = 7
"""Younger files are left alone: a writer that is about to commit them may be slow."""
MAX_DAYS = 36_500
TABLES = (*DATA, "assemblies", "tags")
METADATA = {"lakebatch.event": "optimized", "lakebatch.code_version": __version__}

OPTIMIZED: dict[str, pl.DataType] = {
    "experiment": pl.String(),
    "table": pl.String(),
    "files": pl.Int64(),
    "files_after": pl.Int64(),
    "merged_bytes": pl.Int64(),
}
VACUUMED: dict[str, pl.DataType] = {
    "experiment": pl.String(),
    "table": pl.String(),
    "files": pl.Int64(),
    "bytes": pl.Int64(),
}
USAGE: dict[str, pl.DataType] = {
    "experiment": pl.String(),
    "table": pl.String(),
    "assembly_id": pl.String(),
    "files": pl.Int64(),
    "rows": pl.Int64(),
    "bytes": pl.Int64(),
}


def optimize(experiments: Sequence[ExperimentTables], *, dry_run: bool = True) -> pl.DataFrame:
    """Merge the small files of each table, one commit a table, and make bundles; no row and no past state changes.

    Returns
    -------
    frame
        Per table: its files before and after, and the bytes of those that are merged. With ``dry_run``
        nothing is done and ``files_after`` is what is to be expected.
    """
    rows = [
        {"experiment": each.name, "table": name, **_optimized(table, dry_run)}
        for each in experiments
        for name, table in _tables(each)
    ]
    for each in () if dry_run else experiments:
        if each.exists():
            bundling.bundle(each.results, each.log.table)
    return pl.DataFrame(rows, schema=OPTIMIZED)


def vacuum(
    experiments: Sequence[ExperimentTables], *, keep_days: int = KEEP_DAYS, dry_run: bool = True
) -> pl.DataFrame:
    """Remove files that neither the newest state nor a tag needs: merged ones, and what crashes left behind.

    Past states stay readable through lakebatch, which reads their rows from the newest files; for other
    readers of the tables, those versions stay readable that tags name.

    Parameters
    ----------
    keep_days : int, days
        Files that were needed within this time are left, so that whoever began to read them can go on. A file
        that no commit names is left for a day at least, because its writer may be about to commit it.

    Returns
    -------
    frame
        Per table: how many files, and their bytes.
    """
    if not 0 <= keep_days <= MAX_DAYS:
        raise ConfigError(f"keep_days is {keep_days}. Expected 0 to {MAX_DAYS} days.")
    rows: list[dict[str, object]] = [
        {"experiment": each.name, "table": name, **_vacuumed(each, table, keep_days, dry_run)}
        for each in experiments
        for name, table in _tables(each)
    ]
    rows += [row for each in experiments for row in _vacuumed_leases(each, dry_run)]
    return pl.DataFrame(rows, schema=VACUUMED)


def usage(experiments: Sequence[ExperimentTables]) -> pl.DataFrame:
    """Return what takes space: files, rows and bytes per experiment, table and assembly.

    An empty ``assembly_id`` stands for what belongs to no single one: tables that are not partitioned,
    logs, bundles, leases, and files that the newest state does not need.
    """
    frames = [_usage(each, name, table) for each in experiments for name, table in _tables(each)]
    frames += [_used_by_leases(each) for each in experiments if lease.files(each.storage, each.folder)]
    return pl.concat(frames) if frames else pl.DataFrame(schema=USAGE)


def compact_assembly(results: Table, events: Table, assembly_id: str) -> None:
    """Merge the files of an assembly whose parts are all there, and the events once they are many; make bundles.

    Whatever goes wrong is no concern of the run: the rows are where they were, and `optimize` does it later.
    """
    try:
        compaction.compact(results, TARGET_BYTES, METADATA, assembly_id=assembly_id)
        if events.newest().file_table.height >= MAX_EVENT_FILES:
            compaction.compact(events, TARGET_BYTES, METADATA)
        bundling.bundle(results, events)
    except LakebatchError as error:
        logger.info("files of %s were not merged: %s", assembly_id, error)


def _tables(experiment: ExperimentTables) -> Iterator[tuple[str, Table]]:
    for name in TABLES:
        table = experiment.table(name)
        if table.exists():
            yield name, table


def _optimized(table: Table, dry_run: bool) -> dict[str, int]:
    files = table.at().file_table
    small = files.filter(pl.col("bytes") < TARGET_BYTES)
    groups = small.group_by("assembly_id").agg(pl.len().alias("count"), pl.col("bytes").sum())
    merged = groups.filter(pl.col("count") > 1)
    saved = sum(
        count - math.ceil(size / TARGET_BYTES) for count, size in merged.select("count", "bytes").iter_rows()
    )
    after = files.height - saved
    if not dry_run and merged.height:
        compaction.compact(table, TARGET_BYTES, METADATA)
        after = table.at().file_table.height
    return {"files": files.height, "files_after": after, "merged_bytes": int(merged["bytes"].sum())}


def _vacuumed(experiment: ExperimentTables, table: Table, keep_days: int, dry_run: bool) -> dict[str, int]:
    name = table.schema.table
    removed: list[int] = []
    if _is_in_the_lake(table.storage, table.path):
        tagged = [tag.versions().get(name) for tag in experiment.tag_log.all()]
        keep = [version for version in tagged if version is not None]
        sizes = _sizes(experiment, name)
        named = delta_vacuum.vacuum(table, keep_versions=keep, keep_hours=24 * keep_days, dry_run=dry_run)
        removed += [sizes[path] for path in named if path in sizes]  # those of earlier times are named again
    if _is_in_the_lake(table.storage, table.bundle_folder):
        for file in bundling.useless(table, timedelta(days=max(keep_days, 1))):
            removed.append(file.size)
            if not dry_run:
                table.storage.remove(f"{table.bundle_folder}/{file.path}")
    return {"files": len(removed), "bytes": sum(removed)}


def _vacuumed_leases(experiment: ExperimentTables, dry_run: bool) -> list[dict[str, object]]:
    if not _is_in_the_lake(experiment.storage, f"{experiment.folder}/{lease.FOLDER}"):
        return []
    old = lease.remove_old(experiment.storage, experiment.folder, dry_run=dry_run)
    size = sum(file.size for file in old)
    counted = {"table": lease.FOLDER, "files": len(old), "bytes": size}
    return [{"experiment": experiment.name, **counted}] if old else []


def _used_by_leases(experiment: ExperimentTables) -> pl.DataFrame:
    sizes = [file.size for file in lease.files(experiment.storage, experiment.folder)]
    row = (experiment.name, lease.FOLDER, None, len(sizes), 0, sum(sizes))
    return pl.DataFrame([row], schema=USAGE, orient="row")


def _is_in_the_lake(storage: Storage, folder: str) -> bool:
    """Whether all that a folder holds is in the lake itself; warn of a link, which could lead anywhere."""
    link = linked(storage, folder)
    if link:
        warnings.warn(
            f"{link} is a link, and nothing is removed through one: the files of {storage.join(folder)} stay. "
            "Put the folder itself in its place to have them looked after.",
            DamageWarning,
            stacklevel=2,
        )
    return link is None


def _sizes(experiment: ExperimentTables, name: str) -> dict[str, int]:
    """Return the size in bytes of every file of a table, by its path in it."""
    return {file.path: file.size for file in experiment.storage.files(f"{experiment.folder}/{name}")}


def _usage(experiment: ExperimentTables, name: str, table: Table) -> pl.DataFrame:
    files = table.at().file_table
    sizes = _sizes(experiment, name)
    by_assembly = files.group_by("assembly_id").agg(
        pl.len().cast(pl.Int64).alias("files"), pl.col("rows").sum(), pl.col("bytes").sum()
    )
    needed = set(files["path"])
    rest = [size for path, size in sizes.items() if path not in needed]
    rest += [file.size for file in table.storage.files(table.bundle_folder)]
    other = pl.DataFrame(
        {"assembly_id": [None], "files": [len(rest)], "rows": [0], "bytes": [sum(rest)]},
        schema={key: USAGE[key] for key in ("assembly_id", "files", "rows", "bytes")},
    )
    both = pl.concat([by_assembly.select(other.columns), other])
    summed = both.group_by("assembly_id").agg(pl.col("files", "rows", "bytes").sum())
    named = summed.with_columns(pl.lit(experiment.name).alias("experiment"), pl.lit(name).alias("table"))
    return named.select(*USAGE).sort("assembly_id", nulls_last=True)
