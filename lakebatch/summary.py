"""One row per assembly: what became of it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import polars as pl

from lakebatch.assembly import Assembly, Status
from lakebatch.snapshot import COMPLETED, Snapshot

COLUMNS = {
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

GAP_COLUMNS = {"assembly_id": pl.String(), "lacks": pl.String()}
"""The columns of a list of gaps."""


def summarize(snapshot: Snapshot) -> pl.DataFrame:
    """Return one row per assembly, in the order of their running numbers."""
    first = snapshot.events.filter(pl.col("event") == 0)
    started = dict(first.select("assembly_id", "at").iter_rows())
    rows = snapshot.results.rows_by_assembly()
    return pl.DataFrame(
        [_row(each, snapshot, rows.get(each.assembly_id, 0), started) for each in snapshot.assemblies],
        schema=COLUMNS,
    )


def list_gaps(snapshot: Snapshot, include: Collection[Status] = COMPLETED) -> pl.DataFrame:
    """Return one row for each thing that the dataset of these assemblies lacks."""
    gaps = [(gap.assembly_id, gap.what) for gap in snapshot.gaps(include)]
    return pl.DataFrame(gaps, schema=GAP_COLUMNS, orient="row")


def _row(each: Assembly, snapshot: Snapshot, rows: int, started: dict[str, datetime]) -> dict[str, object]:
    done = each.parts_done if each.status == "completed" else len(snapshot.parts_done(each.assembly_id))
    known = {name: getattr(each, name) for name in COLUMNS if hasattr(each, name)}
    return known | {
        "status": snapshot.state(each),
        "parts_done": done,
        "rows": rows,
        "started_at": started.get(each.assembly_id),
        "changed_at": each.at,
    }
