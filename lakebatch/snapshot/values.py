"""Lossless strings for values of types that CSV, JSON or Python lack."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

import polars as pl

# Days since 1970 of the first and the last date of Python, in the years 1 and 9999.
FIRST_DAY, LAST_DAY = -719_162, 2_932_896
# Days since 1970 up to which polars can format a date, in the years to 260,000; it crashes beyond.
MAX_POLARS_DAYS = 95_000_000
PER_DAY = {"ms": 86_400_000, "us": 86_400_000_000}
# Infinity in a column of dates and in one of times.
INFINITY = {"days": 2**31 - 1, "us": 2**63 - 1, "ms": 2**63 - 1}


def exact(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a frame with strings for durations (ISO 8601), binary (hexadecimal), objects and dates beyond year 9999."""
    return frame.with_columns(_encodable(column) for column in frame if not _is_plain(column.dtype))


def flatten(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the frame with strings for all types that CSV lacks: lists and structs are JSON."""
    frame = exact(frame)
    lists = [name for name, dtype in frame.schema.items() if dtype.is_nested()]
    return frame.with_columns(
        pl.Series(
            name,
            [None if value is None else as_json(value) for value in frame[name].to_list()],
            dtype=pl.String,
        )
        for name in lists
    )


def is_finite(column: pl.Series) -> bool:
    """Whether a column has no NaN and no infinity, also within lists and structs."""
    if column.dtype.is_float():
        return bool(column.is_finite().all())
    return all(is_finite(each) for each in _inner(column))


def as_json(value: Any, separators: tuple[str, str] = (", ", ": ")) -> str:
    """Return a value as JSON, with strings for NaN and infinity.

    >>> as_json([0.5, None, math.inf, {"a": math.nan}])
    '[0.5, null, "Infinity", {"a": "NaN"}]'
    """
    options: dict[str, Any] = {"default": str, "ensure_ascii": False, "separators": separators}
    try:
        return json.dumps(value, allow_nan=False, **options)
    except ValueError:
        return json.dumps(_finite(value), **options)


def _finite(value: Any) -> Any:
    """Return a value with strings for the numbers that JSON lacks."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, list):
        return [_finite(each) for each in value]
    return {key: _finite(each) for key, each in value.items()} if isinstance(value, dict) else value


def _is_plain(dtype: pl.DataType) -> bool:
    """Whether all formats can represent every value of a type."""
    if isinstance(dtype, pl.List | pl.Array):
        return _is_plain(dtype.inner)  # type: ignore[arg-type]
    if isinstance(dtype, pl.Struct):
        return all(_is_plain(field.dtype) for field in dtype.fields)  # type: ignore[arg-type]
    return dtype not in (pl.Duration, pl.Binary, pl.Object, pl.Date, pl.Datetime)


def _inner(column: pl.Series) -> Iterator[pl.Series]:
    """Yield the columns inside a column of lists or structs."""
    if isinstance(column.dtype, pl.List | pl.Array):
        yield column.explode()
    elif isinstance(column.dtype, pl.Struct):
        yield from (column.struct.field(field.name) for field in column.dtype.fields)


def _encodable(column: pl.Series) -> pl.Series:
    dtype = column.dtype
    if dtype == pl.Duration:
        return column.dt.to_string("iso")
    if dtype == pl.Binary:
        return column.bin.encode("hex")
    if dtype == pl.Object:
        return pl.Series(
            column.name, [None if each is None else str(each) for each in column], dtype=pl.String
        )
    if dtype in (pl.Date, pl.Datetime):
        return _dates(column)
    if isinstance(dtype, pl.List | pl.Array):
        return _of_lists(column, dtype)
    return _of_structs(column, dtype) if isinstance(dtype, pl.Struct) and dtype.fields else column


def _of_lists(column: pl.Series, dtype: pl.List | pl.Array) -> pl.Series:
    within = column.explode(empty_as_null=False, keep_nulls=False)
    if (changed := _encodable(within)) is within:
        return column
    lists = column.arr.to_list() if isinstance(dtype, pl.Array) else column
    lengths = lists.list.len()
    ends = lengths.fill_null(0).cum_sum().to_list()
    known = zip(lengths.to_list(), ends, strict=True)
    values = [None if length is None else changed[end - length : end].to_list() for length, end in known]
    return pl.Series(column.name, values, dtype=pl.List(changed.dtype))


def _of_structs(column: pl.Series, dtype: pl.Struct) -> pl.Series:
    fields = list(_inner(column))
    changed = [_encodable(each) for each in fields]
    if all(one is other for one, other in zip(fields, changed, strict=True)):
        return column
    names = [field.name for field in dtype.fields]
    rows = zip(*(each.to_list() for each in changed), strict=True)
    known = zip(column.is_null().to_list(), rows, strict=True)
    values = [None if is_null else dict(zip(names, row, strict=True)) for is_null, row in known]
    types = [pl.Field(name, each.dtype) for name, each in zip(names, changed, strict=True)]
    return pl.Series(column.name, values, dtype=pl.Struct(types))


def _unit(dtype: pl.DataType) -> tuple[str, int]:
    """Return the unit that a date or time is counted in, and the units per day."""
    unit = dtype.time_unit if isinstance(dtype, pl.Datetime) else "days"
    return unit, PER_DAY.get(unit, 1)


def _dates(column: pl.Series) -> pl.Series:
    """Return dates unchanged, or as strings if some are outside of the years 1 to 9999, such as infinity."""
    unit, per_day = _unit(column.dtype)
    number = column.to_physical().alias("number")
    if unit == "ns" or number.is_between(FIRST_DAY * per_day, (LAST_DAY + 1) * per_day - 1).all():
        return column
    is_shown = pl.col("number").is_between(-MAX_POLARS_DAYS * per_day, MAX_POLARS_DAYS * per_day)
    date = pl.when(is_shown).then(pl.col("number")).cast(number.dtype).cast(column.dtype).cast(pl.String)
    other = (
        pl.when(pl.col("number").abs() >= INFINITY[unit])
        .then(pl.when(pl.col("number") > 0).then(pl.lit("infinity")).otherwise(pl.lit("-infinity")))
        .otherwise(pl.format("{} {} from 1970-01-01", "number", pl.lit(unit)))
    )
    return number.to_frame().select(pl.coalesce(date, other).alias(column.name)).to_series()
