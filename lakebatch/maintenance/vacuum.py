"""Removal of files that neither the newest state nor a tag needs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from numbers import Integral

import polars as pl

from lakebatch.assembly import lease
from lakebatch.assembly.tables import ExperimentTables
from lakebatch.errors import ConfigError
from lakebatch.maintenance import bundles
from lakebatch.maintenance.links import is_free_of_links
from lakebatch.maintenance.tables import existing_tables
from lakebatch.storage.delta import vacuum as delta_vacuum
from lakebatch.storage.delta.table import Table
from lakebatch.storage.place import StoredFile

KEEP_DAYS = 7
"""Age, in days, from which files may be removed: somebody who reads a state may need them until then."""
MAX_DAYS = 36_500

VACUUMED: dict[str, pl.DataType] = {
    "experiment": pl.String(),
    "table": pl.String(),
    "files": pl.Int64(),
    "bytes": pl.Int64(),
}


def vacuum(
    experiments: Sequence[ExperimentTables], *, keep_days: int = KEEP_DAYS, dry_run: bool = True
) -> pl.DataFrame:
    """Remove files that neither the newest state nor a tag needs: merged files, and leftovers of crashes.

    Every past state stays readable through lakebatch, which reads its rows from the newest files. Other readers
    can still read the newest version of each table and the tagged ones.

    Parameters
    ----------
    keep_days : int, days
        Files that were still in use within this time are kept, so that readers can finish. A file that no commit
        names is kept for at least a day, because its writer may be about to commit it.

    Returns
    -------
    frame
        One row per table: the number of removed files, and their bytes.
    """
    if not isinstance(keep_days, Integral) or not 0 <= keep_days <= MAX_DAYS:
        raise ConfigError(f"keep_days is {keep_days!r}. Expected 0 to {MAX_DAYS} days.")
    rows = [row for each in experiments for row in _vacuum(each, keep_days, dry_run)]
    rows += [row for each in experiments for row in _vacuum_leases(each, dry_run)]
    return pl.DataFrame(rows, schema=VACUUMED, orient="row")


def _vacuum(
    experiment: ExperimentTables, keep_days: int, dry_run: bool
) -> Iterator[tuple[str, str, int, int]]:
    for name, table in existing_tables(experiment):
        removed = [
            *_vacuum_table(experiment, table, keep_days, dry_run),
            *_vacuum_bundles(table, keep_days, dry_run),
        ]
        yield experiment.reference, name, len(removed), sum(file.size for file in removed)


def _vacuum_table(
    experiment: ExperimentTables, table: Table, keep_days: int, dry_run: bool
) -> list[StoredFile]:
    if not is_free_of_links(table.storage, table.path):
        return []
    tagged = [tag.versions().get(table.schema.table) for tag in experiment.tag_log.all()]
    keep = [version for version in tagged if version is not None]
    return delta_vacuum.vacuum(table, keep_versions=keep, keep_hours=24 * keep_days, dry_run=dry_run)


def _vacuum_bundles(table: Table, keep_days: int, dry_run: bool) -> list[StoredFile]:
    if not is_free_of_links(table.storage, table.bundle_folder):
        return []
    stale = bundles.stale(table, timedelta(days=max(keep_days, 1)))
    for file in () if dry_run else stale:
        table.storage.remove(f"{table.bundle_folder}/{file.path}")
    return stale


def _vacuum_leases(experiment: ExperimentTables, dry_run: bool) -> Iterator[tuple[str, str, int, int]]:
    if is_free_of_links(experiment.storage, f"{experiment.folder}/{lease.FOLDER}"):
        old = lease.remove_old(experiment.storage, experiment.folder, dry_run=dry_run)
        if old:
            yield experiment.reference, lease.FOLDER, len(old), sum(file.size for file in old)
