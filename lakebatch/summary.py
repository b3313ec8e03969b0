"""One row per assembly: what became of it."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from lakebatch.assembly import Assembly
from lakebatch.snapshot import Snapshot

COLUMNS: dict[str, pl.DataType] = {
    "assembly_id": pl.String(),
    "status": pl.String(),
    "parts_done": pl.Int64(),
    "parts_planned": pl.Int64(),
    "rows": pl.Int64(),
    "started_at": pl.Datetime("us", "UTC"),
    "changed_at": pl.Datetime("us", "UTC"),
    "seed": pl.Int64(),
    "host": pl.String(),
    "code_version": pl.String(),
    "config_hash": pl.String(),
    "config": pl.String(),
    "error": pl.String(),
}
"""The columns of a summary."""


def summarize(snapshot: Snapshot) -> pl.DataFrame:
    """Return one row per assembly, in the order of their running numbers."""
    first = snapshot.events.filter(pl.col("event") == 0)
    started = dict(first.select("assembly_id", "at").iter_rows())
    rows = snapshot.rows_by_assembly()
    return pl.DataFrame(
        [_row(each, snapshot, rows.get(each.assembly_id, 0), started) for each in snapshot.assemblies],
        schema=COLUMNS,
    )


BRIEF = ("assembly_id", "status", "parts_done", "parts_planned", "rows", "started_at", "seed", "error")
"""The columns that a person looks at first."""


def brief(snapshot: Snapshot) -> pl.DataFrame:
    """Return what a person looks at first, one row per assembly."""
    return summarize(snapshot).select(*BRIEF)


def _row(each: Assembly, snapshot: Snapshot, rows: int, started: dict[str, datetime]) -> dict[str, object]:
    done = each.parts_done if each.status == "completed" else len(snapshot.parts_done(each))
    known = {name: getattr(each, name) for name in COLUMNS if hasattr(each, name)}
    return known | {
        "status": snapshot.state(each),
        "parts_done": done,
        "rows": rows,
        "started_at": started.get(each.assembly_id),
        "changed_at": each.at,
    }


def history(events: pl.DataFrame) -> pl.DataFrame:
    """Return every event, oldest first, with the version of the results table that each saw."""
    return events.sort("at", "run_number", "event").select(
        pl.col("results_version").alias("version"),
        "at",
        "assembly_id",
        "status",
        "parts_done",
        "parts_planned",
        "rows",
        "error",
        "note",
        "code_version",
    )
