"""Train and test every model on a feature set, repeatedly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from lakebatch.errors import ExperimentError
from lakebatch.experiment import contained, report_phase

from . import scorers
from .config import EvaluationConfig
from .feature_sets import FeatureSet
from .fitting import fit_and_score
from .models import Model
from .pipeline import Split, draw_split, preprocess

FloatArray = NDArray[np.float64]

RESULT_SCHEMA = pl.Schema(
    {
        "level": pl.Float64,
        "feature_set": pl.String,
        "model": pl.String,
        "repeat": pl.Int64,
        "seed": pl.Int64,
        "n_train": pl.Int64,
        "n_test": pl.Int64,
        "mse": pl.Float64,
        "r2": pl.Float64,
        "pearson_r": pl.Float64,
        "pearson_p": pl.Float64,
        "fit_seconds": pl.Float64,
        "n_clipped": pl.Int64,
        "n_warnings": pl.Int64,
        "error": pl.String,
    }
)
"""Columns of what `evaluate` returns, with one more for each other metric of the config."""


def draw_split_seeds(n_reps: int, rng: np.random.Generator) -> tuple[int, ...]:
    """Return distinct seeds below 2**31, one for each repeat.

    More repeats from the same state begin with the seeds of fewer.

    Parameters
    ----------
    n_reps : int >= 0
    rng : numpy.random.Generator

    Examples
    --------
    >>> draw_split_seeds(3, np.random.default_rng(1))[:2] == draw_split_seeds(2, np.random.default_rng(1))
    True
    """
    seeds: dict[int, None] = {}
    while len(seeds) < n_reps:
        seeds[int(rng.integers(2**31))] = None
    return tuple(seeds)


def evaluate(
    feature_set: FeatureSet,
    target: ArrayLike,
    config: EvaluationConfig,
    split_seeds: Sequence[int],
    *,
    level: float,
    n_clipped: int = 0,
    first_repeat: int = 0,
) -> pl.DataFrame:
    """Return the metrics of every model in every repeat.

    A repeat's split depends on its seed and the number of samples alone: the same seeds for several
    levels, feature sets and models make a paired design. All arithmetic runs on one thread, because the
    number of threads changes the last bits of a result; but for `fit_seconds`, rows depend on neither
    the process nor the order that they are computed in, nor on the other models: each fit gets arrays and
    arguments of its own, and finds the shared random generators seeded by its split.

    Parameters
    ----------
    feature_set : FeatureSet
        Of n_samples samples. Values that are not finite are imputed (NaN) or clipped (infinite).
    target : float array, shape (n_samples,), a.u.
    config : EvaluationConfig
        Its models, metrics and test size; the number of repeats is that of `split_seeds`.
    split_seeds : sequence of int
        See `draw_split_seeds`.
    level : float
        Stands in the rows.
    n_clipped : int
        Stands in the rows: how many values were clipped when noise was added.
    first_repeat : int
        Number of the first repeat, where `split_seeds` is a later section of all seeds.

    Returns
    -------
    polars.DataFrame
        Columns of `RESULT_SCHEMA` and of other metrics, one row for each model and repeat, in the order
        of models, then repeats. A metric that cannot be computed is null with the reason in ``error``; where a
        fit or prediction raised, all are, and ``fit_seconds`` is. ``n_warnings`` counts the
        warnings of fit and prediction.

    Raises
    ------
    ExperimentError
        If the target is not finite, does not fit the features, or has too few samples for a split.

    Examples
    --------
    >>> features = FeatureSet("initial", ("initial:R1",), np.arange(10.0)[:, None])
    >>> config = EvaluationConfig(models=["linear_regression"])
    >>> evaluate(features, 2 * np.arange(10.0), config, (1, 2), level=0.0)["r2"].round(6).to_list()
    [1.0, 1.0]
    """
    checked = _checked_target(target, feature_set)
    features = np.ascontiguousarray(feature_set.values, dtype=np.float64)
    models, names = config.resolved_models(), scorers.chosen(config.metrics)
    common = {"level": float(level), "feature_set": feature_set.name, "n_clipped": n_clipped}
    rows: dict[str, list[dict[str, Any]]] = {model.name: [] for model in models}
    for repeat, seed in enumerate(split_seeds, first_repeat):
        split = draw_split(features, checked, test_size=config.test_size, seed=seed)
        report_phase(f"fitting models on {feature_set.name}", 0, len(models))
        for number, row in enumerate(_rows_of_split(split, models, names, seed), 1):
            rows[row["model"]].append({**common, "repeat": repeat, **row})
            report_phase(f"fitting models on {feature_set.name}", number, len(models))
    schema = pl.Schema({**RESULT_SCHEMA, **dict.fromkeys(names, pl.Float64)})
    return pl.DataFrame([row for of_model in rows.values() for row in of_model], schema=schema)


def _rows_of_split(
    split: Split, models: Sequence[Model], names: Sequence[str], seed: int
) -> Iterator[dict[str, Any]]:
    """Yield what every model adds to the rows of one split."""
    scalings = {model.standardise_features for model in models}
    with contained():
        seen = {scaling: preprocess(split, standardise_features=scaling) for scaling in scalings}
    sizes = {"n_train": len(split.train_target), "n_test": len(split.test_target)}
    for model in models:
        own = seen[model.standardise_features].copy()
        outcome = fit_and_score(model, seed, own, split.test_target, names)
        seconds = {"fit_seconds": outcome.fit_seconds, "n_warnings": outcome.n_warnings}
        yield {
            "model": model.name,
            "seed": seed,
            **sizes,
            **seconds,
            **asdict(outcome.scores),
            **outcome.others,
        }


def _checked_target(target: ArrayLike, feature_set: FeatureSet) -> FloatArray:
    """Return the target as float64, or raise if no model could be trained on it."""
    checked = np.ascontiguousarray(target, dtype=np.float64)
    expected = (len(feature_set.values),)
    if checked.shape != expected:
        raise ExperimentError(
            f"The target has shape {checked.shape}, expected {expected} as in feature set "
            f"{feature_set.name!r}."
        )
    n_bad = np.count_nonzero(~np.isfinite(checked))
    if n_bad:
        raise ExperimentError(f"{n_bad} of {checked.size} targets are not finite, expected finite targets.")
    return checked
