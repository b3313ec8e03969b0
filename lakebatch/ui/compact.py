"""Columns of a table as compact JSON: repeated values are written once."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import polars as pl

# Distinct values may be at most this share of all values, else a list of plain values is shorter
MAX_SHARE = 0.5


def frame(rows: pl.DataFrame) -> dict[str, Any]:
    """Return each column of a frame, see `column`."""
    return {name: column(rows[name].to_list(), lambda value: value) for name in rows.columns}


def _key(value: Any) -> Any:
    """Return a key under which equal values of one type are the same; 1, 1.0 and True differ."""
    return (type(value), repr(value) if isinstance(value, list | dict) else value)


def column(values: Sequence[Any], key: Callable[[Any], Any] = _key) -> Any:
    """Return a list of values, or ``{"values": [...], "index": [...]}`` where values are repeated.

    >>> column(["a", "b", "a", "a"])
    {'values': ['a', 'b'], 'index': [0, 1, 0, 0]}
    >>> column([None, None])
    {'same': None}
    """
    places: dict[Any, int] = {}
    index = [places.setdefault(key(each), len(places)) for each in values]
    if len(places) == 1:
        return {"same": plain(values[0])}
    if len(places) > MAX_SHARE * len(values):
        return [plain(each) for each in values]
    firsts: dict[int, Any] = {}
    for place, each in zip(index, values, strict=True):
        firsts.setdefault(place, each)
    return {"values": [plain(each) for each in firsts.values()], "index": index}


def plain(value: Any) -> Any:
    """Return a value that JSON can hold; NaN and infinities as strings."""
    if isinstance(value, float) and not math.isfinite(value):
        return {math.inf: "Infinity", -math.inf: "-Infinity"}.get(value, "NaN")
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    return value


def first(column: Any, count: int) -> list[Any]:
    """Return the first values of a compact column.

    >>> first(column(["a", "b", "a", "a"]), 3)
    ['a', 'b', 'a']
    """
    if isinstance(column, list):
        return column[:count]
    if "same" in column:
        return [column["same"]] * count
    return [column["values"][each] for each in column["index"][:count]]
