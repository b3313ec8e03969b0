"""The horizontal axis of charts: positions of numbers, evenly, logarithmically or as they are; positions of strings."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import polars as pl

from lakebatch.assembly.metrics import Axis, text_of

MIN_RATIO = 8.0
"""The smallest ratio of the largest to the smallest value on a logarithmic axis."""


@dataclass(frozen=True)
class Scale:
    """The values on an axis, in order.

    Attributes
    ----------
    values : tuple
        Numbers, or strings, which stand side by side.
    is_log : bool
        Whether positions are logarithmic.
    """

    axis: Axis
    values: tuple[Any, ...]
    is_log: bool

    @property
    def names(self) -> tuple[str, ...]:
        """The values as text."""
        return tuple(map(text_of, self.values))

    @property
    def notes(self) -> tuple[str, ...]:
        """A note on a logarithmic axis."""
        return (f"The axis of {self.axis.label} is logarithmic.",) if self.is_log else ()

    def at(self, values: Iterable[Any]) -> tuple[float, ...]:
        """Return the positions of some values."""
        return tuple(values) if self.axis.is_number else tuple(map(self.values.index, values))

    @property
    def panel(self) -> dict[str, Any]:
        """The ticks of a panel with the axis."""
        if self.axis.is_number:
            return {"x_ticks": self.values, "x_log": self.is_log}
        return {"x_names": self.names}


def scale(axis: Axis, values: pl.Series) -> Scale:
    """Return the scale of an axis on which some values lie.

    It is logarithmic if the values are above 0, there are three or more, the largest is `MIN_RATIO` times the smallest,
    and their steps are more even then; never where the baseline is 0.
    """
    found = tuple(values.drop_nulls().unique().sort())
    return Scale(axis, found, axis.is_number and axis.baseline != 0 and is_logarithmic(found))


def is_logarithmic(values: Sequence[float]) -> bool:
    """Whether numbers in order are better shown on a logarithmic axis.

    >>> is_logarithmic([100, 1000, 10000]), is_logarithmic(range(1, 11)), is_logarithmic([0, 1, 10])
    (True, False, False)
    """
    if len(values) < 3 or values[0] <= 0 or values[-1] / values[0] < MIN_RATIO:
        return False
    return _unevenness([math.log(each) for each in values]) < _unevenness(values)


def _unevenness(values: Sequence[float]) -> float:
    """Return the ratio of the largest to the smallest step."""
    steps = [after - before for before, after in pairwise(values)]
    return max(steps) / min(steps)
