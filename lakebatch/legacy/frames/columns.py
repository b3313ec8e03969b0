"""The column of a growing table for each column of a frame, so that nothing is cast and nothing lost."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import polars as pl

from lakebatch._text import redact
from lakebatch.errors import SchemaError
from lakebatch.storage.delta.withholding import withheld

RESERVED = ("assembly_id", "part", "row", "recorded_at")
"""The columns that lakebatch adds to every table of frames."""
KINDS: dict[pl.DataType, str] = {
    pl.String(): "string",
    pl.Boolean(): "boolean",
    pl.Int8(): "byte",
    pl.Int16(): "short",
    pl.Int32(): "integer",
    pl.Int64(): "long",
    pl.Float32(): "float",
    pl.Float64(): "double",
    pl.Date(): "date",
    pl.Binary(): "binary",
    pl.Datetime("us"): "timestamp_ntz",
    pl.Datetime("us", "UTC"): "timestamp",
}
"""The types of stored columns, with their names in Delta."""
WIDER: dict[pl.DataType, pl.DataType] = {
    pl.UInt8(): pl.Int16(),
    pl.UInt16(): pl.Int32(),
    pl.UInt32(): pl.Int64(),
    pl.UInt64(): pl.Int64(),
    pl.Null(): pl.String(),
}
"""The smallest type of Delta for each type that Delta lacks; values that do not fit are refused."""
MAX_DETAIL = 150
SUFFIX = re.compile(r" \[[^\[\]]+\]$")


def storable(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the frame in types of Delta, with every value as it was.

    Unsigned integers become the next larger signed ones, categories strings, times with a zone the same instant in
    UTC, and nanoseconds microseconds if none is lost. Secrets are withheld.

    Raises
    ------
    SchemaError
        If a column cannot be stored without loss. The message names all such columns.
    """
    faults: list[str] = []
    columns: list[pl.Series] = []
    for column in frame.get_columns():
        try:
            columns.append(_storable(column))
        except (pl.exceptions.PolarsError, ValueError) as error:
            faults.append(f"column {column.name!r} is {column.dtype}: {brief(error)}")
    if faults:
        raise SchemaError(f"Cannot store this frame without loss: {'; '.join(faults)}.")
    return withheld(pl.DataFrame(columns))


def kind(dtype: pl.DataType) -> str:
    """Return the name of a type in Delta.

    >>> kind(pl.List(pl.Float64()))
    'list<double>'
    """
    if isinstance(dtype, pl.List):
        return f"list<{kind(dtype.inner)}>"  # type: ignore[arg-type]
    if dtype not in KINDS:
        raise ValueError("there is no such type in Delta. Convert it to numbers, text or times")
    return KINDS[dtype]


def place(frame: pl.DataFrame, present: Mapping[str, pl.DataType]) -> dict[str, str]:
    """Return the name in the table for each column of a frame.

    A column keeps its name if the name is free, or has the same type in the table. Otherwise its name in the table
    also has the type, as in ``level [double]``.

    >>> place(pl.DataFrame({"level": [0.05], "Level": [1]}), {"level": pl.Int64()})
    {'level': 'level [double]', 'Level': 'Level [long]'}
    """
    taken = {name.casefold(): (name, dtype) for name, dtype in present.items() if name not in RESERVED}
    placed = {}
    for name, dtype in frame.schema.items():
        for candidate in _candidates(name, kind(dtype)):
            if taken.setdefault(candidate.casefold(), (candidate, dtype)) == (candidate, dtype):
                break
        taken[candidate.casefold()] = (candidate, pl.Unknown())  # for one column of the frame only
        placed[name] = candidate
    return placed


def original(name: str) -> str:
    """Return the name that a column of the table has in the frames.

    >>> original("level [double]"), original("level"), original("time [s] [double]")
    ('level', 'level', 'time [s]')
    """
    return SUFFIX.sub("", name)


def brief(error: Exception) -> str:
    """Return the first line of another package's error, as the end of a sentence."""
    return redact(str(error).split("\n")[0])[:MAX_DETAIL].rstrip(".")


def _candidates(name: str, type_name: str) -> Iterator[str]:
    if name.casefold() not in RESERVED and not SUFFIX.search(name):
        yield name
    yield f"{name} [{type_name}]"
    for number in range(2, 1000):
        yield f"{name} [{type_name} {number}]"


def _storable(column: pl.Series) -> pl.Series:
    dtype = column.dtype
    if isinstance(dtype, pl.Datetime):
        column = _microseconds(column, dtype)
    elif isinstance(dtype, pl.Categorical | pl.Enum):
        column = column.cast(pl.String())
    elif isinstance(dtype, pl.Array):
        column = column.arr.to_list()
    elif dtype in WIDER:
        column = column.cast(WIDER[dtype], strict=True)
    kind(column.dtype)
    return column


def _microseconds(column: pl.Series, dtype: pl.Datetime) -> pl.Series:
    exact = column.dt.cast_time_unit("us")
    if exact.dt.cast_time_unit(dtype.time_unit).ne_missing(column).any():
        raise ValueError(
            "Delta keeps microseconds and this has nanoseconds. Round them, or save them as numbers"
        )
    return exact.dt.convert_time_zone("UTC") if dtype.time_zone else exact
