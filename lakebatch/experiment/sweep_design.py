"""Design of a sweep: the points that swept keys make, as a grid, random draws or a Latin hypercube."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from lakebatch._text import nearest
from lakebatch.errors import ConfigError
from lakebatch.experiment.config_files import Tree
from lakebatch.experiment.sweep_text import check_key, parse_swept
from lakebatch.experiment.sweep_values import MAX_POINTS, SweptKeys
from lakebatch.ids import MAX_SEED, canonical_json

if TYPE_CHECKING:
    import numpy as np

Kind: TypeAlias = Literal["random", "latin"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Stream: TypeAlias = "Callable[[str], np.random.Generator]"
"""Returns the generator of a named random stream, see `lakebatch.assembly.seeds`."""
Sweepable: TypeAlias = "Mapping[Any, Any] | Iterable[str] | str | Path"
"""Swept keys: a mapping of keys to values, strings such as ``a=1,2``, or a file."""


@dataclass(frozen=True)
class Design:
    """The swept keys, and how points are made of them.

    Lists make a grid, in which the last key changes fastest. Keys with a distribution are drawn together, ``draws``
    times, for each point of the grid. Draws depend on ``seed`` and key alone: more random draws keep the first ones.

    Attributes
    ----------
    swept : tuple of SweptKeys
        The dimensions.
    draws : int, optional
        The number of draws.
    kind : {"random", "latin"}
        Independent draws, or a Latin hypercube: one draw in each of ``draws`` equal slices of each key.
    seed : int
        The seed of the draws.
    """

    swept: tuple[SweptKeys, ...]
    draws: int | None = None
    kind: Kind = "random"
    seed: int = 0

    def __post_init__(self) -> None:
        self._check_keys()
        self._check_draws()
        if self.count > MAX_POINTS:
            raise ConfigError(f"The sweep has {self.count} points. Expected at most {MAX_POINTS}.")

    @property
    def keys(self) -> tuple[str, ...]:
        """The swept keys."""
        return tuple(key for each in self.swept for key in each.keys)

    @property
    def count(self) -> int:
        """The number of points."""
        return math.prod(len(each.values) for each in self._grid) * (self.draws or 1)

    def points(self, stream: Stream) -> list[dict[str, Any]]:
        """Return the values of the swept keys at each point."""
        grid = itertools.product(*(each.values for each in self._grid))
        drawn = list(self._drawn(stream))
        return [self._in_order(steps, draw) for steps in grid for draw in drawn]

    @property
    def _grid(self) -> list[SweptKeys]:
        return [each for each in self.swept if each.distribution is None]

    def _drawn(self, stream: Stream) -> Iterator[dict[str, Any]]:
        """Yield the values of the keys with a distribution at each draw."""
        columns: dict[str, list[Any]] = {}
        for each in self.swept:
            if each.distribution is not None:
                columns[each.keys[0]] = [
                    each.distribution.quantile(float(u)) for u in self._quantiles(stream, each.keys[0])
                ]
        for index in range(self.draws or 1):
            yield {key: values[index] for key, values in columns.items()}

    def _quantiles(self, stream: Stream, key: str) -> np.ndarray[Any, Any]:
        count = self.draws or 1
        if self.kind == "random":
            return stream(f"random:{key}").random(count)
        generator = stream(f"latin:{key}")
        slices: np.ndarray[Any, Any] = (generator.permutation(count) + generator.random(count)) / count
        return slices

    def _in_order(self, steps: Iterable[tuple[Any, ...]], draw: Mapping[str, Any]) -> dict[str, Any]:
        given = dict(draw)
        for each, values in zip(self._grid, steps, strict=True):
            given |= dict(zip(each.keys, values, strict=True))
        return {key: given[key] for key in self.keys}

    def _check_keys(self) -> None:
        for index, key in enumerate(self.keys):
            for other in self.keys[:index]:
                if f"{key}.".startswith(f"{other}.") or f"{other}.".startswith(f"{key}."):
                    what = (
                        f"The key {key!r} is swept twice" if key == other else f"{key!r} is part of {other!r}"
                    )
                    raise ConfigError(f"{what}. Expected each key once in sweep= (in one --sweep).")

    def _check_draws(self) -> None:
        drawn = [each.distribution.text for each in self.swept if each.distribution]
        if self.kind not in KINDS:
            raise ConfigError(f"Unknown design {self.kind!r}. {nearest(str(self.kind), KINDS)}")
        if self.draws is not None and not _is_count(self.draws):
            raise ConfigError(f"draws is {self.draws!r}. Expected 1 or more.")
        if drawn and self.draws is None:
            raise ConfigError(
                f"{drawn[0]} is a distribution. Say how often to draw from it with draws=N (--draws)."
            )
        if self.draws is not None and not drawn:
            raise ConfigError(
                "There is nothing to draw. Expected a swept key such as sweep='noise=uniform(0, 1)' (--sweep)."
            )
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or not 0 <= self.seed <= MAX_SEED:
            raise ConfigError(f"The seed of the draws is {self.seed!r}. Expected 0 to {MAX_SEED}.")


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def nested(values: Mapping[str, Any]) -> Tree:
    """Return values by dotted key as a tree.

    >>> nested({"a.b": 1, "a.c": 2, "d": 3})
    {'a': {'b': 1, 'c': 2}, 'd': 3}
    """
    tree: Tree = {}
    for key, value in values.items():
        *above, name = key.split(".")
        table = tree
        for step in above:
            table = table.setdefault(step, {})
        table[name] = value
    return tree


def swept_keys(sweep: Mapping[Any, Any] | Iterable[str] | str) -> tuple[SweptKeys, ...]:
    """Return swept keys from strings, or from a mapping: lists of values, or strings such as ``uniform(0, 1)``.

    >>> swept_keys({"a": [1, 2], ("b", "c"): [(1, "x")]})[1].values
    ((1, 'x'),)

    Raises
    ------
    ConfigError
        If a key or a value has another form.
    """
    if isinstance(sweep, str):
        return (parse_swept(sweep),)
    if isinstance(sweep, Mapping):
        return tuple(_of_item(key, values) for key, values in sweep.items())
    return tuple(parse_swept(text) for text in sweep)


def _of_item(key: Any, values: Any) -> SweptKeys:
    """Return the dimension of a key, or of several keys as a tuple or with commas."""
    names = key.split(",") if isinstance(key, str) else list(key) if isinstance(key, tuple) else [key]
    if not all(isinstance(each, str) for each in names):
        raise ConfigError(f"Cannot sweep {key!r}. Expected a config key, e.g. cohort.n_samples.")
    joined = ",".join(each.strip() for each in names)
    if isinstance(values, str):
        return parse_swept(f"{joined}={values}")

    def fault(why: str) -> ConfigError:
        return ConfigError(f"Cannot sweep {joined!r}: {why}.")

    steps = _plain(values)
    if not isinstance(steps, list) or not steps:
        raise fault(f"its values are {values!r}, expected a list, or a text such as 'range(0, 1, 0.25)'")
    keys = tuple(check_key(each, fault) for each in joined.split(","))
    if len(keys) == 1:
        return SweptKeys(keys, tuple((each,) for each in steps))
    for each in steps:
        if not isinstance(each, list) or len(each) != len(keys):
            raise fault(f"{each!r} is no group of {len(keys)} values")
    return SweptKeys(keys, tuple(map(tuple, steps)))


def _plain(values: Any) -> Any:
    """Return values as plain Python: arrays, ranges and tuples as lists; NumPy's numbers as numbers."""
    if hasattr(values, "tolist"):
        values = values.tolist()
    if isinstance(values, list | tuple | range):
        return [_plain(each) for each in values]
    if isinstance(values, Mapping):
        return {str(key): _plain(each) for key, each in values.items()}
    return values


def shown(values: Mapping[str, Any]) -> str:
    """Return the values of a point in one line.

    >>> shown({"a": 1, "noise": "additive"})
    'a=1, noise=additive'
    """
    return ", ".join(
        f"{key}={value if isinstance(value, str) else canonical_json(value)}" for key, value in values.items()
    )
