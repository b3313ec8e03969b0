"""Lakes for the benchmarks, written with lakebatch's own writer, and the same rows in common file formats."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl

import lakebatch
from lakebatch.assembly import events as assembly_module
from lakebatch.assembly.part_writer import PartWriter
from lakebatch.assembly.record import Assembly, Plan
from lakebatch.lake.experiment import StoredExperiment

FOLDER = "91_v1_benchmark"
NAME = "benchmark"
LEVELS = (0.0, 0.05, 0.1, 0.15, 0.2)
MODELS = ("linear_regression", "random_forest", "gradient_boosting", "support_vector", "neural_network")
BY_LEVEL = "SELECT level, avg(r2) FROM {} GROUP BY level ORDER BY level"
ROWS = 250
"""Rows of one assembly: five levels, five models, ten repeats."""
ONE_BY_ONE = 1_000
"""Lakes above this size are written faster than by runs, in minutes instead of an hour."""


def stored_in(lake: Path | str) -> StoredExperiment:
    """Return the experiment of a lake, created where it is missing."""
    stored = StoredExperiment(lakebatch.open_lake(lake).storage, FOLDER)
    for name in ("results", "assemblies"):
        stored.table(name).ensure()
    return stored


def filled(folder: Path, count: int) -> StoredExperiment:
    """Return a lake with a number of assemblies, kept in the folder."""
    stored = stored_in(folder / f"lake-{count}")
    fill(stored, count)
    return stored


def fill(stored: StoredExperiment, assemblies: int, rows: int = ROWS) -> None:
    """Write completed assemblies of one part up to a number; merge files and make bundles as runs do."""
    for number in range(len(stored.snapshot().ids()), assemblies):
        write = write_one if assemblies <= ONE_BY_ONE else write_quickly
        write(stored, results_of(rows, number))
        if (number + 1) % 64 == 0:
            stored.optimize()


def write_quickly(stored: StoredExperiment, frame: pl.DataFrame) -> None:
    """Write one assembly as `write_one` does, but with both events in one commit and without checks before each."""
    version = stored.results.version() + 1
    plan = Plan({"rows": frame.height}, ("all",), 1, None, (), "0.1.0", {})
    number = stored.log.table.version()  # greater than every run number
    begun = assembly_module._first_event(plan, number, version)
    done = {"parts_done": 1, "rows": frame.height, "results_version": version}
    PartWriter(stored.results, begun.assembly_id, {}, is_new=True).append("all", frame, datetime.now(UTC))
    ended = assembly_module._next_event(begun, "completed", 1, done)
    events = pl.concat(stored.log._frame(each) for each in (begun, ended))
    stored.log.table.append_once(begun.assembly_id, lambda state, last: None if last else events, {})


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
