"""Rows on their way from a worker to the table, in a file, so that none of them has to fit in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import polars as pl
import pyarrow as pa

from lakebatch.errors import ExperimentError

AT_ONCE = 10_000
"""So many rows are handed on as one frame, since every call of an engine costs more than those of a small one."""


class Spool:
    """An Arrow stream file that frames of one table are written to, piece by piece."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._sink = pa.OSFile(str(file), "wb")
        self._writer: pa.RecordBatchStreamWriter | None = None
        self._schema: pl.Schema | None = None

    def write(self, frame: pl.DataFrame) -> None:
        """Write one more frame; it must have the columns of the first."""
        if self._schema is None:
            self._schema = frame.schema
            self._writer = pa.ipc.new_stream(self._sink, frame.to_arrow().schema)
        if frame.schema != self._schema:
            raise ExperimentError(
                f"run() yielded frames of different columns: {frame.schema} after {self._schema}. Yield the same ones."
            )
        assert self._writer is not None
        self._writer.write_table(frame.to_arrow())

    def __enter__(self) -> Spool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.close()
        self._sink.close()


def read(file: Path) -> Iterator[pl.DataFrame]:
    """Yield the rows of a spooled file, the many small frames that a part can yield as a few."""
    few: list[pa.RecordBatch] = []
    rows = 0
    with pa.memory_map(str(file)) as source, pa.ipc.open_stream(source) as batches:
        for batch in batches:
            few.append(batch)
            rows += batch.num_rows
            if rows >= AT_ONCE:
                yield _frame(few)
                few, rows = [], 0
        if few:
            yield _frame(few)


def _frame(batches: list[pa.RecordBatch]) -> pl.DataFrame:
    frame = pl.from_arrow(batches)
    assert isinstance(frame, pl.DataFrame)
    return frame


def count_rows(file: Path) -> int:
    """Return the number of rows in a spooled file."""
    return sum(frame.height for frame in read(file))
