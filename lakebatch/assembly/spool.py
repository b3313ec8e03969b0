"""Rows of a part on their way from the process that computes them to the one that commits them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

import polars as pl
import pyarrow as pa

from lakebatch.artifacts import ARTIFACTS
from lakebatch.assembly.artifact_rows import ArtifactCheck
from lakebatch.assembly.part_rows import check_reasons, stamped
from lakebatch.assembly.record import now
from lakebatch.errors import ExperimentError
from lakebatch.storage.delta.commit_metadata import RunningFingerprint, copied_columns, encode
from lakebatch.storage.delta.schema import TableSchema
from lakebatch.storage.delta.withholding import withheld

# Every call of an engine has a fixed cost, which small frames would pay one by one.
BATCH_ROWS = 10_000
BATCH_BYTES = 64 << 20
TIME = "recorded_at"
# The time follows when the last row is there. Until then this one stands for it.
NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class SpooledRows:
    """One part's rows of one table in an Arrow stream file: checked, stamped and without secrets.

    Attributes
    ----------
    at : datetime
        Value of ``recorded_at``, the only column that the file lacks.
    copy : str, optional
        Copy of the values that cannot be computed again, see `lakebatch.storage.delta.commit_metadata`.
    """

    file: Path
    schema: TableSchema
    rows: int
    at: datetime
    fingerprint: str
    copy: str | None

    def read(self) -> pa.RecordBatchReader:
        """Return all rows as a stream with the columns of the table."""
        return pa.RecordBatchReader.from_batches(self.schema.arrow, self._batches(self.schema))

    def frame(self) -> pl.DataFrame:
        """Return all rows as one frame with the columns of the table."""
        frame = pl.from_arrow(self.read().read_all())
        assert isinstance(frame, pl.DataFrame)
        return frame

    def _batches(self, schema: TableSchema) -> Iterator[pa.RecordBatch]:
        # the pages of a memory map would count as memory of this process
        with pa.OSFile(str(self.file)) as source, pa.ipc.open_stream(source) as batches:
            for batch in batches:
                columns = [
                    self._times(batch.num_rows, schema) if name == TIME else batch.column(name)
                    for name in schema.arrow.names
                ]
                yield pa.RecordBatch.from_arrays(columns, schema=schema.arrow)

    def _times(self, count: int, schema: TableSchema) -> pa.Array:
        """Return the time of the rows, once for each; by polars, as `pyarrow.repeat` imports all of pandas."""
        return pl.repeat(self.at, count, dtype=schema.polars[TIME], eager=True).to_arrow()


class PartSpool:
    """The files of one part, one per table, to which its frames are written as they are computed.

    Parameters
    ----------
    schemas : sequence of TableSchema
        The tables that a part writes; the last one marks it as done.
    """

    def __init__(self, folder: Path, schemas: Sequence[TableSchema], assembly_id: str, part: str) -> None:
        folder.mkdir(exist_ok=True)
        self._folder = folder
        self._schemas = {schema.table: schema for schema in schemas}
        self._ids = (assembly_id, part)
        self._spools: dict[str, TableSpool] = {}
        self._files = ExitStack()
        self._artifacts = ArtifactCheck()

    def write(self, frames: Mapping[str, pl.DataFrame]) -> None:
        """Write frames by the names of their tables.

        Raises
        ------
        ExperimentError
            If a table is not declared, or the columns differ from those of the frames before.
        SchemaError
            If rows do not fit their table.
        """
        if unknown := sorted(frames.keys() - self._schemas.keys()):
            declared = ", ".join(self._schemas)
            raise ExperimentError(f"run() returned rows for {', '.join(unknown)}. Its tables are {declared}.")
        for table, frame in frames.items():
            pieces = self._artifacts.checked(frame) if table == ARTIFACTS else (frame,)
            for piece in pieces:
                self._spool(table).write(piece)

    def finish(self) -> dict[str, SpooledRows]:
        """Return what was written; a part without a row in its last table, which marks it as done, is refused."""
        at = now()
        spooled = {name: self._spools[name].finish(at) for name in self._schemas if name in self._spools}
        marker = list(self._schemas)[-1]
        if marker not in spooled or not spooled[marker].rows:
            raise ExperimentError(f"run() returned no row for {marker!r}, in which each part must have one.")
        return spooled

    def _spool(self, table: str) -> TableSpool:
        if table not in self._spools:
            spool = TableSpool(self._folder / f"{table}.arrow", self._schemas[table], *self._ids)
            self._spools[table] = self._files.enter_context(spool)
        return self._spools[table]

    def __enter__(self) -> PartSpool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._files.close()


class TableSpool:
    """Arrow stream file of one part's rows of one table: each frame is checked, stamped and hashed as it is written."""

    def __init__(self, file: Path, schema: TableSchema, assembly_id: str, part: str) -> None:
        self._file = file
        self._schema = schema
        self._ids = (assembly_id, part)
        self._arrow = pa.schema([field for field in schema.arrow if field.name != TIME])
        self._sink = pa.OSFile(str(file), "wb")
        self._writer = pa.ipc.new_stream(self._sink, self._arrow)
        self._columns: pl.Schema | None = None
        self._waiting: list[pl.DataFrame] = []
        self._waiting_rows = self._waiting_bytes = 0
        self._rows = 0
        self._hash = RunningFingerprint()
        self._copied: list[pl.DataFrame] = []

    def write(self, frame: pl.DataFrame) -> None:
        """Write one more frame; it must have the columns of the first."""
        if self._columns is None:
            self._columns = frame.schema
        if frame.schema != self._columns:
            raise ExperimentError(
                f"run() yielded frames of different columns: {frame.schema} after {self._columns}. Yield the same ones."
            )
        self._waiting.append(frame)
        self._waiting_rows += frame.height
        self._waiting_bytes += int(frame.estimated_size())
        if self._waiting_rows >= BATCH_ROWS or self._waiting_bytes >= BATCH_BYTES:
            self._flush()

    def finish(self, at: datetime) -> SpooledRows:
        """Close the file and return what it holds, with the time of all its rows."""
        self._flush()
        self.close()
        time = pl.lit(at).cast(self._schema.polars[TIME]).alias(TIME)
        fingerprint = self._hash.result(pl.select(time))
        copy = encode(pl.concat(self._copied).with_columns(time)) if self._rows and self._copied else None
        return SpooledRows(self._file, self._schema, self._rows, at, fingerprint, copy)

    def _flush(self) -> None:
        """Check, stamp, count, hash and write the frames that wait."""
        if not self._waiting:
            return
        frame = pl.concat(self._waiting, rechunk=True)
        self._waiting, self._waiting_rows, self._waiting_bytes = [], 0, 0
        check_reasons(frame, self._schema)
        rows = withheld(stamped(frame, self._schema, *self._ids, NO_TIME))
        self._rows += rows.height
        if copied := copied_columns(self._schema):
            self._copied.append(rows.select(copied))
        rows = rows.drop(TIME)
        self._hash.add(rows)
        self._writer.write_table(rows.to_arrow().cast(self._arrow))

    def close(self) -> None:
        """Close the file, unless it is closed already."""
        if not self._sink.closed:
            self._writer.close()
            self._sink.close()

    def __enter__(self) -> TableSpool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
