"""One row per assembly: status, parts, rows and origin."""

from __future__ import annotations

import polars as pl

from lakebatch.assembly import dropped_samples, labels, missing_metrics
from lakebatch.assembly.record import BEFORE_COMMIT, COMMIT, Assembly
from lakebatch.assembly.states import RECORDED
from lakebatch.errors import DamageError, DamageWarning, warn
from lakebatch.snapshot.snapshot import Snapshot

SUMMARY_COLUMNS: dict[str, pl.DataType] = {
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
    "commit": pl.String(),
    "config_hash": pl.String(),
    "config": pl.String(),
    "error": pl.String(),
    "without_metric": pl.Int64(),
    "metric_errors": pl.String(),
    "samples_dropped": pl.Int64(),
    "samples_planned": pl.Int64(),
    "drop_reason": pl.String(),
    "name": pl.String(),
    "user": pl.String(),
    "started_from": pl.String(),
    "note": pl.String(),
    "purged": pl.String(),
}
"""The columns of `summarize`. ``without_metric`` to ``drop_reason`` are NULL until an assembly ends, and for those that an
older lakebatch ended. ``note`` is all notes of an assembly, oldest first; ``purged`` says when, by whom and
why the rows were removed for good."""
# lakebatch 0.1 wrote version and commit into one string
PIECES = pl.col("code_version").str.split(BEFORE_COMMIT)
CODE_VERSION = PIECES.list.first()
COMMITTED = pl.coalesce(
    pl.col("environment").str.json_path_match(f"$.{COMMIT}"), PIECES.list.get(1, null_on_oob=True)
)


def summarize(snapshot: Snapshot) -> pl.DataFrame:
    """Return one row per assembly, by run number."""
    first = snapshot.events.filter(pl.col("event") == 0)
    last = snapshot.last_events.rename({"at": "changed_at"}).drop("rows", "note")
    begun = first.select("assembly_id", started_at="at", user=labels.recorded(labels.USER))
    rows = (
        last.join(begun, on="assembly_id", how="left", maintain_order="left")
        .join(_notes(snapshot.events), on="assembly_id", how="left", maintain_order="left")
        .join(snapshot.counted, on="assembly_id", how="left", maintain_order="left")
        .with_columns(
            pl.col("rows").fill_null(0),
            code_version=CODE_VERSION,
            commit=COMMITTED,
            without_metric=_recorded(missing_metrics.KEY, "rows").cast(pl.Int64, strict=False),
            metric_errors=_recorded(missing_metrics.KEY, "why"),
            samples_dropped=_recorded(dropped_samples.KEY, "samples").cast(pl.Int64, strict=False),
            samples_planned=_recorded(dropped_samples.KEY, "of").cast(pl.Int64, strict=False),
            drop_reason=_recorded(dropped_samples.KEY, "why"),
            purged=_purged(snapshot),
            name=labels.recorded(labels.LABEL),
            started_from=labels.recorded(labels.FROM),
        )
        .with_columns(
            pl.when(pl.col("without_metric").is_not_null())
            .then(pl.col("samples_dropped").fill_null(0))
            .alias("samples_dropped")
        )
    )
    known = _not_completed(snapshot)
    return (
        rows.update(known, on="assembly_id", include_nulls=True)
        .select(*SUMMARY_COLUMNS)
        .cast(pl.Schema(SUMMARY_COLUMNS))
    )


def _purged(snapshot: Snapshot) -> pl.Expr:
    """Return the purge of each assembly, also one after the snapshot's moment."""
    texts = {assembly_id: str(purge) for assembly_id, purge in snapshot.tables.purges.items()}
    return pl.col("assembly_id").replace_strict(texts, default=None, return_dtype=pl.String)


def _notes(events: pl.DataFrame) -> pl.DataFrame:
    """Return the notes of each assembly that has any, oldest first, as one string."""
    noted = events.filter(pl.col("note").is_not_null()).sort("run_number", "event")
    return noted.group_by("assembly_id", maintain_order=True).agg(pl.col("note").str.join("; "))


def _recorded(key: str, name: str) -> pl.Expr:
    """Return what an event records of rows without a metric or dropped samples; an empty string as NULL."""
    value = pl.col("environment").str.json_path_match(f"$.{key}.{name}")
    return pl.when(value != "").then(value)


BRIEF = ("assembly_id", "status", "parts_done", "parts_planned", "rows", "started_at", "seed", "error")
"""The most important columns of a summary."""


def brief(snapshot: Snapshot) -> pl.DataFrame:
    """Return the most important columns for people, one row per assembly, with its state."""
    found = summarize(snapshot).select(*BRIEF)
    return found if snapshot.moment.is_past else with_states(found)


def with_states(found: pl.DataFrame) -> pl.DataFrame:
    """Return a frame for people, with the column ``state`` in place of ``status``."""
    return found.with_columns(pl.col("status").replace(RECORDED)).rename({"status": "state"})


def _not_completed(snapshot: Snapshot) -> pl.DataFrame:
    """Return status and parts of each assembly that is not completed; unreadable parts are NULL, with a warning."""
    rows = [
        (each.assembly_id, snapshot.present_status(each), _parts_done(each, snapshot))
        for each in snapshot.not_completed
    ]
    columns = {name: SUMMARY_COLUMNS[name] for name in ("assembly_id", "status", "parts_done")}
    return pl.DataFrame(rows, schema=columns, orient="row")


def _parts_done(each: Assembly, snapshot: Snapshot) -> int | None:
    try:
        return len(snapshot.parts_done(each))
    except DamageError as error:
        warn(str(error), DamageWarning)
        return None


def history(events: pl.DataFrame) -> pl.DataFrame:
    """Return every event with its version of the results, oldest first even where clocks differ."""
    forward = pl.col("at").cum_max().over("assembly_id")
    return events.sort("results_version", forward, "run_number", "event").select(
        pl.col("results_version").alias("version"),
        "at",
        "assembly_id",
        "status",
        "parts_done",
        "parts_planned",
        "rows",
        "error",
        "note",
        code_version=CODE_VERSION,
        commit=COMMITTED,
        name=labels.recorded(labels.LABEL),
        user=labels.recorded(labels.USER),
        started_from=labels.recorded(labels.FROM),
    )
