"""The constraint that rows break, which the engine does not name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import polars as pl

from lakebatch._text import excerpt
from lakebatch.storage.delta.engine import Data

PREFIX = "delta.constraints."
# Characters of a value that an error quotes
MAX_VALUE = 40


def broken(properties: Mapping[str, str], data: Data) -> str | None:
    """Return the constraint of a table that some rows break, with an example; None if they break none.

    >>> broken({"delta.constraints.r2_at_most_one": "r2 <= 1"}, pl.DataFrame({"r2": [0.5, 3.0]}))
    'r2_at_most_one (r2 <= 1), with r2 = 3.0'
    """
    rules = {name.removeprefix(PREFIX): rule for name, rule in properties.items() if name.startswith(PREFIX)}
    for frame in _frames(data):
        for name, rule in rules.items():
            if (bad := _breaking(frame, rule)) is not None and bad.height:
                return f"{name} ({rule}){_example(bad, rule)}"
    return None


def _frames(data: Data) -> Iterable[pl.DataFrame]:
    if isinstance(data, pl.DataFrame):
        return [data]
    return (frame for batch in data if isinstance(frame := pl.from_arrow(batch), pl.DataFrame))


def _breaking(frame: pl.DataFrame, rule: str) -> pl.DataFrame | None:
    """Return the rows that break a rule; None if polars cannot parse the rule of another tool."""
    try:
        return frame.filter(~pl.sql_expr(rule))
    except pl.exceptions.PolarsError:
        return None


def _example(bad: pl.DataFrame, rule: str) -> str:
    row = bad.row(0, named=True)
    named = [name for name in row if row[name] is not None and re.search(rf"\b{re.escape(name)}\b", rule)]
    values = (f"{name} = {excerpt(repr(row[name]), MAX_VALUE)}" for name in named)
    return f", with {', '.join(values)}" if named else ""
