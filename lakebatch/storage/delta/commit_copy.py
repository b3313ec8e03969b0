"""Compact copies, kept in the metadata of commits, of the values that cannot be computed again."""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from lakebatch.storage.delta.schema import TableSchema

COPY = "lakebatch.copy"
"""Key of the copy in a commit's metadata."""
MAX_COPY_BYTES = 64_000
"""Upper bound of a copy: opening a table reads the log, so the log must stay small."""
# Upper bound of an unpacked copy, which can come from a lake of another person
MAX_UNPACKED_BYTES = 64_000_000


def copied_columns(schema: TableSchema) -> list[str]:
    """Return the names of the columns that a copy holds.

    These are the volatile columns. Events and tags have none and cannot be computed again: all columns are copied.
    Frames cannot be computed again either, but are not small: no column is copied.
    """
    if schema.grows:
        return []
    volatile = [column.name for column in schema.columns if column.volatile]
    return [name for name in volatile or schema.polars if name not in schema.partition_by]


def encode(rows: pl.DataFrame) -> str | None:
    """Return a copy of some columns as a string; None if it would be too large.

    >>> decode(encode(pl.DataFrame({"x": [0.1, 0.2]})), {"x": pl.Float64()}, 2).to_dict(as_series=False)
    {'x': [0.1, 0.2]}
    """
    columns: dict[str, Any] = {}
    numbers = b""
    for series in rows:
        columns[series.name], more = _encoded(series)
        numbers += more
    head = json.dumps({"rows": rows.height, "columns": columns}, separators=(",", ":"))
    text = base64.b64encode(zlib.compress(head.encode() + b"\n" + numbers, 9))
    return text.decode() if len(text) <= MAX_COPY_BYTES else None


def decode(text: str, types: Mapping[str, pl.DataType], rows: int) -> pl.DataFrame:
    """Return the columns that a string is a copy of.

    Parameters
    ----------
    types : mapping
        Types of the known columns; other columns are refused.
    rows : int
        Expected row count.

    Raises
    ------
    ValueError
        If the string is no such copy.
    """
    try:
        return _decode(_unpacked(text), types, rows)
    except (KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise ValueError(f"it is damaged ({error})") from error
    except pl.exceptions.PolarsError as error:
        raise ValueError(f"it is damaged ({error})") from error


def _unpacked(text: str) -> bytes:
    packed = zlib.decompressobj()
    try:
        content = packed.decompress(base64.b64decode(text, validate=True), MAX_UNPACKED_BYTES)
    except (binascii.Error, zlib.error) as error:
        raise ValueError(f"it is damaged ({error})") from error
    if not packed.eof:
        raise ValueError("it is cut off")
    return content


def _decode(content: bytes, types: Mapping[str, pl.DataType], rows: int) -> pl.DataFrame:
    head, _, numbers = content.partition(b"\n")
    described = json.loads(head)
    if described["rows"] != rows:
        raise ValueError(f"it has {described['rows']} rows, its commit {rows}")
    series = []
    for name, column in described["columns"].items():
        series.append(_decoded(name, column, numbers[: 8 * rows], types[name], rows))
        numbers = numbers[8 * rows :] if column.get("planes") else numbers
    return pl.DataFrame(series)


def _encoded(series: pl.Series) -> tuple[dict[str, Any], bytes]:
    """Return the description of a column, and its numbers as bytes if they are stored apart from it."""
    physical = series.to_physical()
    if series.dtype == pl.Float64 and not series.null_count() and len(series) > 1:
        return {"planes": True}, _planes(physical)
    values = physical.to_list()
    is_same = all(value == values[0] for value in values)
    return ({"same": values[0]} if values and is_same else {"values": values}), b""


def _planes(series: pl.Series) -> bytes:
    """Return the bytes of numbers transposed: all first bytes, then all second bytes and so on, which packs better."""
    return series.to_numpy().astype("<f8").view(np.uint8).reshape(-1, 8).T.tobytes()


def _decoded(
    name: str, column: Mapping[str, Any], numbers: bytes, dtype: pl.DataType, rows: int
) -> pl.Series:
    if column.get("planes"):
        words = np.frombuffer(numbers, np.uint8).reshape(8, rows).T.copy()
        return pl.Series(name, words.view("<f8").reshape(rows).astype(np.float64)).cast(dtype)
    values = [column["same"]] * rows if "same" in column else column["values"]
    physical = pl.Int64() if dtype == pl.Datetime("us", "UTC") else dtype
    return pl.Series(name, values, dtype=physical).cast(dtype)
