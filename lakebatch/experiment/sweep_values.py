"""Values of swept keys: lists, ranges, and distributions from which a design draws."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeAlias

from lakebatch.errors import ConfigError

MAX_POINTS = 10_000
"""Most points of one sweep; a lake is made for 10,000 assemblies per experiment."""
DIGITS = 12
# of the values of a logarithmic range, so that 0.001 is not 0.0009999999999999998

Fault: TypeAlias = Callable[[str], ConfigError]
Values: TypeAlias = tuple[Any, ...]


@dataclass(frozen=True)
class Distribution:
    """Values to be drawn: the text that describes them, and the value at each quantile in [0, 1)."""

    text: str
    quantile: Callable[[float], Any]


@dataclass(frozen=True)
class SweptKeys:
    """One dimension of a sweep: a key, or several zipped keys, with a tuple of values per step.

    Attributes
    ----------
    keys : tuple of str
        The dotted keys.
    values : tuple of tuples
        The values of the keys at each step; empty for a distribution.
    distribution : Distribution, optional
        That of the key, instead of values.
    """

    keys: tuple[str, ...]
    values: tuple[Values, ...]
    distribution: Distribution | None = None


def _numbers(arguments: Sequence[Any], text: str, fault: Fault, *counts: int) -> list[Any]:
    """Return the arguments of a function, which must be finite numbers."""
    if len(arguments) not in counts:
        raise fault(f"{text!r} has {len(arguments)} arguments, expected {' or '.join(map(str, counts))}")
    for each in arguments:
        if isinstance(each, bool) or not isinstance(each, int | float) or not math.isfinite(each):
            raise fault(f"{text!r} has the argument {each!r}, expected a number")
    return list(arguments)


def _range(arguments: Sequence[Any], text: str, fault: Fault) -> Values:
    """Return the values of ``range([start,] stop [, step])``, without stop, as in Python; exact for decimals."""
    given = _numbers(arguments, text, fault, 1, 2, 3)
    start, stop = (0, given[0]) if len(given) == 1 else given[:2]
    step = given[2] if len(given) == 3 else 1
    if not step:
        raise fault(f"{text!r} has the step 0")
    first, end, by = (Decimal(str(each)) for each in (start, stop, step))
    count = math.ceil((end - first) / by)
    if not 1 <= count <= MAX_POINTS:
        raise fault(f"{text!r} has {max(count, 0)} values, expected 1 to {MAX_POINTS}; the stop is left out")
    kind = int if all(isinstance(each, int) for each in (start, stop, step)) else float
    return tuple(kind(first + index * by) for index in range(count))


def _linrange(arguments: Sequence[Any], text: str, fault: Fault) -> Values:
    """Return the values of ``linrange(first, last, count)``, both ends included."""
    first, last, count = _ends(arguments, text, fault)
    low, high = Decimal(str(first)), Decimal(str(last))
    return tuple(float(low + (high - low) * index / (count - 1)) for index in range(count))


def _logrange(arguments: Sequence[Any], text: str, fault: Fault) -> Values:
    """Return the values of ``logrange(first, last, count)``, evenly spaced in the logarithm, both ends included."""
    first, last, count = _ends(arguments, text, fault)
    if min(first, last) <= 0:
        raise fault(f"{text!r} has the end {min(first, last):g}, expected ends above 0")
    low, high = math.log10(first), math.log10(last)
    inner = (10 ** (low + (high - low) * index / (count - 1)) for index in range(1, count - 1))
    return (float(first), *(float(f"{each:.{DIGITS}g}") for each in inner), float(last))


def _ends(arguments: Sequence[Any], text: str, fault: Fault) -> tuple[float, float, int]:
    first, last, count = _numbers(arguments, text, fault, 3)
    if not isinstance(count, int) or not 2 <= count <= MAX_POINTS:
        raise fault(f"{text!r} asks for {count!r} values, expected 2 to {MAX_POINTS}")
    return first, last, count


def _uniform(arguments: Sequence[Any], text: str, fault: Fault) -> Distribution:
    low, high = _bounds(arguments, text, fault)
    return Distribution(text, lambda u: low + (high - low) * u)


def _loguniform(arguments: Sequence[Any], text: str, fault: Fault) -> Distribution:
    low, high = _bounds(arguments, text, fault)
    if low <= 0:
        raise fault(f"{text!r} has the end {low:g}, expected ends above 0")
    return Distribution(text, lambda u: math.exp(math.log(low) + (math.log(high) - math.log(low)) * u))


def _integers(arguments: Sequence[Any], text: str, fault: Fault) -> Distribution:
    low, high = _bounds(arguments, text, fault)
    if not isinstance(low, int) or not isinstance(high, int):
        raise fault(f"{text!r} has an end that is no integer")
    return Distribution(text, lambda u: low + int(u * (high - low + 1)))


def _choice(arguments: Sequence[Any], text: str, fault: Fault) -> Distribution:
    values = tuple(arguments)
    return Distribution(text, lambda u: values[int(u * len(values))])


def _bounds(arguments: Sequence[Any], text: str, fault: Fault) -> tuple[Any, Any]:
    low, high = _numbers(arguments, text, fault, 2)
    if not low < high:
        raise fault(f"{text!r} has a low end that is not below its high end")
    return low, high


RANGES: dict[str, Callable[[Sequence[Any], str, Fault], Values]] = {
    "range": _range,
    "linrange": _linrange,
    "logrange": _logrange,
}
DISTRIBUTIONS: dict[str, Callable[[Sequence[Any], str, Fault], Distribution]] = {
    "uniform": _uniform,
    "loguniform": _loguniform,
    "integers": _integers,
    "choice": _choice,
}
