"""Whole runs, compared with their fits alone and with the baseline script."""

from __future__ import annotations

import argparse
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import numpy as np
import older_way
from comparison import Comparison, Limit
from processes import LAKEBATCH, run

import lakebatch
from lakebatch.experiments.prediction.models import STANDARD_MODELS
from lakebatch.experiments.response_noise import ResponseNoiseConfig
from lakebatch.experiments.virtual_cohort.cohort import Cohort, generate_cohort
from lakebatch.maintenance import optimize, published
from lakebatch.storage.delta.table import Table

EXPERIMENT = "response-noise"
CORES = 2
REPEATS = 10
SOME = 20
"""Patients whose simulation and features are measured in the baseline script; all would take half an hour."""
FEW = ("cohort.n_samples=100", "evaluation.n_reps=2")
OLDER_NETWORK = (
    '{name = "neural_network_of_scikit_learn", path = "sklearn.neural_network.MLPRegressor", '
    "standardise_features = true, arguments = {hidden_layer_sizes = [20], max_iter = 10000}}"
)
OLDER_MODELS = (
    f"[{', '.join(repr(name) for name in STANDARD_MODELS if name != 'neural_network')}, {OLDER_NETWORK}]"
)


def whole(folder: Path, arguments: argparse.Namespace) -> Iterator[Comparison]:
    """Yield comparisons of runs of 100 patients and 2 repeats with the baseline script."""
    older = older_seconds(folder, 100, 2)
    for preset, at_most in (("original", 1 / 4), ("guide", 1 / 12)):
        yield Comparison(
            f"a whole run, 100 patients, 2 repeats, `--preset {preset}`",
            "the baseline script, with what `original` asks for",
            lambda p=preset: run_seconds(folder / f"whole-{p}", p, FEW),
            lambda: older,
            at_most,
            once=True,
        )


def full(folder: Path, arguments: argparse.Namespace) -> Iterator[Comparison | Limit]:
    """Yield comparisons of the published study, 1,000 patients and 10 repeats, with its fits and the baseline script.

    If not all repeats are measured, the fits of one repeat stand for each of the others.
    """
    repeats = arguments.repeats
    lake, older_lake = (folder / f"{name}-{uuid.uuid4().hex}" for name in ("full", "full-older"))
    seconds = run_seconds(lake, "original", [f"evaluation.n_reps={repeats}"])
    fits = fit_seconds(lake) / CORES
    run_seconds(
        older_lake,
        "original",
        [f"evaluation.n_reps={repeats}", f"evaluation.models={OLDER_MODELS}"],
    )
    older = 1_000 / SOME * simulated_and_summarised(SOME)
    older += REPEATS / repeats * fit_seconds(older_lake) / CORES
    measured = "" if repeats == REPEATS else f" ({repeats} measured)"
    what = f"a whole run, 1,000 patients, {REPEATS} repeats{measured}, `--preset original`"
    all_fits = REPEATS / repeats * fits
    yield Comparison(
        what,
        "the sum of its fits / cores",
        lambda: seconds - fits + all_fits,
        lambda: all_fits,
        1.1,
        once=True,
    )
    yield Limit("of that, all that is not a fit", lambda: 100 * (1 - fits / seconds), 5, "%")
    yield Comparison(
        what,
        f"the baseline script: its fits / cores, and {SOME} patients times {1_000 // SOME}",
        lambda: seconds - fits + all_fits,
        lambda: older,
        1 / 1.7,
        once=True,
    )


def lake_share(folder: Path, arguments: argparse.Namespace) -> Iterator[Limit]:
    """Yield the storage overhead of the default run: commits, merging files, making bundles."""
    yield Limit("storage overhead of a default run", lambda: 100 * share_of_lake(folder / "share"), 1, "%")


def run_seconds(lake: Path, preset: str, settings: Sequence[str] = ()) -> float:
    """Return the seconds of a run in a separate process, from start to end."""
    options = [word for each in settings for word in ("--set", each)]
    began = time.perf_counter()
    run(LAKEBATCH, "--lake", lake, "run", EXPERIMENT, "--preset", preset, "--jobs", CORES, *options)
    return time.perf_counter() - began


def fit_seconds(lake: Path) -> float:
    """Return the seconds of the fits in a lake, one thread each."""
    return float(lakebatch.open_lake(lake)[EXPERIMENT].reassemble(on_gap="refuse")["fit_seconds"].sum())


def cohort_of(patients: int, repeats: int = 2) -> tuple[ResponseNoiseConfig, Cohort]:
    """Return a config of the preset `original` and its cohort."""
    evaluation = {"outcome_features": True, "standardise_target": False, "n_reps": repeats}
    config = ResponseNoiseConfig.model_validate({"cohort": {"n_samples": patients}, "evaluation": evaluation})
    return config, generate_cohort(config, np.random.default_rng(1))


def older_seconds(folder: Path, patients: int, repeats: int) -> float:
    """Return the seconds of the baseline script."""
    config, cohort = cohort_of(patients, repeats=repeats)
    began = time.perf_counter()
    rows = older_way.study(config, cohort, folder)
    seconds = time.perf_counter() - began
    assert len(rows) == len(config.levels) * 5 * 5 * repeats
    return seconds


def simulated_and_summarised(patients: int) -> float:
    """Return the seconds of the baseline script for the simulation and features of some patients."""
    config, cohort = cohort_of(patients)
    began = time.perf_counter()
    older_way.feature_sets(older_way.time_courses(cohort), cohort, config)
    return time.perf_counter() - began


def share_of_lake(lake: Path) -> float:
    """Return the share of processor time that a run's writer spends in the tables, created by an earlier run.

    Most commits are made while workers compute, so that their processor time counts, not their duration.
    """
    opened = lakebatch.open_lake(lake)
    lakebatch.run(opened, EXPERIMENT, preset="smoke", jobs=CORES)
    with clocked() as spent:
        began = time.perf_counter()
        lakebatch.run(opened, EXPERIMENT, jobs=CORES)
        return sum(spent) / (CORES * (time.perf_counter() - began))


@contextmanager
def clocked() -> Iterator[list[float]]:
    """Yield the processor seconds, of all threads, of every call that writes to a table or merges its files."""
    spent: list[float] = []

    def timed(call):
        def with_clock(*arguments, **options):
            began = time.process_time()
            try:
                return call(*arguments, **options)
            finally:
                spent.append(time.process_time() - began)

        return with_clock

    with (
        patch.object(Table, "append_once", timed(Table.append_once)),
        patch.object(Table, "ensure", timed(Table.ensure)),
        patch.object(optimize, "compact_assembly", timed(optimize.compact_assembly)),
        patch.object(published, "bring_up_to_date", timed(published.bring_up_to_date)),
    ):
        yield spent
