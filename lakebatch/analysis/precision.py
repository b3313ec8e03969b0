"""Sequential rule that stops replicates once the means of all groups are precise enough.

Replicates are added one after the other, and the intervals are looked at after each. A plain t interval that is looked at
so often, and kept the first time it is narrow, covers too rarely: the spread is underestimated more often than not at the
moment when it is found small. The rule here is the sequential procedure of Chow and Robbins (1965) with three guards: a
minimum number of replicates, critical values of t in place of the normal ones, and a correction of the critical value that
decreases as 1 / n, as Anscombe (1953) and Woodroofe (1977) derive for what stopping early costs. The part of the correction
that grows with the skewness of the sample is chosen by simulation, so that the coverage of one-sided metrics is held too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from lakebatch.analysis.condition import Condition
from lakebatch.assembly.metrics import Roles
from lakebatch.errors import ConfigError

CONFIDENCE = 0.95
MIN_REPLICATES = 10
"""Number of replicates before which the rule never stops."""
CORRECTION, SKEWNESS_CORRECTION = 4.0, 10.0
# Coefficients of the correction; tests/analysis/test_precision.py measures the coverage that they give
MAX_NAMED = 3
# groups without a value that a sentence names


def critical_value(n: Any, skewness: Any = 0.0) -> Any:
    """Return how many standard errors the rule's interval reaches to each side of the mean.

    Parameters
    ----------
    n : int or int array
        Number of replicates, at least 2.
    skewness : float or float array
        Sample skewness of their values, third moment over the 1.5th power of the second.

    Returns
    -------
    float or float array
        t (1 + (4 + 10 skewness²) / n), with the 97.5 % quantile t of Student's distribution with n - 1 degrees of freedom.

    Notes
    -----
    Source: Chow and Robbins 1965, "On the asymptotic theory of fixed-width sequential confidence intervals for the mean",
    Ann. Math. Statist. 36, 457-462, doi:10.1214/aoms/1177700156, whose critical values may be any sequence that tends to
    the normal quantile. Correction of order 1 / n: Anscombe 1953, "Sequential estimation", J. R. Statist. Soc. B 15, 1-21;
    Woodroofe 1977, "Second order approximations for sequential point and interval estimation", Ann. Statist. 5, 984-995.
    Deviation: the two coefficients are chosen by simulation.

    Examples
    --------
    >>> round(float(critical_value(10)), 2), round(float(critical_value(1000)), 2)
    (3.17, 1.97)
    """
    from scipy import stats  # slow to import

    t = stats.t.ppf(0.5 + CONFIDENCE / 2, np.asarray(n) - 1)
    return t * (1 + (CORRECTION + SKEWNESS_CORRECTION * np.square(skewness)) / n)


@dataclass(frozen=True)
class Precision:
    """Precision of the mean of one group.

    Attributes
    ----------
    label : str
        The group, such as ``last/ridge at level 0.5``.
    n : int
        Number of replicates with a value.
    mean, half : float
        Mean, and half of the width of its interval; NaN with less than two values.
    value : float
        The quantity of the condition; infinite where it cannot be computed.
    """

    label: str
    n: int
    mean: float
    half: float
    value: float


def unit_means(rows: pl.LazyFrame, metric: str, roles: Roles) -> pl.LazyFrame:
    """Return one row per assembly and group: the mean of the metric over the rows that have it, NULL if none has.

    Groups are the combinations of a value on the axis and the columns that tell apart what is compared.
    """
    keys = group_columns(roles)
    value = pl.col(metric).cast(pl.Float64).mean().alias("value")
    return rows.group_by("assembly_id", *keys).agg(value, lacking=pl.col(metric).null_count())


def group_columns(roles: Roles) -> list[str]:
    """Return the columns that define a group."""
    return list(dict.fromkeys([roles.axis.name, *roles.groups]))


def check(condition: Condition, group: Mapping[str, str], roles: Roles) -> None:
    """Raise if the results have no such metric, or no such columns of groups.

    Raises
    ------
    UnknownNameError
        If there is no such metric.
    ConfigError
        If there is no such column.
    """
    roles.metric(condition.metric)
    columns = group_columns(roles)
    if unknown := [name for name in group if name not in columns]:
        raise ConfigError(f"{unknown[0]!r} tells no groups apart. Expected one of: {', '.join(columns)}.")


def precisions(
    means: pl.DataFrame, condition: Condition, roles: Roles, group: Mapping[str, str]
) -> list[Precision]:
    """Return the precision of each group, see `unit_means`; with ``group``, of those with its values.

    Raises
    ------
    ConfigError
        If no group has these values.
    """
    keys = group_columns(roles)
    chosen = means.filter(*(_has_value(name, value) for name, value in group.items()))
    if chosen.is_empty() and not means.is_empty():
        known = means.select(keys).unique(maintain_order=True).sort(keys).iter_rows()
        asked = ", ".join(f"{name}={value}" for name, value in group.items())
        raise ConfigError(
            f"No group has {asked}. Groups: {_listed([_label(each, roles) for each in known])}."
        )
    groups = chosen.sort(keys, nulls_last=True).group_by(keys, maintain_order=True)
    return [_precision(_label(key, roles), frame["value"], condition) for key, frame in groups]


def narrow_enough(found: Sequence[Precision], condition: Condition) -> bool:
    """Whether the rule stops: every group has the minimum number of replicates and fulfils the condition."""
    return bool(found) and all(each.n >= MIN_REPLICATES and each.value < condition.bound for each in found)


def widest(found: Sequence[Precision], condition: Condition) -> str:
    """Return the least precise group in words: ``widest ci(pearson_r) 0.019 of last/ridge at level 0.5``."""
    worst = max(found, key=lambda each: each.value)
    value = condition.format(worst.value) if np.isfinite(worst.value) else "unknown"
    return f"widest {condition.quantity} {value} of {worst.label}"


def lacking(found: Sequence[Precision], condition: Condition, replicates: int) -> str:
    """Return which groups lack the metric in some replicates, in words; empty if none does."""
    named = [
        f"{replicates - each.n} of {replicates} replicates lack {condition.metric} of {each.label}"
        for each in found
        if each.n < replicates
    ]
    return _listed(named)


def without_spread(found: Sequence[Precision]) -> str:
    """Return which groups have the same value in all replicates, in words; empty if none has."""
    same = [each.label for each in found if each.half == 0]
    return f"no spread between replicates of {_listed(same)}" if same else ""


def _precision(label: str, values: pl.Series, condition: Condition) -> Precision:
    known = values.drop_nulls().to_numpy()
    n = len(known)
    if n < 2:
        return Precision(label, n, float(known.mean()) if n else np.nan, np.nan, np.inf)
    mean, spread = float(known.mean()), float(known.std(ddof=1))
    centred = known - mean
    variance = float((centred**2).mean())
    # rounding leaves a spread of the size of the last digit where all values are the same
    is_same = spread <= 1e-14 * abs(mean)
    skewness = 0.0 if is_same else float((centred**3).mean()) / variance**1.5
    error = 0.0 if is_same else spread / float(np.sqrt(n))
    critical = float(critical_value(n, skewness))
    return Precision(label, n, mean, critical * error, _value(condition, n, mean, critical, error))


def _value(condition: Condition, n: int, mean: float, critical: float, error: float) -> float:
    from scipy import stats  # slow to import

    # the standard error is corrected as the interval is, so that t times it covers
    t = float(stats.t.ppf(0.5 + CONFIDENCE / 2, n - 1))
    absolute = {"ci": 2 * critical, "halfwidth": critical, "sem": critical / t}[condition.measure] * error
    if not condition.is_relative:
        return absolute
    return absolute / abs(mean) if mean else np.inf


def _has_value(name: str, value: str) -> pl.Expr:
    """Whether a column has a value that is given as text: equal as text, or as a number."""
    same = pl.col(name).cast(pl.String) == value
    try:
        number = float(value)
    except ValueError:
        return same
    return same | (pl.col(name).cast(pl.Float64, strict=False) == number)


def _label(key: Sequence[Any], roles: Roles) -> str:
    named = dict(zip(group_columns(roles), key, strict=True))
    position = named.pop(roles.axis.name)
    groups = "/".join(str(each) for each in named.values() if each is not None)
    at = (
        ""
        if position is None
        else f"{roles.axis.name} {position:g}"
        if isinstance(position, float)
        else f"{roles.axis.name} {position}"
    )
    return f"{groups} at {at}" if groups and at else groups or at or "all rows"


def _listed(texts: Sequence[str]) -> str:
    more = len(texts) - MAX_NAMED
    return "; ".join([*texts[:MAX_NAMED], *([f"{more} more"] if more > 0 else [])])
