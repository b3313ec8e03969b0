"""Intervals of ratios of two means, from pairs of values that share their split."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def with_interval(
    pairs: pl.DataFrame, groups: list[str], part: str, whole: str, confidence: float
) -> pl.DataFrame:
    """Return the means of two columns in each group, with the interval of their ratio.

    Parameters
    ----------
    pairs : frame
        One row per unit: assembly_id, ``groups``, ``part``, ``whole``, and ``overlap``, the test size over the train
        size of splits, NULL or 0 for independent units.
    part, whole : column names
        Numerator and denominator.
    confidence : float
        Such as 0.95.

    Returns
    -------
    frame, one row per group
        ``groups``, ``part``, ``whole``, units, part_differs and whole_differs (whether each mean differs from 0), low and
        high. All four are NULL with a single unit; low and high also where the denominator does not differ from 0, since
        every ratio is possible then.

    Notes
    -----
    Source: Fieller 1954, doi:10.1111/j.2517-6161.1954.tb00159.x: the ratios R for which a paired t test does not find
    that part - R * whole differs from 0. Deviation: variances and covariance of the means are corrected for the overlap
    of splits (Nadeau and Bengio 2003, doi:10.1023/A:1024068626366), as in `lakebatch.analysis.statistics`.
    """
    n, assemblies = pl.len(), pl.col("assembly_id").n_unique()
    found = pairs.group_by(groups, maintain_order=True).agg(
        pl.col(part, whole).mean(),
        units=n,
        scale=1 / n + pl.col("overlap").mean().fill_null(0.0) / assemblies,
        of_part=pl.col(part).var(),
        of_whole=pl.col(whole).var(),
        of_both=pl.cov(part, whole),
    )
    from scipy import stats  # slow to import

    freedom = np.maximum(_floats(found, "units") - 1, 1)
    factor = stats.t.ppf(0.5 + confidence / 2, freedom) ** 2 * _floats(found, "scale")
    means = _floats(found, part), _floats(found, whole)
    scaled = (factor * _floats(found, name) for name in ("of_part", "of_whole", "of_both"))
    several = pl.col("units") > 1
    return found.select(
        *groups,
        part,
        whole,
        "units",
        *(
            pl.when(several).then(pl.Series(name, values)).alias(name)
            for name, values in _fieller(*means, *scaled).items()
        ),
    ).with_columns(pl.col("low", "high").fill_nan(None))


def _fieller(
    part: Floats, whole: Floats, of_part: Floats, of_whole: Floats, of_both: Floats
) -> dict[str, NDArray[Any]]:
    """Return the ends of the intervals, NaN where there is none, and which means differ from 0.

    Parameters
    ----------
    of_part, of_whole, of_both : arrays
        Variances of the two means and their covariance, times the square of the quantile of t.
    """
    square, rest, middle = whole**2 - of_whole, part**2 - of_part, part * whole - of_both
    with np.errstate(divide="ignore", invalid="ignore"):
        half = np.sqrt(np.maximum(middle**2 - square * rest, 0.0))
        low, high = (np.where(square > 0, (middle + sign * half) / square, np.nan) for sign in (-1, 1))
    return {"low": low, "high": high, "part_differs": rest > 0, "whole_differs": square > 0}


def _floats(frame: pl.DataFrame, name: str) -> Floats:
    return frame[name].cast(pl.Float64).fill_null(np.nan).to_numpy()
