"""Forests and boosting beside scikit-learn's own and other packages: the same predictions, and the time of a fit.

Run it with ``python tests/benchmarks/trees.py [--patients N] [--seeds N]``. Each feature set of a cohort is split with
many seeds; both models are trained on each split by lakebatch and by scikit-learn, on one thread, and their predictions
are compared bit by bit. scikit-learn-intelex and XGBoost's exact method are timed too where they are installed; theirs
are other trees, so their mean error is shown beside scikit-learn's.
"""

# ruff: noqa: T201
from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from statistics import mean, median
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
        "| model | features | same bits | ms | scikit-learn | ratio | others: ratio, mean squared error over its |"
    )
    print("|---|---|---|---|---|---|---|")
    with thread_variables():
        for name, values, target in study(arguments.patients):
            for model, (ours, theirs, others) in models().items():
                same, seconds = 0, ([], [])
                errors: dict[str, list[float]] = {}
                taken: dict[str, list[float]] = {}
                for seed in range(arguments.seeds):
                    split = preprocess(
                        draw_split(values, target, test_size=0.2, seed=seed), standardise_features=False
                    )
                    one, other = (
                        timed(make(seed), split, into)
                        for make, into in zip((ours, theirs), seconds, strict=True)
                    )
                    same += one.tobytes() == other.tobytes()
                    if seed % OTHERS_EVERY == 0:
                        for package, make in others.items():
                            predicted = timed(make(seed), split, taken.setdefault(package, []))
                            errors.setdefault(package, []).append(
                                error(predicted, split) / error(other, split)
                            )
                shown = ", ".join(
                    f"{package} 1/{median(seconds[1]) / median(taken[package]):.2g}, {mean(errors[package]):.3f}"
                    for package in others
                )
                ours_ms, theirs_ms = (1e3 * median(each) for each in seconds)
                print(
                    f"| {model} | {name}, {values.shape[1]} | {same} of {arguments.seeds} | {ours_ms:.1f} ms | "
                    f"{theirs_ms:.0f} ms | 1/{theirs_ms / ours_ms:.2g} | {shown} |",
                    flush=True,
                )


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
        forests["scikit-learn-intelex"] = lambda seed: forest(random_state=seed, n_jobs=1)
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


def error(predicted: Any, split: Split) -> float:
    """Return the mean squared error."""
    return float(np.mean((predicted - split.test_target) ** 2))


if __name__ == "__main__":
    main()
