"""Assemblies of a lake as a table: progress, time since the last commit, time left."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

import polars as pl

from lakebatch.assembly.record import now
from lakebatch.cli.render import render
from lakebatch.snapshot import eta as pace
from lakebatch.snapshot import summary
from lakebatch.storage.delta import omissions

if TYPE_CHECKING:
    from lakebatch.lake.lake import Lake

KNOWN = ("assembly_id", "status", "parts_done", "parts_planned", "rows", "started_at", "changed_at", "error")
SCHEMA: dict[str, pl.DataType] = {
    "experiment": pl.String(),
    "experiment_version": pl.String(),
    **{name: summary.SUMMARY_COLUMNS[name] for name in KNOWN},
    "last_commit": pace.ESTIMATE_COLUMNS["last_commit"],
    "eta_seconds": pace.ESTIMATE_COLUMNS["eta_seconds"],
}
MIN_FULL_WIDTH = 120  # narrower terminals get fewer columns, and errors in separate lines


def assembly_states(lake: Lake, name: str | None = None) -> pl.DataFrame:
    """Return one row per assembly of a lake or of one of its experiments."""
    stored = [lake[name]] if name else lake.experiments()
    frames = [pl.DataFrame(schema=SCHEMA)]
    for each in stored:
        with omissions.warn_and_skip(each.reference, refuse=len(stored) == 1):
            pinned = each.snapshot()
            omissions.warn_of_faults(pinned.tables.lost)
            known = summary.summarize(pinned).join(
                pace.progress_estimates(pinned), on="assembly_id", maintain_order="left"
            )
            origin = {"experiment": each.name, "experiment_version": each.experiment_version}
            frames.append(
                known.with_columns(**{name: pl.lit(text) for name, text in origin.items()}).select(*SCHEMA)
            )
    return pl.concat(frames)


def join_version(found: pl.DataFrame) -> pl.DataFrame:
    """Return a table without ``experiment_version``; an experiment of which it shows several is called NAME@v1."""
    is_several = pl.col("experiment_version").n_unique().over("experiment") > 1
    qualified = pl.format("{}@{}", "experiment", "experiment_version")
    return found.with_columns(experiment=pl.when(is_several).then(qualified).otherwise("experiment")).drop(
        "experiment_version"
    )


def state_table(found: pl.DataFrame) -> str:
    """Return the assemblies as a table for people, as wide as the terminal."""
    narrow = sys.stdout.isatty() and shutil.get_terminal_size().columns < MIN_FULL_WIDTH
    table = join_version(found).select(
        "experiment",
        "assembly_id",
        "status",
        pl.format("{}/{}", "parts_done", "parts_planned").alias("parts"),
        "rows",
        "started_at",
        ((now() - pl.col("last_commit")).dt.total_seconds())
        .map_elements(pace.duration, pl.String)
        .alias("age"),
        pl.col("eta_seconds").map_elements(pace.duration, pl.String).alias("eta"),
        "error",
    )
    if not narrow:
        return render(table, "table")
    failed = table.filter(pl.col("error").is_not_null())
    lines = [f"{row['assembly_id']}: {row['error']}" for row in failed.iter_rows(named=True)]
    return "\n".join([render(table.drop("rows", "started_at", "error"), "table"), *lines])
