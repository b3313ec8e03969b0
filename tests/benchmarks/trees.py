"""Forests and boosting beside scikit-learn's own and other packages: the same predictions, and the time of a fit.

Run it with ``python tests/benchmarks/trees.py [--patients N] [--seeds N]``. Each feature set of a cohort is split with
many seeds; both models are trained on each split by lakebatch and by scikit-learn, on one thread, and their predictions
are compared bit by bit. scikit-learn-intelex and XGBoost's exact method, which train other trees, are timed too where they
are installed.
"""

# ruff: noqa: T201
from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from statistics import median
from typing import Any

import numpy as np
from sklearn.ensemble import GradientBoostingRegressor, RandomForestRegressor

from lakebatch.experiment.guest import thread_variables
from lakebatch.experiments.degradation.study import feature_sets
from lakebatch.experiments.prediction.pipeline import Split, draw_split, preprocess
from lakebatch.experiments.prediction.trees.regressors import (
    PresortedBoostingRegressor,
    PresortedForestRegressor,
)
from lakebatch.experiments.response_noise import ResponseNoise, ResponseNoiseConfig

Make = Callable[[int], Any]
LEVEL = 0.1
OTHERS_EVERY = 10
"""Only every tenth seed is used for the packages that train other trees."""


def main() -> None:
    """Print one line per model and feature set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patients", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=200)
    arguments = parser.parse_args()
    print(
        "| model | features | same bits | lakebatch | scikit-learn | ratio | others |\n|---|---|---|---|---|---|---|"
    )
    with thread_variables():
        for name, values, target in study(arguments.patients):
            splits = [split_of(values, target, seed) for seed in range(arguments.seeds)]
            for model, (ours, theirs, others) in models().items():
                cells = compared(ours, theirs, others, splits)
                print(f"| `{model}` | `{name}`, {values.shape[1]} | {' | '.join(cells)} |", flush=True)


def compared(ours: Make, theirs: Make, others: dict[str, Make], splits: list[Split]) -> list[str]:
    """Return the cells of a line: equal predictions, milliseconds of both, their ratio, the ratios of others."""
    same, taken = 0, (list[float](), list[float]())
    for seed, split in enumerate(splits):
        pair = zip((ours, theirs), taken, strict=True)
        one, other = (timed(make(seed), split, into) for make, into in pair)
        same += one.tobytes() == other.tobytes()
    mine, of_scikit_learn = map(median, taken)
    shown = []
    for package, make in others.items():
        seconds: list[float] = []
        for seed in range(0, len(splits), OTHERS_EVERY):
            timed(make(seed), splits[seed], seconds)
        shown.append(f"{package} 1/{of_scikit_learn / median(seconds):.2g}")
    times = [f"{1e3 * each:,.{1 if each < 0.1 else 0}f} ms" for each in (mine, of_scikit_learn)]
    return [f"{same} of {len(splits)}", *times, f"1/{of_scikit_learn / mine:.2g}", ", ".join(shown)]


def split_of(values: Any, target: Any, seed: int) -> Split:
    """Return a split as the models of trees see it."""
    return preprocess(draw_split(values, target, test_size=0.2, seed=seed), standardise_features=False)


def study(patients: int) -> Iterator[tuple[str, Any, Any]]:
    """Yield name, features and target of each feature set of a cohort with noise on its response."""
    config, experiment = (
        ResponseNoiseConfig.model_validate({"cohort": {"n_samples": patients}}),
        ResponseNoise(),
    )
    prepared = experiment.prepare(config, np.random.default_rng(1))
    measured = experiment.measure(LEVEL, prepared.cohort, config, np.random.default_rng(2))
    for each in feature_sets(config.evaluation.feature_sets, measured, config):
        yield each.name, each.values, measured.target


def models() -> dict[str, tuple[Make, Make, dict[str, Make]]]:
    """Return lakebatch's regressor, scikit-learn's and those of other packages that are installed, by model."""
    forests: dict[str, Make] = {}
    boosting: dict[str, Make] = {}
    if find_spec("sklearnex"):
        forest = import_module("sklearnex.ensemble").RandomForestRegressor
        forests["intelex"] = lambda seed: forest(random_state=seed, n_jobs=1)
    if find_spec("xgboost"):
        boosted = import_module("xgboost").XGBRegressor
        boosting["XGBoost"] = lambda seed: boosted(
            n_estimators=100, max_depth=3, learning_rate=0.1, tree_method="exact", reg_lambda=0.0, n_jobs=1,
            random_state=seed,
        )  # fmt: skip
    return {
        "random_forest": (
            lambda seed: PresortedForestRegressor(random_state=seed),
            lambda seed: RandomForestRegressor(random_state=seed, n_jobs=1),
            forests,
        ),
        "gradient_boosting": (
            lambda seed: PresortedBoostingRegressor(random_state=seed),
            lambda seed: GradientBoostingRegressor(random_state=seed),
            boosting,
        ),
    }


def timed(model: Any, split: Split, seconds: list[float]) -> Any:
    """Return the prediction of a model, and add the processor time of its training."""
    began = time.process_time()
    model.fit(split.train_features, split.train_target)
    seconds.append(time.process_time() - began)
    return model.predict(split.test_features)


if __name__ == "__main__":
    main()
