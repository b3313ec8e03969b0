"""Words of captions and tables for one experiment, and names of its columns that do not clash with those of statistics."""

from __future__ import annotations

from dataclasses import dataclass, replace

from lakebatch.assembly.metrics import Axis, Roles

TAKEN = frozenset(
    (
        "value", "overlap", "cohort", "config", "of_cohort", "mean", "std", "low", "high", "min", "max", "half",
        "units", "assemblies", "fits", "missing", "cohorts", "cohort_std", "cohort_min", "cohort_max", "error",
        "p_value", "p_holm", "baseline", "relative", "one", "other", "subtracted", "slope", "r2", "perturbed",
        "robustness", "rank", "weak", "metric", "before", "after", "shift", "side", "t", "freedom", "known",
        "median", "total", "seconds", "digest", "position", "fit_seconds",
    )
)  # fmt: skip
"""Columns of statistics and of their tables."""


@dataclass(frozen=True)
class Words:
    """The nouns of one experiment.

    Attributes
    ----------
    unit : str
        What intervals count: random splits, or repeats where rows have no split.
    cohort : str
        What assemblies of one seed share.
    row : str
        A row of the results.
    """

    unit: str = "split"
    cohort: str = "cohort"
    row: str = "fit"


def words(roles: Roles, *, has_splits: bool) -> Words:
    """Return the nouns of an experiment.

    Parameters
    ----------
    has_splits : bool
        Whether its rows have the sizes of a train/test split.
    """
    if roles.of_cohorts:
        return Words()
    return Words("split" if has_splits else "repeat", "seed", "row")


def plural(noun: str) -> str:
    """Return a noun in the plural.

    >>> [plural(each) for each in ("split", "assembly", "servers")]
    ['splits', 'assemblies', 'servers']
    """
    if noun.endswith("s"):
        return noun
    return f"{noun[:-1]}ies" if noun.endswith("bly") else f"{noun}s"


def free(name: str) -> str:
    """Return the name of an axis or a group in frames of statistics.

    >>> free("points"), free("units")
    ('points', 'units_')
    """
    return f"{name}_" if name in TAKEN else name


def without_clashes(roles: Roles) -> Roles:
    """Return roles in which no axis and no group has the name of a column of statistics; labels stay.

    Without groups, configs are compared.
    """
    axis: Axis = replace(roles.axis, name=free(roles.axis.name))
    groups = tuple(map(free, roles.groups)) or ("config",)
    labels = {free(name): roles.word(name) for name in roles.groups if free(name) != name}
    return replace(roles, axis=axis, groups=groups, labels={**roles.labels, **labels})
