"""Ranges of the dates and times that a frame can hold."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from lakebatch.errors import QueryError

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


def check_ranges(table: pa.Table) -> None:
    """Refuse a table with dates or times that a frame cannot hold.

    Raises
    ------
    QueryError
        If a value is infinite or outside the years 1 to 9999, or cannot be compared.
    """
    try:
        for number, name in enumerate(table.column_names):
            _check_range(name, table.column(number))
    except pa.ArrowException as error:
        raise QueryError(f"Cannot convert the result to a frame: {' '.join(str(error).split())}") from error


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
