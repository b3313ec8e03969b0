"""Parquet files of the published table: rows in the order of the assemblies, written and copied a row group at a time."""

from __future__ import annotations

import heapq
import io
import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import polars as pl

from lakebatch.assembly.tables import RESULTS
from lakebatch.errors import DamageError
from lakebatch.maintenance.published.contents import ENTRIES, Entry
from lakebatch.maintenance.published.plan import MAX_BYTES, Kept, Rewrite
from lakebatch.maintenance.published.statistics import statistics
from lakebatch.snapshot import pieces
from lakebatch.snapshot.published_layout import Layout
from lakebatch.storage.delta.compaction import GROUP_ROWS
from lakebatch.storage.delta.derived import DerivedFile
from lakebatch.storage.delta.table import Table
from lakebatch.storage.delta.version import DataFile

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

SLICE_ROWS = 20_000
"""Rows that are converted at a time."""
Chunk: TypeAlias = "tuple[tuple[str, int], Entry, pa.Table]"
"""Rows of one assembly, with its id and the number of its rows that stand before them."""


def write(table: Table, rewrite: Rewrite) -> list[DerivedFile]:
    """Write the rows of a plan into new files that no commit names yet, and return them.

    Raises
    ------
    DamageError
        If an assembly has another number of rows than its log says.
    StorageError
        If its rows cannot be read, or the files not be written.
    """
    schema = arrow_schema(rewrite.wanted.layout)
    sources = [_copied(table, kept, schema) for kept in rewrite.kept]
    chunks = heapq.merge(*sources, _new(rewrite, schema), key=lambda each: each[0])
    writer = _Writer(table, schema)
    for (assembly_id, _), entry, rows in chunks:
        writer.add(assembly_id, entry.event, rows)
    files = writer.close()
    for assembly_id in (*rewrite.missing, *(name for kept in rewrite.kept for name in kept.chosen)):
        if writer.rows[assembly_id] != (expected := rewrite.wanted.entries[assembly_id].rows) and _is_alone(
            rewrite, assembly_id
        ):
            raise DamageError(
                f"{assembly_id} has {writer.rows[assembly_id]} rows, its log says {expected}. "
                "Look closer with: lakebatch doctor --deep"
            )
    return files


def _is_alone(rewrite: Rewrite, assembly_id: str) -> bool:
    """Whether all rows of an assembly were written; others may stand in a file that stays."""
    kept = sum(each.entries[assembly_id].rows for each in rewrite.kept if assembly_id in each.chosen)
    return assembly_id in rewrite.missing or kept == rewrite.wanted.entries[assembly_id].rows


def arrow_schema(layout: Layout) -> pa.Schema:
    """Return the columns as they are written: dictionaries in place of strings, which rows repeat.

    The files have plain strings: no Arrow schema is stored in them.
    """
    import pyarrow as pa

    repeated = pa.dictionary(pa.int32(), pa.string())
    return pa.schema(
        [
            pa.field(each.name, repeated if each.type == pa.string() else each.type)
            for each in layout.schema().arrow
        ]
    )


def _new(rewrite: Rewrite, schema: pa.Schema) -> Iterator[Chunk]:
    """Yield the rows of assemblies that are not in the table yet."""
    if not rewrite.missing:
        return
    snapshot, layout = rewrite.wanted.snapshot, rewrite.wanted.layout
    done: dict[str, int] = {}
    frames = pieces.read(snapshot, rewrite.missing, lambda: None, table=RESULTS, on_gap="refuse")
    for piece in (each for frame in frames for each in frame.iter_slices(SLICE_ROWS)):
        for rows in piece.partition_by("assembly_id", maintain_order=True) if piece.height else ():
            assembly_id = rows["assembly_id"][0]
            before = done.get(assembly_id, 0)
            done[assembly_id] = before + rows.height
            entry = rewrite.wanted.entries[assembly_id]
            yield (assembly_id, before), entry, _with_constants(rows, layout.constants(assembly_id), schema)


def _with_constants(rows: pl.DataFrame, constants: Mapping[str, Any], schema: pa.Schema) -> pa.Table:
    """Return rows of results in the columns of the published table."""
    import pyarrow as pa

    given = rows.to_arrow()
    columns = [
        _repeated(constants[each.name], rows.height, each.type)
        if each.name in constants
        else given[each.name].cast(_plain(each.type)).cast(each.type)
        for each in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def _plain(dtype: pa.DataType) -> pa.DataType:
    import pyarrow as pa

    return dtype.value_type if pa.types.is_dictionary(dtype) else dtype


def _repeated(value: Any, count: int, dtype: pa.DataType) -> pa.Array:
    import pyarrow as pa

    if value is None:
        return pa.nulls(count, dtype)
    # by polars, since scalars and arrays that pyarrow makes of Python's values import pandas
    one, indices = pl.Series([value]).to_arrow(), pl.zeros(count, pl.Int32, eager=True).to_arrow()
    if pa.types.is_dictionary(dtype):
        return pa.DictionaryArray.from_arrays(indices, one.cast(dtype.value_type))
    return one.cast(dtype).take(indices)


def _copied(table: Table, kept: Kept, schema: pa.Schema) -> Iterator[Chunk]:
    """Yield rows of a file of the table; the file has all columns, since it was written with them."""
    expected = iter(kept.entries.items())
    assembly_id, entry, done = "", Entry(0, 0), 0
    for rows in groups(table, kept.file, schema):
        while rows.num_rows:
            if done == entry.rows:
                assembly_id, entry = next(expected)
                done = 0
            chunk = rows.slice(0, min(rows.num_rows, entry.rows - done))
            rows = rows.slice(chunk.num_rows)
            if assembly_id in kept.chosen:
                yield (assembly_id, entry.offset + done), entry, chunk
            done += chunk.num_rows


def groups(table: Table, file: DataFile, schema: pa.Schema) -> Iterator[pa.Table]:
    """Yield the row groups of a file; its checksums are compared."""
    opened = open_file(table, file, schema)
    for index in range(opened.num_row_groups):
        yield opened.read_row_group(index).select(schema.names).cast(schema)


def open_file(table: Table, file: DataFile, schema: pa.Schema) -> pq.ParquetFile:
    """Return a file of the table, opened to read its strings as dictionaries."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = f"{table.path}/{file.path}"
    source = f"{table.uri}/{file.path}" if table.storage.is_local else io.BytesIO(table.storage.read(path))
    repeated = [each.name for each in schema if pa.types.is_dictionary(each.type)]
    return pq.ParquetFile(source, read_dictionary=repeated, page_checksum_verification=True)


@dataclass
class _Writer:
    """Writes chunks into files of limited size."""

    table: Table
    schema: pa.Schema
    rows: dict[str, int] = field(default_factory=dict)
    _files: list[DerivedFile] = field(default_factory=list)
    _entries: dict[str, Entry] = field(default_factory=dict)
    _pending: list[pa.Table] = field(default_factory=list)
    _sink: io.BytesIO | None = None
    _parquet: Any = None

    def add(self, assembly_id: str, event: int, rows: pa.Table) -> None:
        """Add rows of an assembly, those of each assembly one after the other."""
        for begin in range(0, rows.num_rows, GROUP_ROWS):
            self._add(assembly_id, event, rows.slice(begin, GROUP_ROWS))

    def _add(self, assembly_id: str, event: int, rows: pa.Table) -> None:
        before = self.rows.get(assembly_id, 0)
        self.rows[assembly_id] = before + rows.num_rows
        here = self._entries.get(assembly_id, Entry(0, event, before))
        self._entries[assembly_id] = here._replace(rows=here.rows + rows.num_rows)
        self._pending.append(rows)
        if sum(each.num_rows for each in self._pending) >= GROUP_ROWS:
            self._flush()
            if self._sink is not None and self._sink.tell() >= MAX_BYTES:
                self._end()

    def close(self) -> list[DerivedFile]:
        """Write what is left, and return the files."""
        self._flush()
        self._end()
        return self._files

    def _flush(self) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        if not self._pending:
            return
        if self._parquet is None:
            self._sink = io.BytesIO()
            self._parquet = pq.ParquetWriter(
                self._sink, self.schema, compression="zstd", store_schema=False, write_page_checksum=True
            )
        group = pa.concat_tables(self._pending).unify_dictionaries()
        self._parquet.write_table(group, row_group_size=group.num_rows)
        self._pending = []

    def _end(self) -> None:
        if self._parquet is None or self._sink is None:
            return
        self._parquet.add_key_value_metadata({ENTRIES: json.dumps(self._entries, separators=(",", ":"))})
        self._parquet.close()
        path = f"part-00000-{uuid.uuid4()}-c000.zstd.parquet"
        size = self._sink.tell()
        self.table.storage.check_space(size)
        self.table.storage.write(f"{self.table.path}/{path}", self._sink.getvalue())
        self._files.append(DerivedFile(path, size, statistics(self._sink, self.schema)))
        self._entries, self._sink, self._parquet = {}, None, None
