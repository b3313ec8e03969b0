"""Conversion of pandas frames to polars and back, with all values as they are. The only import of pandas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa

from lakebatch.errors import MissingDependencyError, SchemaError
from lakebatch.legacy.frames.columns import RESERVED, brief, original

if TYPE_CHECKING:
    import pandas as pd

MAX_EXACT = 2**53


def load_pandas() -> Any:
    """Return pandas; without it, raise an error that tells how to install it."""
    try:
        import pandas
    except ImportError as error:
        raise MissingDependencyError(
            "The older interface returns pandas frames and pandas is not installed. "
            "Install it with: pip install 'lakebatch[pandas]'"
        ) from error
    return pandas


def to_polars(frame: pd.DataFrame) -> pl.DataFrame:
    """Return a pandas frame as polars; an index other than row numbers becomes columns, labels become strings.

    Raises
    ------
    SchemaError
        If two columns have one name, or the values of a column have no common type.
    """
    pandas = load_pandas()
    if not isinstance(frame, pandas.DataFrame):
        raise SchemaError(f"Cannot save a {type(frame).__name__}. Expected a pandas.DataFrame.")
    flat = frame if _is_row_numbers(frame.index, pandas) else frame.reset_index()
    names = ["/".join(map(str, label)) if isinstance(label, tuple) else str(label) for label in flat.columns]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise SchemaError(f"Cannot save this frame: two columns are called {twice[0]!r}. Rename one of them.")
    columns = [_column(flat.iloc[:, place], name) for place, name in enumerate(names)]
    return pl.DataFrame(columns)


def to_pandas(frame: pl.DataFrame) -> pd.DataFrame:
    """Return rows of a table of frames as a pandas frame with the columns of the saved frames.

    Columns that the table has in several types become one again: of numbers if all are numbers, else of objects.
    """
    pandas = load_pandas()
    groups: dict[str, list[str]] = {}
    for stored in frame.columns:
        if stored not in RESERVED:
            groups.setdefault(original(stored), []).append(stored)
    columns = {name: _series(frame, stored, pandas) for name, stored in groups.items()}
    return pandas.DataFrame(columns, index=pandas.RangeIndex(frame.height))


def _is_row_numbers(index: Any, pandas: Any) -> bool:
    """Whether an index has only row numbers, as after `concat` or a filter."""
    return index.name is None and index.nlevels == 1 and pandas.api.types.is_integer_dtype(index.dtype)


def _column(values: Any, name: str) -> pl.Series:
    try:
        arrow = pa.Array.from_pandas(values)
        converted = pl.from_arrow(arrow)
    except (pa.ArrowException, pl.exceptions.PolarsError, ValueError, TypeError) as error:
        raise SchemaError(
            f"Cannot save column {name!r}, {values.dtype}: {brief(error)}. Expected values of one kind."
        ) from error
    assert isinstance(converted, pl.Series)
    return converted.alias(name)


def _series(frame: pl.DataFrame, stored: Sequence[str], pandas: Any) -> Any:
    """Return one column from the columns of the table that it was saved as."""
    used = [name for name in stored if frame[name].null_count() < frame.height] or list(stored[:1])
    if len(used) == 1:
        return _one(frame[used[0]], pandas)
    if _are_exact_numbers(frame.select(used)):
        return _one(
            frame.select(pl.coalesce(pl.col(name).cast(pl.Float64) for name in used)).to_series(), pandas
        )
    values = [
        next((value for value in row if value is not None), None) for row in frame.select(used).iter_rows()
    ]
    return pandas.Series(values, dtype=object)


def _are_exact_numbers(frame: pl.DataFrame) -> bool:
    return all(
        column.dtype.is_numeric() and (column.dtype.is_float() or not bool((column.abs() > MAX_EXACT).any()))
        for column in frame
    )


def _one(column: pl.Series, pandas: Any) -> Any:
    """Return a column; integers and booleans with NULL in pandas' nullable types."""
    series = column.to_arrow().to_pandas(integer_object_nulls=True)
    if column.null_count() and column.dtype.is_integer():
        return series.astype(str(column.dtype))  # polars and pandas call them the same
    if column.null_count() and column.dtype == pl.Boolean:
        return series.astype("boolean")
    return pandas.Series(series)
