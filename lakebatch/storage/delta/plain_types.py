"""Plain Arrow types of data files, which every Delta engine reads: strings, bytes and lists, no views or large ones."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    import pyarrow as pa

SLICE_ROWS = 100_000
"""Rows that are converted at a time: a plain column holds at most 2 GiB in one piece."""
ARROW_SCHEMA = "ARROW:schema"
"""The key in a footer under which writers keep the Arrow types of the columns."""


def plain_table(frame: pl.DataFrame) -> pa.Table:
    """Return a frame as an Arrow table of plain types."""
    import pyarrow as pa

    schema = plain_schema(frame.clear().to_arrow().schema)
    return pa.concat_tables(
        [schema.empty_table(), *(each.to_arrow().cast(schema) for each in frame.iter_slices(SLICE_ROWS))]
    )


def plain_schema(schema: pa.Schema) -> pa.Schema:
    """Return a schema with the plain type of each column.

    >>> import pyarrow as pa
    >>> print(plain_schema(pa.schema({"parts": pa.large_list(pa.string_view())})))
    parts: list<item: string>
      child 0, item: string
    """
    import pyarrow as pa

    return pa.schema(list(map(_plain_field, schema)))


def plain_type(dtype: pa.DataType) -> pa.DataType:
    """Return the plain type that holds the same values; categories become their strings."""
    import pyarrow as pa

    kinds = pa.types
    if kinds.is_large_string(dtype) or kinds.is_string_view(dtype):
        return pa.string()
    if kinds.is_large_binary(dtype) or kinds.is_binary_view(dtype):
        return pa.binary()
    if kinds.is_dictionary(dtype):
        return plain_type(dtype.value_type)
    if kinds.is_fixed_size_list(dtype):
        return pa.list_(_plain_field(dtype.value_field), dtype.list_size)
    if kinds.is_list(dtype) or kinds.is_large_list(dtype) or kinds.is_list_view(dtype):
        return pa.list_(_plain_field(dtype.value_field))
    if kinds.is_struct(dtype):
        return pa.struct([_plain_field(each) for each in dtype])
    return dtype


def _plain_field(field: pa.Field) -> pa.Field:
    return field.with_type(plain_type(field.type)).remove_metadata()


def is_plain(footer: Mapping[str, str]) -> bool:
    """Whether a data file has plain types only, by the metadata of its footer."""
    import pyarrow as pa

    recorded = footer.get(ARROW_SCHEMA)
    if recorded is None:
        return True
    schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(recorded)))
    return all(each.type == plain_type(each.type) for each in schema)
