"""Whole runs, compared with the fits of scikit-learn's own classes and with the baseline script."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
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
OF_SCIKIT_LEARN = {
    "random_forest": ("sklearn.ensemble.RandomForestRegressor", "n_estimators = 100"),
    "gradient_boosting": ("sklearn.ensemble.GradientBoostingRegressor", "n_estimators = 100"),
    "neural_network": ("sklearn.neural_network.MLPRegressor", "hidden_layer_sizes = [20], max_iter = 10000"),
}
"""Class and arguments of the standard models that lakebatch trains faster."""


def whole(folder: Path, arguments: argparse.Namespace) -> Iterator[Comparison | Limit]:
    """Yield comparisons of the default run with the fits of scikit-learn's classes, and the time to its first part.

    Then the same of runs of 100 patients and 2 repeats with the baseline script.
    """
    run_seconds(fresh(folder), "default")  # machine code is kept from here on
    yield Comparison(
        "the default run, 1,500 fits, from the command to the prompt",
        "the fits of scikit-learn's own classes / cores",
        lambda: run_seconds(fresh(folder), "default"),
        lambda: seconds_of_scikit_learn(fresh(folder), "default"),
        0.5,
        once=True,
    )
    yield Limit("its first committed part", lambda: seconds_to_first_part(fresh(folder)), 6, "s")
    yield Limit(
        "its first committed part, where nothing was compiled before",
        lambda: seconds_to_first_part(fresh(folder), NUMBA_CACHE_DIR=str(fresh(folder))),
        15,
        "s",
    )
    older = older_seconds(folder, 100, 2)
    for preset, at_most in (("original", 1 / 4), ("guide", 1 / 12)):
        yield Comparison(
            f"a whole run, 100 patients, 2 repeats, `--preset {preset}`",
            "the baseline script, with what `original` asks for",
            lambda p=preset: run_seconds(fresh(folder), p, FEW),
            lambda: older,
            at_most,
            once=True,
        )


def full(folder: Path, arguments: argparse.Namespace) -> Iterator[Comparison]:
    """Yield comparisons of the published study, 1,000 patients and 10 repeats, with scikit-learn and the baseline script.

    If not all repeats are measured, the fits of one repeat stand for each of the others.
    """
    repeats = arguments.repeats
    lake, some = fresh(folder), [f"evaluation.n_reps={repeats}"]
    seconds = run_seconds(lake, "original", some)
    ours = seconds + (REPEATS / repeats - 1) * fit_seconds(lake) / CORES
    theirs = REPEATS / repeats * seconds_of_scikit_learn(fresh(folder), "original", some)
    cohort = 1_000 / SOME * simulated_and_summarised(SOME)
    measured = "" if repeats == REPEATS else f" ({repeats} measured)"
    for against, others, at_most in (
        ("the fits of scikit-learn's own classes / cores", theirs, 0.6),
        (f"the baseline script: these fits, and {SOME} patients times {1_000 // SOME}", theirs + cohort, 0.3),
    ):
        yield Comparison(
            f"the published study, 1,000 patients, {REPEATS} repeats{measured}",
            against,
            lambda: ours,
            lambda others=others: others,
            at_most,
            once=True,
        )


def lake_share(folder: Path, arguments: argparse.Namespace) -> Iterator[Limit]:
    """Yield the storage overhead of the default run: commits, merging files, making bundles."""
    yield Limit("storage overhead of a default run", lambda: 100 * share_of_lake(folder / "share"), 1, "%")


def run_seconds(lake: Path, preset: str, settings: Sequence[str] = ()) -> float:
    """Return the seconds of a run in a separate process, from start to end."""
    options = [word for each in settings for word in ("--set", each)]
    chosen = () if preset == "default" else ("--preset", preset)
    began = time.perf_counter()
    run(LAKEBATCH, "--lake", lake, "run", EXPERIMENT, *chosen, "--jobs", CORES, *options)
    return time.perf_counter() - began


def seconds_of_scikit_learn(lake: Path, preset: str, settings: Sequence[str] = ()) -> float:
    """Return the seconds of the fits of a run with scikit-learn's own classes, one thread each, divided by the cores."""
    run_seconds(lake, preset, [*settings, f"evaluation.models={models_of_scikit_learn(preset)}"])
    return fit_seconds(lake) / CORES


def models_of_scikit_learn(preset: str) -> str:
    """Return the standard models, in TOML, with scikit-learn's own classes."""
    scaled_target = str(preset != "original").lower()
    scaled = f"standardise_features = true, standardise_target = {scaled_target}, "
    models = [
        repr(name)
        if name not in OF_SCIKIT_LEARN
        else "{{name = '{0}_of_scikit_learn', path = '{1}', {3}arguments = {{{2}}}}}".format(
            name, *OF_SCIKIT_LEARN[name], scaled if name == "neural_network" else ""
        )
        for name in STANDARD_MODELS
    ]
    return f"[{', '.join(models)}]"


def seconds_to_first_part(lake: Path, **variables: str) -> float:
    """Return the seconds from the command of a default run to its first committed part."""
    command = [str(each) for each in (LAKEBATCH, "--lake", lake, "run", EXPERIMENT, "--jobs", CORES)]
    began = time.perf_counter()
    with subprocess.Popen(
        command, env=os.environ | variables, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        assert process.stdout is not None
        seconds = next(time.perf_counter() - began for line in process.stdout if "rows committed" in line)
        process.send_signal(signal.SIGINT)
        process.communicate()
    return seconds


def fresh(folder: Path) -> Path:
    """Return the path of a lake that is not there yet."""
    return folder / f"run-{uuid.uuid4().hex}"


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
