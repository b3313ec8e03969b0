"""Conversion of DuckDB results to polars frames without loss."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb
import polars as pl

from lakebatch.errors import QueryError
from lakebatch.sql.catalog import quote_identifier

if TYPE_CHECKING:
    import pyarrow as pa

# Types that a frame or an output format lacks; their strings lose nothing
TEXT_TYPES = {
    "bignum", "bit", "blob", "geometry", "interval", "time with time zone", "uhugeint", "union", "variant",
}  # fmt: skip
# Types in which infinity would become a time near 1970
COARSE_TIMESTAMPS = {"timestamp_s", "timestamp_ms"}
# First words of the types whose values a frame may not hold
OF_TIME = ("date", "time")
# Suffixes of the extra columns of an interval
MONTHS, TEXT = "|months", "|text"


@dataclass(frozen=True)
class ArrowStream:
    """Rows of another library as a stream of Arrow: polars and DuckDB read it without pyarrow, which is slow to load."""

    source: Any

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Return the rows, as the Arrow PyCapsule interface asks for them."""
        return self.source.__arrow_c_stream__(requested_schema)


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
    frame = _frame(relation.project(", ".join(chosen)))
    return _with_integers(_with_durations(frame, [name for name, kind in columns if kind.id == "interval"]))


def _frame(relation: duckdb.DuckDBPyRelation) -> pl.DataFrame:
    try:
        frame = pl.DataFrame(_rows(relation))
        frame.columns = relation.columns  # a materialized relation gives repeated names a number
        return frame
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise QueryError(f"Cannot convert the result to a frame: {' '.join(str(error).split())}") from error


def _rows(relation: duckdb.DuckDBPyRelation) -> ArrowStream | pa.Table:
    """Return the computed rows; a stream that computes them would lose the types of DuckDB's errors."""
    if any(each.id.startswith(OF_TIME) for kind in relation.types for each in _nested_types(kind)):
        from lakebatch.sql.answer_times import check_ranges  # needs pyarrow, and most answers do without

        table = relation.to_arrow_table()
        check_ranges(table)
        return table
    return ArrowStream(relation.materialize())


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
