"""Columns from the description of numpy's, pandas' and Arrow's arrays."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from lakebatch.errors import LegacyError
from lakebatch.legacy.pickles.inert import Inert

NUMPY_TYPE = re.compile(r"(b1|[iu][1248]|f[248]|M8|U\d{1,6}|O8?)", re.ASCII)
ARROW_TYPES = {"string": pa.string(), "large_string": pa.large_string()}
MAX_EXACT = 2**53


def series(node: Inert) -> list[pl.Series]:
    """Return the columns that an array holds: one per row of a block, or the one of an array of its own."""
    if node.what in ("reconstruct", "frombuffer"):
        array = values(node)
        return [_numpy_series(row) for row in np.atleast_2d(array)]
    if node.what == "backed":
        return _backed(node)
    if node.what == "masked":
        data, mask = values(node.state["_data"]), values(node.state["_mask"])
        return [_numpy_series(data).set(pl.Series(mask), None)]
    if node.what == "ArrowStringArray":
        return [_arrow_series(node.state.get("_pa_array", node.state.get("_data")))]
    raise LegacyError(f"one of its columns is a {node.name}")


def values(node: Inert) -> np.ndarray[Any, Any]:
    """Return a numpy array."""
    if node.what == "frombuffer":
        buffer, dtype, shape, order = node.args
        return _array(_bytes(buffer), dtype, shape, order)
    if node.what == "reconstruct":
        _, shape, dtype, is_fortran, data = node.state
        return _array(data, dtype, shape, "F" if is_fortran else "C")
    raise LegacyError(f"one of its arrays is a {node.name}")


def object_column(items: Sequence[Any]) -> pl.Series:
    """Return a column of plain values: text, numbers, or booleans, and nothing else.

    >>> object_column(["a", None]).to_list(), object_column([1, 2.5]).to_list()
    (['a', None], [1.0, 2.5])
    """
    plain = [_plain(item) for item in items]
    kinds = {type(item) for item in plain if item is not None}
    if kinds == {int, float}:
        kinds = {float}
        if any(isinstance(item, int) and abs(item) > MAX_EXACT for item in plain):
            raise LegacyError("one of its columns mixes fractions and integers too large for them")
        plain = [None if item is None else float(item) for item in plain]
    if len(kinds) > 1:
        raise LegacyError(f"one of its columns mixes {' and '.join(sorted(kind.__name__ for kind in kinds))}")
    types = {str: pl.String(), bool: pl.Boolean(), int: pl.Int64(), float: pl.Float64()}
    return pl.Series(plain, dtype=types[kinds.pop()] if kinds else pl.Null())


def _plain(item: Any) -> Any:
    if isinstance(item, float) and math.isnan(item):
        return None
    if item is None or isinstance(item, str | int | float):
        return item
    if isinstance(item, type) and issubclass(item, Inert) and item.what == "NA":
        return None
    if isinstance(item, Inert) and item.what == "scalar":
        dtype, data = item.args
        return _plain(_array(_bytes(data), dtype, (), "C").item())
    raise LegacyError(
        f"one of its values is a {item.name if isinstance(item, Inert) else type(item).__name__}"
    )


def _array(data: Any, dtype: Inert, shape: tuple[int, ...], order: str) -> np.ndarray[Any, Any]:
    found = _dtype(dtype)
    if found.hasobject:
        flat = np.empty(len(data), dtype=object)
        flat[:] = data
    else:
        flat = np.frombuffer(_bytes(data), dtype=found)
        flat = flat.astype(found.newbyteorder("="), copy=False)
    return flat.reshape(shape, order="F" if order == "F" else "C")


def _dtype(node: Inert) -> np.dtype[Any]:
    code = node.args[0]
    code = code.decode("ascii") if isinstance(code, bytes) else code
    if node.what != "dtype" or not isinstance(code, str) or not NUMPY_TYPE.fullmatch(code):
        what = repr(code) if isinstance(code, str) else type(code).__name__
        raise LegacyError(f"one of its columns has the type {what}")
    if code.startswith("O"):
        return np.dtype(object)
    order = node.state[1] if node.state else "="
    order = order.decode("ascii") if isinstance(order, bytes) else order
    unit = ""
    if code == "M8":
        name, count = node.state[8][1][:2]
        unit = f"[{count}{_bytes(name).decode('ascii')}]"
    return np.dtype(f"{'=' if order == '|' else order}{code}{unit}")


def _bytes(data: Any) -> bytes:
    """Return bytes from what a pickle has for them: themselves, or, in old protocols, a text to encode."""
    if isinstance(data, bytes | bytearray):
        return bytes(data)
    if isinstance(data, Inert) and data.what == "bytearray":
        return _bytes(data.args[0] if len(data.args) == 1 else _encoded(data.args)) if data.args else b""
    if isinstance(data, Inert) and data.what == "encode":
        return _encoded(data.args)
    if isinstance(data, Inert) and data.what == "arrow_buffer":
        return _bytes(data.args[0])
    raise LegacyError(
        f"some of its data is a {data.name if isinstance(data, Inert) else type(data).__name__}"
    )


def _encoded(args: tuple[Any, ...]) -> bytes:
    text, encoding = args
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise LegacyError("some of its data is encoded in a way that pandas does not use")
    return text.encode("latin-1")


def _numpy_series(array: np.ndarray[Any, Any]) -> pl.Series:
    if array.dtype.hasobject:
        return object_column(array.tolist())
    if array.dtype.kind == "U":
        return pl.Series(array.tolist(), dtype=pl.String())
    if array.dtype == np.float16:
        array = array.astype(np.float32)
    if array.dtype.kind == "M" and np.datetime_data(array.dtype)[0] == "s":
        array = array.astype("M8[ms]")
    column = pl.Series(np.ascontiguousarray(array))
    return column.fill_nan(None) if column.dtype.is_float() else column


def _backed(node: Inert) -> list[pl.Series]:
    """Return what pandas' arrays around one of numpy's hold."""
    kind, dtype, data = node.args[0].what, node.state[0], node.state[1]
    if kind == "Categorical":
        (categories,) = series(dtype.state["categories"].args[1]["data"])
        codes = pl.Series(values(data).astype(np.int64))
        return [categories.gather(codes.set(codes < 0, None))]
    columns = series(data)
    if kind == "DatetimeArray":
        return [column.dt.replace_time_zone("UTC") if dtype.what == "label" else column for column in columns]
    if kind == "StringArray":
        return columns
    raise LegacyError(f"one of its columns is a {node.args[0].name}")


def _arrow_series(node: Inert) -> pl.Series:
    chunks = node.args[0] if node.what == "arrow_chunks" else [node]
    arrays = [_arrow_array(chunk.args[0]) for chunk in chunks]
    return pl.Series([text for array in arrays for text in array.to_pylist()], dtype=pl.String())


def _arrow_array(description: tuple[Any, ...]) -> pa.Array:
    kind, length, nulls, offset, buffers, children, dictionary = description
    if kind.what != "arrow_type" or kind.args[0] not in ARROW_TYPES or children or dictionary is not None:
        raise LegacyError("one of its columns is an Arrow array that is no text")
    parts = [None if buffer is None else pa.py_buffer(_bytes(buffer)) for buffer in buffers]
    array = pa.Array.from_buffers(ARROW_TYPES[kind.args[0]], length, parts, nulls, offset)
    array.validate(full=True)  # lengths and offsets come from the file and could point anywhere
    return array
