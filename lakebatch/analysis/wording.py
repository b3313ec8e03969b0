"""Words of captions, legends and tables: nouns of an experiment, names of what is compared and their order.

Names of columns do not clash with those of statistics.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from lakebatch.assembly.metrics import Axis, Roles
from lakebatch.assembly.record import Assembly

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


UNNAMED = "all"
"""The name of rows without a feature set or a model."""
BETWEEN_WORDS = re.compile(r"(?<=[^\W_])_+(?=[^\W_])")


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


def spoken(name: str) -> str:
    """Return the name of a feature set or a model as words.

    >>> spoken("gradient_boosting"), spoken("_private"), spoken("initial+dynamic")
    ('gradient boosting', '_private', 'initial+dynamic')
    """
    return BETWEEN_WORDS.sub(" ", name)


def spoken_names(names: Collection[str]) -> dict[str, str]:
    """Return each name as words; as it is where two would be the same.

    >>> spoken_names(["a_b", "a b", "c_d"])
    {'a_b': 'a_b', 'a b': 'a b', 'c_d': 'c d'}
    """
    count = Counter(map(spoken, names))
    return {name: spoken(name) if count[spoken(name)] == 1 else name for name in names}


def in_configured_order(names: Collection[str], records: Iterable[Assembly]) -> list[str]:
    """Return names in the order in which configs list them, those of the newest assembly first; others by number or name.

    Parameters
    ----------
    names : collection of str
        Distinct values of a group of the results, such as models.
    records : iterable of Assembly
        The assemblies, by run.
    """
    found: list[str] = []
    for each in reversed(list(records)):
        lists = list(_lists(each.settings))
        best = max(lists, key=lambda listed: len(set(names).intersection(listed)), default=[])
        found += [name for name in dict.fromkeys(best) if name in names and name not in found]
        if len(found) == len(names):
            break
    return [*found, *sorted(sorted({*names} - {*found}), key=_size)]


def _lists(tree: Any) -> Iterator[list[str]]:
    """Yield the strings of every list in a config; a table in a list counts by its name."""
    if isinstance(tree, Mapping):
        for value in tree.values():
            yield from _lists(value)
    if isinstance(tree, list):
        named = (each.get("name") if isinstance(each, Mapping) else each for each in tree)
        yield [each for each in named if isinstance(each, str)]
        for value in tree:
            yield from _lists(value)


def _size(name: str) -> float:
    """Return the number at the end of a name such as "depth 5"; 0 for text, which stays in its order."""
    try:
        return float(name.rpartition(" ")[2])
    except ValueError:
        return 0.0
