"""Cohorts: simulation, features, and a large one in a lake."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import older_way
import pandas as pd
from comparison import Comparison, Limit
from processes import LAKEBATCH, peak_bytes, run
from runs import EXPERIMENT, cohort_of
from simulation import MODEL, SPAN, RoadRunner, patients
from threadpoolctl import threadpool_limits

from lakebatch.experiments.prediction.features import dynamic_features
from lakebatch.experiments.virtual_cohort import simulate
from lakebatch.experiments.virtual_cohort.simulation import simulate_active

MANY = 100_000
AT_A_TIME = 20
GIB = 2**30
SIMULATE = """
import sys
import numpy as np
from lakebatch.experiments.response_noise import ResponseNoiseConfig
from lakebatch.experiments.virtual_cohort.cohort import generate_cohort
config = ResponseNoiseConfig.model_validate({"cohort": {"n_samples": int(sys.argv[1])}})
generate_cohort(config, np.random.default_rng(1))
"""
GENERATE = [
    "evaluation.n_reps=1",
    'evaluation.models=["linear_regression"]',
    'evaluation.feature_sets=["initial"]',
]
"""The smallest possible evaluation of the cohort."""


def cohorts(folder: Path, arguments: argparse.Namespace) -> Iterator[Comparison | Limit]:
    """Yield comparisons of simulation and features with other tools, and of storing with simulating a cohort."""
    parameters, initial = patients(384)
    runner = RoadRunner(parameters, initial)
    yield Comparison(
        "simulation of 384 patients on one core",
        "libRoadRunner's CVODE at its best",
        lambda: simulate(MODEL, parameters, initial, SPAN),
        lambda: runner.run(1e-6, 1e-12),
        1 / 5,
    )
    yield Comparison(
        f"simulation, a patient of {MANY:,}",
        "a patient of 1,000",
        lambda: per_patient(MANY),
        lambda: per_patient(1_000),
        1.1,
    )
    _, cohort = cohort_of(200)
    trajectories, names = cohort.time_courses.trajectories(), cohort.simulator.form_names
    frames = [pd.DataFrame(each.T, columns=names) for each in trajectories]
    yield Comparison(
        "dynamic features of 200 patients",
        "pandas, one Series a value",
        lambda: features_seconds(trajectories),
        lambda: [older_way.dynamic_features(each) for each in frames],
        1 / 1_000,
    )
    lakes = (folder / f"cohort-{number}" for number in range(1_000))
    yield Comparison(
        f"{MANY:,} patients simulated and in the lake",
        "simulated alone",
        lambda: run(*generate(next(lakes))),
        lambda: run(sys.executable, "-c", SIMULATE, MANY),
        1.2,
    )
    yield Limit("memory for that", lambda: peak_bytes(*generate(next(lakes)))[0] / GIB, 1, "GiB")


def generate(lake: Path) -> list[object]:
    """Return the command that stores a large cohort."""
    options = [word for each in (f"cohort.n_samples={MANY}", *GENERATE) for word in ("--set", each)]
    return [LAKEBATCH, "--lake", lake, "run", EXPERIMENT, "--levels", 0, *options]


def features_seconds(trajectories: np.ndarray) -> float:
    """Return the seconds per call of the features over several calls; a single call is too short to measure."""
    began = time.perf_counter()
    for _ in range(AT_A_TIME):
        dynamic_features(trajectories)
    return (time.perf_counter() - began) / AT_A_TIME


def per_patient(count: int) -> float:
    """Return the seconds per patient in a cohort of a given size, simulated and kept as in a run."""
    parameters, initial = patients(count)
    with threadpool_limits(limits=1):
        began = time.perf_counter()
        simulated = simulate_active(MODEL, parameters, initial, SPAN)
        seconds = time.perf_counter() - began
    assert np.isfinite(simulated[:, :, -1]).all()
    return seconds / count
