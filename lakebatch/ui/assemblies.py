"""Every assembly of some experiments as one table, with what its progress and its config say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl

from lakebatch.assembly import labels
from lakebatch.assembly.record_json import read_tree, where
from lakebatch.errors import DamageError, DamageWarning, warn
from lakebatch.snapshot import config_columns, eta
from lakebatch.snapshot.snapshot import Snapshot
from lakebatch.snapshot.summary import summarize
from lakebatch.ui import compact

COLUMNS: dict[str, pl.DataType] = {
    "experiment": pl.String(),
    "folder": pl.String(),
    "assembly": pl.String(),
    "name": pl.String(),
    "state": pl.String(),
    "done": pl.Int64(),
    "planned": pl.Int64(),
    "started": pl.Int64(),
    "ended": pl.Int64(),
    "left": pl.Float64(),
    "doing": pl.String(),
    "rows": pl.Int64(),
    "user": pl.String(),
    "note": pl.String(),
    "without": pl.Int64(),
    "error": pl.String(),
    "sweep": pl.String(),
    "hash": pl.String(),
}
"""The columns of a table of assemblies: ``started`` and ``ended`` in ms since 1970, ``left`` in s, and
``doing`` what a running one does, see `lakebatch.snapshot.eta`."""
ENDED = ("completed", "failed", "discarded")


def table(snapshots: Mapping[str, Snapshot]) -> dict[str, Any]:
    """Return the assemblies, newest first, and their configs, as compact columns, see `lakebatch.ui.compact`."""
    rows = frame(snapshots).sort("started", descending=True, nulls_last=True, maintain_order=True)
    keys = rows.select("folder", "hash").unique(maintain_order=True).with_row_index("config")
    placed = rows.join(keys, on=["folder", "hash"], how="left", maintain_order="left", nulls_equal=True)
    return {
        "count": rows.height,
        "columns": compact.frame(placed.drop("hash")),
        "configs": _configs(snapshots, list(keys.select("folder", "hash").iter_rows())),
    }


def frame(snapshots: Mapping[str, Snapshot]) -> pl.DataFrame:
    """Return the assemblies of some experiments as `COLUMNS`."""
    found = [_rows(name, each) for name, each in snapshots.items()]
    return pl.concat([pl.DataFrame(schema=COLUMNS), *found])


def _rows(name: str, snapshot: Snapshot) -> pl.DataFrame:
    found = summarize(snapshot)
    states = dict(found.select("assembly_id", "status").iter_rows())
    running = [each for each, state in states.items() if is_running(snapshot, state)]
    return (
        found.join(_ends(snapshot.events), on="assembly_id", how="left", maintain_order="left")
        .join(estimates(snapshot, running), on="assembly_id", how="left", maintain_order="left")
        .join(_sweeps(snapshot.last_events), on="assembly_id", how="left", maintain_order="left")
        .select(
            pl.lit(name).alias("experiment"),
            pl.lit(snapshot.folder).alias("folder"),
            pl.col("assembly_id").alias("assembly"),
            "name",
            state=pl.when(pl.col("assembly_id").is_in(running)).then(pl.lit("running")).otherwise("status"),
            done="parts_done",
            planned="parts_planned",
            started=pl.col("started_at").dt.epoch("ms"),
            ended=pl.col("ended").dt.epoch("ms"),
            left="eta_seconds",
            doing="doing",
            rows="rows",
            user="user",
            note="note",
            without="without_metric",
            error="error",
            sweep="sweep",
            hash="config_hash",
        )
        .cast(pl.Schema(COLUMNS))
    )


def is_running(snapshot: Snapshot, status: str) -> bool:
    """Whether a status of a summary is that of an assembly that a process computes now."""
    return status in ("started", "running") and not snapshot.moment.is_past


def estimates(snapshot: Snapshot, running: Sequence[str]) -> pl.DataFrame:
    """Return the remaining time of running assemblies, and what they do or how fast, see `lakebatch.snapshot.eta`."""
    found = eta.progress_estimates(snapshot, only=running)
    return found.select("assembly_id", "eta_seconds", doing=pl.coalesce("phase", "progress"))


def _ends(events: pl.DataFrame) -> pl.DataFrame:
    """Return when each assembly ended: its first event of an end after the last start."""
    start = pl.col("event").filter(pl.col("status") == "started").max().over("assembly_id")
    ends = events.filter(pl.col("status").is_in(ENDED) & (pl.col("event") > start.fill_null(-1)))
    return ends.group_by("assembly_id").agg(ended=pl.col("at").sort_by("event").first())


def _sweeps(last_events: pl.DataFrame) -> pl.DataFrame:
    return last_events.select("assembly_id", sweep=labels.recorded(f"{labels.SWEEP}.id"))


def _configs(snapshots: Mapping[str, Snapshot], keys: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Return number, hash and values of the configs of assemblies, one compact column per key."""
    of_folder = {each.folder: each for each in snapshots.values()}
    trees = {folder: _settings(each) for folder, each in of_folder.items()}
    wanted = [(folder, key, trees[folder].get(key, {})) for folder, key in keys]
    names = sorted({name for *_, values in wanted for name in values})
    return {
        "number": [of_folder[folder].config_numbers[key] for folder, key, _ in wanted],
        "hash": [key for _, key, _ in wanted],
        "values": {name: compact.column([values.get(name) for *_, values in wanted]) for name in names},
    }


def _settings(snapshot: Snapshot) -> dict[str, dict[str, Any]]:
    """Return the values of each config by its hash; none, with a warning, of one that cannot be read."""
    first = snapshot.last_events.unique("config_hash", keep="first", maintain_order=True)
    found: dict[str, dict[str, Any]] = {}
    for key, text, assembly_id, event in first.select(
        "config_hash", "config", "assembly_id", "event"
    ).iter_rows():
        try:
            found[key] = config_columns.settings(read_tree(text, where("config", assembly_id, event)))
        except DamageError as error:
            warn(str(error), DamageWarning)
    return found


def first_rows(table: Mapping[str, Any], count: int) -> list[dict[str, Any]]:
    """Return the first rows of a table, for a page without a script."""
    columns = {name: compact.first(each, count) for name, each in table["columns"].items()}
    height = min(count, table["count"])
    return [{name: values[row] for name, values in columns.items()} for row in range(height)]
