"""Scorers of scikit-learn by name, which are computed beside the metrics of the study."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lakebatch.experiment import Column, metric

if TYPE_CHECKING:
    from sklearn.base import RegressorMixin

# scikit-learn is imported where a scorer is used: most configs name none.

FloatArray = NDArray[np.float64]

BUILT_IN = ("pearson_r", "r2", "mse")
"""The metrics that are always computed."""
REGRESSION = "sklearn.metrics._regression"
"""Module of the functions behind the scorers of regressors; those of classifiers and clusterings have others."""


@dataclass(frozen=True)
class Described:
    """What a scorer measures: its meaning, its unit and the range of its values."""

    meaning: str
    unit: str = "1"
    minimum: float | None = None
    maximum: float | None = None


DESCRIBED = {
    "d2_absolute_error_score": Described("Fraction of the absolute error that is explained.", maximum=1),
    "explained_variance": Described("Fraction of the variance that is explained.", maximum=1),
    "neg_max_error": Described("Largest error of a prediction, times -1.", "a.u.", maximum=0),
    "neg_mean_absolute_error": Described("Mean absolute error, times -1.", "a.u.", maximum=0),
    "neg_mean_absolute_percentage_error": Described(
        "Mean absolute error relative to the target, times -1.", maximum=0
    ),
    "neg_mean_gamma_deviance": Described("Mean deviance of a gamma distribution, times -1."),
    "neg_mean_poisson_deviance": Described("Mean deviance of a Poisson distribution, times -1.", "a.u."),
    "neg_mean_squared_error": Described("Mean squared error, times -1.", "a.u.^2", maximum=0),
    "neg_mean_squared_log_error": Described(
        "Mean squared error of the logarithm of 1 + x, times -1.", maximum=0
    ),
    "neg_median_absolute_error": Described("Median absolute error, times -1.", "a.u.", maximum=0),
    "neg_root_mean_squared_error": Described("Root of the mean squared error, times -1.", "a.u.", maximum=0),
    "neg_root_mean_squared_log_error": Described(
        "Root of the mean squared error of the logarithm of 1 + x, times -1.", maximum=0
    ),
}
"""The scorers of scikit-learn 1.9 for regressors; those of other releases have no unit here."""
# no bound on deviances: they can round to above 0


def known() -> list[str]:
    """Return the names of the scorers of regressors that the installed scikit-learn has, without ``r2``."""
    from sklearn.metrics import get_scorer, get_scorer_names

    found = (name for name in get_scorer_names() if name not in BUILT_IN)
    return sorted(name for name in found if _is_of_regressors(get_scorer(name)))


def _is_of_regressors(scorer: Any) -> bool:
    function = getattr(scorer, "_score_func", None)
    return getattr(function, "__module__", "") == REGRESSION


def check(names: Iterable[str]) -> None:
    """Raise unless each name is that of a scorer that can score a regressor.

    Raises
    ------
    ValueError
        If one is not.

    Examples
    --------
    >>> check(["explained_variance"])
    >>> check(["roc_auc"])
    Traceback (most recent call last):
    ...
    ValueError: metric 'roc_auc' scores classes or clusters, and the models are regressors; expected pearson_r, r2...
    """
    from sklearn.metrics import get_scorer_names

    scorers = known()
    for name in names:
        if name in scorers:
            continue
        expected = f"expected {', '.join(BUILT_IN)}, or a scorer of scikit-learn: {', '.join(scorers)}"
        if name in get_scorer_names():
            raise ValueError(
                f"metric {name!r} scores classes or clusters, and the models are regressors; {expected}"
            )
        near = difflib.get_close_matches(name, (*BUILT_IN, *scorers), n=1) or [
            each for each in scorers if each.endswith(f"_{name}")
        ]
        raise ValueError(
            f"unknown metric {name!r}{f', did you mean {near[0]!r}' if near else ''}; {expected}"
        )


def chosen(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names of the metrics without those that are always computed.

    >>> chosen(["r2", "explained_variance"])
    ('explained_variance',)
    """
    return tuple(name for name in names if name not in BUILT_IN)


def columns(names: Iterable[str]) -> tuple[Column, ...]:
    """Return the columns of scorers: their own names and signs, higher values for better models.

    >>> [column.unit for column in columns(["neg_mean_absolute_error"])]
    ['a.u.']
    """
    return tuple(_column(name, DESCRIBED.get(name)) for name in names)


def _column(name: str, described: Described | None) -> Column:
    source = f"Scorer {name} of scikit-learn on the test split."
    if described is None:
        return metric(name, source)
    meaning = f"{described.meaning} {source}"
    return metric(name, meaning, unit=described.unit, minimum=described.minimum, maximum=described.maximum)


def apply(
    names: Sequence[str], target: FloatArray, prediction: FloatArray
) -> tuple[dict[str, float | None], str | None]:
    """Return the score of a prediction by each scorer, None where one cannot be computed, and the reasons.

    Parameters
    ----------
    names : sequence of str
    target, prediction : float array, shape (n_test,), a.u.
        Finite.

    Examples
    --------
    >>> apply(["neg_mean_absolute_error"], np.array([1.0, 2.0]), np.array([1.0, 2.5]))
    ({'neg_mean_absolute_error': -0.25}, None)
    """
    from sklearn.metrics import get_scorer

    model = _predicting(prediction)
    scores: dict[str, float | None] = {}
    reasons = []
    for name in names:
        try:
            score = float(get_scorer(name)(model, target[:, np.newaxis], target))
        except Exception as error:  # noqa: BLE001 - whatever a scorer raises is this row's result.
            scores[name] = None
            reasons.append(f"{name}: {' '.join(str(error).split())}")
        else:
            scores[name] = score if np.isfinite(score) else None
            reasons += [] if np.isfinite(score) else [f"{name} is {score}"]
    return scores, "; ".join(reasons) or None


def _predicting(prediction: FloatArray) -> RegressorMixin:
    """Return a regressor that predicts the given values, because scorers take a regressor."""
    from sklearn.base import BaseEstimator, RegressorMixin

    class Predicting(RegressorMixin, BaseEstimator):
        def fit(self, features: FloatArray, target: FloatArray) -> Predicting:
            return self

        def predict(self, features: FloatArray) -> FloatArray:
            return prediction

    return Predicting()
