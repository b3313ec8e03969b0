"""Values of a config that are given as Python objects, by keyword."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lakebatch.errors import ConfigError
from lakebatch.experiment.config import merge
from lakebatch.experiment.sweep_design import nested


def strings(given: str | Iterable[str] | Mapping[str, Any]) -> list[str]:
    """Return strings such as ``cohort.n_samples=200``; none of a mapping, whose values `overrides_of` takes."""
    if isinstance(given, Mapping):
        return []
    return [given] if isinstance(given, str) else list(given)


def overrides_of(
    overrides: Mapping[str, Any] | None,
    assigned: Mapping[str, Any] | str | Iterable[str] = (),
    levels: Any = None,
) -> dict[str, Any] | None:
    """Return values as a tree, from a nested mapping or one with dotted keys; a later argument wins.

    >>> overrides_of({"cohort": {"n_samples": 60}, "cohort.excluded_layers": ["O"]}, levels=(0, 0.2))
    {'cohort': {'n_samples': 60, 'excluded_layers': ['O']}, 'levels': [0, 0.2]}

    Raises
    ------
    ConfigError
        If ``overrides`` is no mapping.
    """
    if overrides is not None and not isinstance(overrides, Mapping):
        raise ConfigError(
            f"overrides is {overrides!r}. Expected a mapping, e.g. {{'cohort.n_samples': 60}} or "
            "{'cohort': {'n_samples': 60}}."
        )
    given = [*(overrides or {}).items(), *(assigned.items() if isinstance(assigned, Mapping) else ())]
    given += [] if levels is None else [("levels", levels)]
    tree: dict[str, Any] = {}
    for key, value in given:
        tree = merge(tree, nested({str(key): plain(value)}))
    return tree or None


def plain(value: Any) -> Any:
    """Return a value with Python's own numbers and lists in the place of those of NumPy, polars and ranges.

    >>> plain({"levels": (0, 0.2), "throws": range(2)})
    {'levels': [0, 0.2], 'throws': [0, 1]}
    """
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | range | set | frozenset):
        return [plain(each) for each in value]
    for method in ("tolist", "to_list"):  # of NumPy and pandas, of polars
        if hasattr(value, method):
            return getattr(value, method)()
    return value
