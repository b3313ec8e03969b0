"""Disk usage by experiment, table and assembly."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from lakebatch.assembly import lease
from lakebatch.assembly.tables import ExperimentTables
from lakebatch.maintenance.tables import existing_tables, frame_tables
from lakebatch.storage.delta.table import Table
from lakebatch.storage.place import StoredFile

USAGE: dict[str, pl.DataType] = {
    "experiment": pl.String(),
    "table": pl.String(),
    "assembly_id": pl.String(),
    "files": pl.Int64(),
    "rows": pl.Int64(),
    "bytes": pl.Int64(),
}
COUNTS = ("files", "rows", "bytes")


def usage(experiments: Sequence[ExperimentTables]) -> pl.DataFrame:
    """Return the disk usage: files, rows and bytes per experiment, table and assembly.

    A null ``assembly_id`` stands for all that belongs to no single assembly: tables without partitions, logs,
    bundles, leases, and files that the newest state does not need.
    """
    frames = [
        _of_table(each, name, table)
        for each in experiments
        for name, table in (*existing_tables(each), *frame_tables(each))
    ]
    frames += [
        _of_leases(each, found) for each in experiments if (found := lease.files(each.storage, each.folder))
    ]
    return pl.concat(frames) if frames else pl.DataFrame(schema=USAGE)


def _of_table(experiment: ExperimentTables, name: str, table: Table) -> pl.DataFrame:
    active = table.at().file_table
    by_assembly = active.group_by("assembly_id").agg(
        pl.len().cast(pl.Int64).alias("files"), pl.col("rows").sum(), pl.col("bytes").sum()
    )
    others = _summed(_others(table, set(active["path"])))
    summed = pl.concat([by_assembly, others]).group_by("assembly_id").agg(pl.col(COUNTS).sum())
    named = summed.with_columns(experiment=pl.lit(experiment.reference), table=pl.lit(name))
    return named.select(*USAGE).sort("assembly_id", nulls_last=True)


def _of_leases(experiment: ExperimentTables, leases: Sequence[StoredFile]) -> pl.DataFrame:
    named = _summed(leases).with_columns(experiment=pl.lit(experiment.reference), table=pl.lit(lease.FOLDER))
    return named.select(*USAGE)


def _others(table: Table, active: set[str]) -> list[StoredFile]:
    """Return all files of a table but the active data files: the log, bundles, and what only past states need."""
    files = [file for file in table.storage.files(table.path) if file.path not in active]
    return [*files, *table.storage.files(table.bundle_folder)]


def _summed(files: Sequence[StoredFile]) -> pl.DataFrame:
    row = (None, len(files), 0, sum(file.size for file in files))
    columns = ("assembly_id", *COUNTS)
    return pl.DataFrame([row], schema={name: USAGE[name] for name in columns}, orient="row")
