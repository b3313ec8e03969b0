"""The bytes of a data file, in each encoding in which engines write the same rows."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import deltalake
import polars as pl

from lakebatch.storage.delta.compaction import GROUP_ROWS, arrow_rows
from lakebatch.storage.delta.engine import writer_properties
from lakebatch.storage.delta.table_format import PROPERTIES

if TYPE_CHECKING:
    import pyarrow as pa

SMALLER: tuple[dict[str, Any], ...] = (
    {"compression": "zstd", "compression_level": 19, "store_schema": False, "write_statistics": False},
    {
        "compression": "zstd",
        "compression_level": 22,
        "store_schema": False,
        "write_statistics": False,
        "use_dictionary": False,
    },
)
"""Options that write rows in fewer bytes than an engine's defaults."""


def forms(rows: pl.DataFrame, schema: str, partition_by: Sequence[str]) -> Iterator[bytes]:
    """Yield the bytes of a file with rows of one partition, first as engines and compactions write it, then smaller.

    Parameters
    ----------
    schema : str
        The schema of the table in its log, as JSON.
    """
    columns = _arrow_schema(schema)
    plain = arrow_rows(rows, columns)
    yield from _engine(plain, schema, partition_by)
    yield from _engine(
        rows.select(name for name in columns.names if name in rows.columns), schema, partition_by
    )
    stored = plain.drop_columns(list(partition_by))
    yield _parquet(stored, {"compression": "zstd"})
    for options in SMALLER:
        yield _parquet(stored, options)


def _arrow_schema(schema: str) -> pa.Schema:
    import pyarrow as pa

    columns = pa.schema(deltalake.Schema.from_json(schema).to_arrow())
    return pa.schema([pa.field(each.name, each.type, each.nullable) for each in columns])


def _engine(rows: pl.DataFrame | pa.Table, schema: str, partition_by: Sequence[str]) -> Iterator[bytes]:
    """Yield the file that the engine writes with some rows, if it writes only one."""
    with tempfile.TemporaryDirectory(prefix="lakebatch-") as folder:
        table = deltalake.DeltaTable.create(
            folder,
            deltalake.Schema.from_json(_unmetered(schema)),
            partition_by=list(partition_by),
            configuration=PROPERTIES,
        )
        binary = [field["name"] for field in json.loads(schema)["fields"] if field["type"] == "binary"]
        deltalake.write_deltalake(table, rows, mode="append", writer_properties=writer_properties(binary))
        files = list(Path(folder).rglob("part-*.parquet"))
        if len(files) == 1:
            yield files[0].read_bytes()


def _unmetered(schema: str) -> str:
    """Return a schema without comments and units, which data files do not have."""
    document = json.loads(schema)
    for field in document["fields"]:
        field["metadata"] = {}
    return json.dumps(document)


def _parquet(rows: pa.Table, options: dict[str, Any]) -> bytes:
    import pyarrow.parquet as pq

    content = io.BytesIO()
    with pq.ParquetWriter(content, rows.schema, **options) as writer:
        writer.write_table(rows, row_group_size=GROUP_ROWS)
    return content.getvalue()
