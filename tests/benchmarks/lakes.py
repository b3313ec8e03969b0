"""Lakes for the benchmarks, written with lakebatch's own writer, and the same rows as people keep them today."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl

import lakebatch
from lakebatch import assembly as assembly_module
from lakebatch.assembly import Assembly, Plan
from lakebatch.parts import PartWriter
from lakebatch.schema import conform
from lakebatch.stored import StoredExperiment

FOLDER = "91_v1_benchmark"
NAME = "benchmark"
LEVELS = (0.0, 0.05, 0.1, 0.15, 0.2)
MODELS = ("linear_regression", "random_forest", "gradient_boosting", "support_vector", "neural_network")
ROWS = 250
"""Rows of one assembly: five levels, five models, ten repeats."""


def stored_in(lake: Path | str) -> StoredExperiment:
    """Return the experiment of a lake, created where it is missing."""
    stored = StoredExperiment(lakebatch.open_lake(lake).storage, FOLDER)
    for name in ("results", "assemblies"):
        stored.table(name).ensure()
    return stored


def fill(stored: StoredExperiment, assemblies: int, rows: int = ROWS, *, at_once: int = 1) -> None:
    """Write completed assemblies until there are so many, each in one part; merge the events as runs do.

    So many ``at_once`` go into one commit, which is quicker and leaves a shorter log than theirs would be.
    """
    for number in range(len(stored.snapshot().assemblies), assemblies, at_once):
        frames = [results_of(rows, number + index) for index in range(min(at_once, assemblies - number))]
        write_one(stored, frames[0]) if at_once == 1 else write_many(stored, frames, number + 1)
        if (number + at_once) % 100 < at_once:
            stored.optimize()


def write_many(stored: StoredExperiment, frames: list[pl.DataFrame], first: int) -> None:
    """Write assemblies, with running numbers from the first on, in one commit of rows and one of events."""
    log, at, version = stored.log, datetime.now(UTC), stored.results.version() + 1
    plan = Plan({"rows": frames[0].height}, ("all",), 1, None, (), "0.1.0", {})
    begun = [assembly_module._first_event(plan, first + index, version) for index in range(len(frames))]
    rows = pl.concat(
        frame.with_columns(
            assembly_id=pl.lit(each.assembly_id),
            part=pl.lit("all"),
            recorded_at=pl.lit(at).cast(pl.Datetime("us", "UTC")),
        )
        for each, frame in zip(begun, frames, strict=True)
    )
    done = {"parts_done": 1, "rows": frames[0].height, "results_version": version}
    events = [
        event for each in begun for event in (each, assembly_module._next_event(each, "completed", 1, done))
    ]
    whole = conform(rows, stored.results.schema)
    stored.results.append_once(f"many-{first}", lambda last: None if last else whole, {})
    listed = pl.concat(log._frame(each) for each in events)
    log.table.append_once(f"many-{first}", lambda last: None if last else listed, {})


def write_one(stored: StoredExperiment, frame: pl.DataFrame) -> Assembly:
    """Write one assembly as a run does."""
    plan = Plan({"rows": frame.height}, ("all",), 1, None, (), "0.1.0", {})
    started = stored.log.start(plan, stored.results.version())
    PartWriter(stored.results, started.assembly_id, {}, is_new=True).append("all", frame, datetime.now(UTC))
    done = {"parts_done": 1, "rows": frame.height, "results_version": stored.results.version()}
    return stored.log.record(started, "completed", **done)


def results_of(rows: int, seed: int) -> pl.DataFrame:
    """Return results as an experiment returns them."""
    rng = np.random.default_rng(seed)
    index = np.arange(rows)
    return pl.DataFrame(
        {
            "level": np.array(LEVELS)[index % 5],
            "feature_set": ["initial+dynamic"] * rows,
            "model": [MODELS[each] for each in index // 5 % 5],
            "repeat": (index // 25).astype(np.int32),
            "seed": rng.integers(2**31, size=rows),
            "mse": rng.random(rows),
            "r2": rng.random(rows),
            "pearson_r": rng.random(rows),
            "fit_seconds": rng.random(rows),
        }
    )
