"""A lake of many different assemblies for the pages, written a hundred assemblies at a time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
from lakes import LEVELS, results_of

from lakebatch.assembly import events
from lakebatch.assembly.part_rows import stamped
from lakebatch.assembly.record import Assembly, Plan
from lakebatch.lake.experiment import StoredExperiment

AT_ONCE = 100
FIRST = datetime(2026, 11, 1, 12, tzinfo=UTC)
STATUSES = ("completed",) * 17 + ("failed", "discarded", "started")
PARTS = tuple(f"level={level:g}" for level in LEVELS)
ROWS = 50
"""Rows of one assembly: five levels, ten fits."""
SIZES, MODELS, RATES = (20, 40, 60), ("ridge", "forest", "boosting"), (0.01, 0.05, 0.1, 0.5)


def fill_varied(stored: StoredExperiment, assemblies: int) -> None:
    """Write assemblies of 36 configs and every status up to a number, a hundred in one commit."""
    for first in range(stored.log.events()["assembly_id"].n_unique(), assemblies, AT_ONCE):
        _write(stored, range(first + 1, min(first + AT_ONCE, assemblies) + 1))
    stored.optimize()


def _write(stored: StoredExperiment, numbers: range) -> None:
    begun = [_begun(number) for number in numbers]
    rows = pl.concat(_rows(stored, each) for each in begun)
    stored.results.append_once(begun[0].assembly_id, lambda state, last: None if last else rows, {})
    version = stored.results.version()
    ended = [_ended(each, version) for each in begun if _status(each) != "started"]
    frames = pl.concat(stored.log._frame(replace(each, results_version=version)) for each in [*begun, *ended])
    stored.log.table.append_once(begun[0].assembly_id, lambda state, last: None if last else frames, {})


def _begun(number: int) -> Assembly:
    plan = Plan(_config(number), PARTS, 1, None, (), "0.2.0", {"user": f"user{number % 4}"})
    at = FIRST + timedelta(minutes=number)
    first = events._first_event(plan, number, 0)
    return replace(first, at=at, assembly_id=f"{at:%Y%m%d_%H%M%S}_run{number:03d}", pid=None)


def _config(number: int) -> dict[str, Any]:
    return {
        "levels": LEVELS,
        "cohort": {"n_samples": SIZES[number % 3], "noise": 0.1},
        "model": {"name": MODELS[number // 3 % 3], "rate": RATES[number // 9 % 4]},
    }


def _status(each: Assembly) -> Any:
    return STATUSES[each.run_number % len(STATUSES)]


def _ended(each: Assembly, version: int) -> Assembly:
    note = "discarded: too noisy" if _status(each) == "discarded" else None
    error = "level=0.1: ValueError: no convergence" if _status(each) == "failed" else None
    done = {"parts_done": len(PARTS), "rows": ROWS, "results_version": version, "note": note, "error": error}
    ended = events._next_event(each, _status(each), 1, done)
    return replace(ended, at=each.at + timedelta(seconds=30 + each.run_number % 90))


def _rows(stored: StoredExperiment, each: Assembly) -> pl.DataFrame:
    rows = results_of(ROWS, each.run_number).partition_by("level", as_dict=True)
    schema = stored.results.schema
    return pl.concat(
        stamped(frame, schema, each.assembly_id, f"level={level:g}", each.at)
        for (level,), frame in rows.items()
    )
