"""One row per assembly: what became of it."""

from __future__ import annotations

import warnings
from datetime import datetime

import polars as pl

from lakebatch.assembly import Assembly
from lakebatch.errors import DamageError, DamageWarning
from lakebatch.snapshot import Snapshot

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


def summarize(snapshot: Snapshot) -> pl.DataFrame:
    """Return one row per assembly, in the order of their running numbers."""
    first = snapshot.events.filter(pl.col("event") == 0)
    started = dict(first.select("assembly_id", "at").iter_rows())
    rows = snapshot.results.rows_by_assembly()
    return pl.DataFrame(
        [_row(each, snapshot, rows.get(each.assembly_id, 0), started) for each in snapshot.assemblies],
        schema=COLUMNS,
    )


def _row(each: Assembly, snapshot: Snapshot, rows: int, started: dict[str, datetime]) -> dict[str, object]:
    known = {name: getattr(each, name) for name in COLUMNS if hasattr(each, name)}
    return known | {
        "status": snapshot.state(each),
        "parts_done": _parts_done(each, snapshot),
        "rows": rows,
        "started_at": started.get(each.assembly_id),
        "changed_at": each.at,
    }


def _parts_done(each: Assembly, snapshot: Snapshot) -> int | None:
    """Return how many parts have rows; None, with a warning, if that cannot be read."""
    if each.status == "completed":
        return each.parts_done
    try:
        return len(snapshot.parts_done(each.assembly_id))
    except DamageError as error:
        warnings.warn(str(error), DamageWarning, stacklevel=2)
        return None
