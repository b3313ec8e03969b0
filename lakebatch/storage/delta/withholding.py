"""Removal of secrets from frames before they are written to a table."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import count

import polars as pl

from lakebatch._text import redact, replacements

# Half of a character, from a setting that is not UTF-8; no frame can hold it
SURROGATE = re.compile("[\ud800-\udfff]")


def withheld(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the frame without secrets in its strings, bytes, lists of them, and column names.

    >>> withheld(pl.DataFrame({"level": [0.1]})).columns
    ['level']
    """
    secrets = {form: mark for form, mark in replacements().items() if not SURROGATE.search(form)}
    if not secrets:
        return frame
    changed = [_clean(column, secrets) for column in frame if _can_hold_text(column.dtype)]
    return frame.with_columns(changed).rename(_names(frame.columns))


def _can_hold_text(dtype: pl.DataType) -> bool:
    return _innermost(dtype) in (pl.String, pl.Binary)


def _innermost(dtype: pl.DataType) -> pl.DataType:
    return _innermost(dtype.inner) if isinstance(dtype, pl.List) else dtype  # type: ignore[arg-type]


def _clean(series: pl.Series, secrets: Mapping[str, str]) -> pl.Series:
    if not isinstance(series.dtype, pl.List):
        return _clean_values(series, secrets)
    inner = series
    while isinstance(inner.dtype, pl.List):
        inner = inner.explode()
    if not _holds_any(inner, secrets):  # the engine is slow with lists, which seldom hold a secret
        return series
    return series.list.eval(pl.element().map_batches(lambda values: _clean(values, secrets)))


def _clean_values(series: pl.Series, secrets: Mapping[str, str]) -> pl.Series:
    if series.dtype == pl.String:
        return series.str.replace_many(dict(secrets), leftmost=True)
    for form, mark in secrets.items() if _holds_any(series, secrets) else ():
        old, new = form.encode(), mark.encode()
        values = [None if each is None else each.replace(old, new) for each in series]
        series = pl.Series(series.name, values, dtype=pl.Binary)
    return series


def _holds_any(series: pl.Series, secrets: Mapping[str, str]) -> bool:
    if series.dtype == pl.String:
        return bool(series.str.contains_any(list(secrets)).any())
    return any(series.bin.contains(form.encode()).any() for form in secrets)


def _names(columns: list[str]) -> dict[str, str]:
    """Return the new name of each column whose name has a secret; equal new names are numbered."""
    names: dict[str, str] = {}
    taken = set(columns)
    for old in columns:
        new = redact(old)
        if new != old:
            free = (
                new if new not in taken else next(f"{new} {n}" for n in count(2) if f"{new} {n}" not in taken)
            )
            names[old] = free
            taken.add(free)
    return names
