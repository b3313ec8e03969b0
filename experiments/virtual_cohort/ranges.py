"""Ranges that values are drawn from, and how they are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import numpy as np


def check_range(value: tuple[float, float], name: str) -> tuple[float, float]:
    """Return a range of positive numbers; raise ValueError if it is none.

    >>> check_range((0.5, 2.0), "param_range")
    (0.5, 2.0)
    """
    lower, upper = value
    if lower > upper:
        raise ValueError(f"{name} is [{lower:g}, {upper:g}]; expected [lower, upper].")
    if lower <= 0:
        raise ValueError(f"{name} is [{lower:g}, {upper:g}]; expected both above 0.")
    return value


def draw_latin_hypercube(
    bounds: tuple[float, float], n_columns: int, n_samples: int, rng: np.random.Generator
) -> np.ndarray:
    """Draw a Latin hypercube over a range.

    Returns
    -------
    float array, shape (n_samples, n_columns), unit of ``bounds``
        Each column has one value in each of ``n_samples`` equal slices of the range.

    Notes
    -----
    Source: McKay, Beckman and Conover, Technometrics 21, 239 (1979), doi:10.1080/00401706.1979.10489755.
    """
    from scipy.stats import qmc  # slow to import, and only drawing a cohort needs it

    lower, upper = bounds
    return lower + (upper - lower) * qmc.LatinHypercube(d=n_columns, rng=rng).random(n_samples)


def draw_around(
    nominal: np.ndarray,
    factor_ranges: Sequence[tuple[float, float]],
    n_samples: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Draw nominal times one factor from each range, each value by itself.

    Parameters
    ----------
    nominal : float array, shape (n_columns,)
        Nominal values.
    factor_ranges : sequence of (lowest, highest), unit 1
        One factor is drawn from each.

    Returns
    -------
    float array, shape (n_samples, n_columns)
        Units as in ``nominal``. The first rows do not depend on ``n_samples``.
    """
    lower, upper = np.transpose(factor_ranges)
    factors = rng.uniform(lower, upper, size=(n_samples, nominal.size, len(factor_ranges)))
    return reduce(np.multiply, np.moveaxis(factors, -1, 0), nominal)
