"""How well predictions fit."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import pearsonr

from lakebatch.errors import ExperimentError

FloatArray = NDArray[np.float64]

ROUNDING = 1e-12
"""Values whose range is at most this fraction of the largest are equal but for rounding."""


@dataclass(frozen=True)
class Scores:
    """Metrics of a prediction; None where one cannot be computed, with the reason in `error`.

    Attributes
    ----------
    mse : float, a.u. squared
        Mean squared error.
    r2 : float <= 1, without unit
        Coefficient of determination.
    pearson_r : float, -1 to 1, without unit
    pearson_p : float, 0 to 1
        Two-sided p-value of no correlation (Student's t); 0 where it is below the range of float64.
    error : str
    """

    mse: float | None = None
    r2: float | None = None
    pearson_r: float | None = None
    pearson_p: float | None = None
    error: str | None = None


def as_predictions(values: ArrayLike, n_test: int) -> FloatArray:
    """Return what a regressor predicted as numbers, one for each sample; masked ones are NaN.

    Parameters
    ----------
    values : array, shape (n_test,) or (n_test, 1), a.u.
    n_test : int

    Raises
    ------
    ExperimentError
        If they are of another shape, or not real numbers.

    Examples
    --------
    >>> as_predictions([[1], [2]], 2)
    array([1., 2.])
    """
    predicted = np.asanyarray(values)
    if predicted.shape not in ((n_test,), (n_test, 1)):
        raise ExperimentError(f"predictions have shape {predicted.shape}, expected {(n_test,)}")
    types = {type(each) for each in predicted.flat} if predicted.dtype == object else {predicted.dtype.type}
    others = [kind for kind in types if not issubclass(kind, Real) or issubclass(kind, bool | np.bool)]
    if others:
        found = predicted.dtype if predicted.dtype != object else others[0].__name__
        raise ExperimentError(f"predictions are of type {found}, expected numbers")
    numbers = np.ma.asanyarray(predicted.astype(np.float64)).filled(np.nan)
    return np.asarray(numbers).reshape(n_test)


@np.errstate(over="ignore")
def score(target: FloatArray, prediction: FloatArray) -> Scores:
    """Return the metrics of a prediction.

    Parameters
    ----------
    target : float array, shape (n_test,), a.u.
        Finite.
    prediction : float array, shape (n_test,), a.u.

    Returns
    -------
    Scores
        Only an error where predictions are not finite or the squared error overflows. No `r2` and no
        Pearson correlation where the target is constant; no Pearson correlation where the prediction is.

    Examples
    --------
    >>> score(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 4.0])).r2
    0.5
    >>> score(np.array([1.0, 2.0]), np.array([4.0, 4.0])).error
    'Pearson r is undefined: all predictions are 4.0'
    """
    n_bad = np.count_nonzero(~np.isfinite(prediction))
    if n_bad:
        return Scores(error=f"{n_bad} of {prediction.size} predictions are not finite")
    mse = float(np.mean((target - prediction) ** 2))
    if not np.isfinite(mse):
        return Scores(error=f"the squared error overflows: predictions reach {np.abs(prediction).max():.3g}")
    if _is_constant(target):
        return Scores(mse, error=f"R2 and Pearson r are undefined: all test targets are {target[0]}")
    r2 = float(1 - mse / target.var())
    if not np.isfinite(r2):
        return Scores(mse, error=f"R2 overflows: the mean squared error is {mse:.3g}")
    if _is_constant(prediction):
        return Scores(mse, r2, error=f"Pearson r is undefined: all predictions are {prediction[0]}")
    correlation = pearsonr(target, prediction)
    return Scores(mse, r2, float(correlation.statistic), float(correlation.pvalue))


def _is_constant(values: FloatArray) -> bool:
    """Return whether values are equal but for rounding, or too close to have a variance."""
    return bool(np.ptp(values) <= ROUNDING * np.abs(values).max() or values.var() == 0)
