"""Conversion of DuckDB results to polars frames without loss."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from lakebatch.errors import QueryError
from lakebatch.sql.catalog import quote_identifier

# Types that a frame or an output format lacks; their strings lose nothing
TEXT_TYPES = {
    "bignum", "bit", "blob", "geometry", "interval", "time with time zone", "uhugeint", "union", "variant",
}  # fmt: skip
# Types in which infinity would become a time near 1970
COARSE_TIMESTAMPS = {"timestamp_s", "timestamp_ms"}
# Suffixes of the extra columns of an interval
MONTHS, TEXT = "|months", "|text"
# Microseconds
DAY = 86_400_000_000
# Limits of dates in the years 1 to 9999 and of times in one day; infinity lies outside
RANGES = {
    pa.date32(): (-719_162, 2_932_896),
    pa.timestamp("us"): (-719_162 * DAY, 2_932_897 * DAY - 1),
    pa.timestamp("ns"): (-(2**63) + 2, 2**63 - 2),
    pa.time64("us"): (0, DAY - 1),
    pa.time64("ns"): (0, 1000 * DAY - 1),
}


def to_frame(connection: duckdb.DuckDBPyConnection, text: str, parameters: Mapping[str, Any]) -> pl.DataFrame:
    """Return the result of a query; repeated column names get a number as in DuckDB, ``seed`` and ``seed_1``.

    Raises
    ------
    QueryError
        If a frame cannot hold a value.
    """
    relation = connection.sql(text, params=dict(parameters) or None)
    names = _unique_names(relation.columns)
    columns = list(zip(names, relation.types, strict=True))
    chosen = [part for number, (name, kind) in enumerate(columns, 1) for part in _select(number, name, kind)]
    frame = _frame(relation.project(", ".join(chosen)).to_arrow_table())
    return _with_integers(_with_durations(frame, [name for name, kind in columns if kind.id == "interval"]))


def _frame(table: pa.Table) -> pl.DataFrame:
    try:
        for number, name in enumerate(table.column_names):
            _check_range(name, table.column(number))
        frame = pl.from_arrow(table)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, pa.ArrowException) as error:
        raise QueryError(f"Cannot convert the result to a frame: {' '.join(str(error).split())}") from error
    assert isinstance(frame, pl.DataFrame)
    return frame


def _unique_names(names: list[str]) -> list[str]:
    """Return the names in order, repeated ones with a number."""
    found: list[str] = []
    for name in names:
        number, new = 0, name
        while new in found or (number and new in names):
            number += 1
            new = f"{name}_{number}"
        found.append(new)
    return found


def _select(number: int, name: str, kind: Any) -> Iterator[str]:
    """Yield the SQL that selects a column by its number: as it is, as a string, or an interval as its components."""
    if kind.id == "interval":
        yield f"epoch_us(#{number}) AS {quote_identifier(name)}"
        yield f"datepart('month', #{number}) + 12 * datepart('year', #{number}) AS {quote_identifier(name + MONTHS)}"
        yield f"#{number}::VARCHAR AS {quote_identifier(name + TEXT)}"
    elif any(each.id in TEXT_TYPES or _has_other_keys_than_text(each) for each in _nested_types(kind)):
        yield f"#{number}::VARCHAR AS {quote_identifier(name)}"
    elif kind.id in COARSE_TIMESTAMPS:
        yield f"#{number}::TIMESTAMP AS {quote_identifier(name)}"
    else:
        yield f"#{number} AS {quote_identifier(name)}"


def _nested_types(kind: Any) -> Iterator[Any]:
    """Yield a type and the types nested in it."""
    yield kind
    if kind.id in ("list", "array", "struct", "map"):
        for name, child in kind.children:
            if name != "size":
                yield from _nested_types(child)


def _has_other_keys_than_text(kind: Any) -> bool:
    """Whether a type is a map with keys other than strings."""
    return bool(kind.id == "map" and kind.children[0][1].id != "varchar")


def _check_range(name: str, values: pa.ChunkedArray | pa.Array) -> None:
    """Refuse dates and times that a frame cannot hold, also inside nested values."""
    kind = values.type
    if pa.types.is_struct(kind):
        for index in range(kind.num_fields):
            _check_range(name, pc.struct_field(values, [index]))
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        _check_range(name, pc.list_flatten(values))
    elif pa.types.is_map(kind):
        for chunk in values.chunks if isinstance(values, pa.ChunkedArray) else [values]:
            _check_range(name, chunk.items)
    elif known := RANGES.get(pa.timestamp(kind.unit) if pa.types.is_timestamp(kind) else kind):
        found = pc.min_max(values.cast(pa.int32() if pa.types.is_date32(kind) else pa.int64()))
        low, high = found["min"].as_py(), found["max"].as_py()
        if low is not None and not known[0] <= low <= high <= known[1]:
            raise QueryError(
                f"Column {name!r} has a date or time that is infinite or outside the years 1 to 9999. "
                "Cast it to VARCHAR."
            )


def _with_durations(frame: pl.DataFrame, names: list[str]) -> pl.DataFrame:
    """Return intervals as durations; a column with months, which have no fixed length, as strings such as ``1 month``."""
    for name in names:
        of_months = frame[name + MONTHS].fill_null(0).cast(pl.Boolean).any()
        column = frame[name + TEXT] if of_months else frame[name].cast(pl.Duration("us"))
        frame = frame.with_columns(column.alias(name))
    return frame.drop([name + suffix for name in names for suffix in (MONTHS, TEXT)])


def _with_integers(frame: pl.DataFrame) -> pl.DataFrame:
    """Return sums of integers as integers; DuckDB returns them as decimals of 38 digits."""
    sums = [name for name, dtype in frame.schema.items() if dtype == pl.Decimal(38, 0)]
    fitting = [
        name
        for name in sums
        if frame[name].cast(pl.Int64, strict=False).null_count() == frame[name].null_count()
    ]
    return frame.with_columns(pl.col(fitting).cast(pl.Int64))
