"""Exactly-once appends of an assembly's parts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import TypeAlias

import polars as pl
import pyarrow as pa

from lakebatch import metrics
from lakebatch.assembly.spool import read
from lakebatch.errors import ExperimentError, SchemaError
from lakebatch.storage.delta import damage
from lakebatch.storage.delta.commit_copy import COPY, copied_columns, encode
from lakebatch.storage.delta.engine import FINGERPRINT, PART, Data
from lakebatch.storage.delta.fingerprint import fingerprint
from lakebatch.storage.delta.read_again import read_latest
from lakebatch.storage.delta.schema import TableSchema, conform
from lakebatch.storage.delta.table import Table
from lakebatch.storage.delta.version import TableVersion
from lakebatch.storage.delta.withholding import withheld

Rows: TypeAlias = pl.DataFrame | Path
"""One part's rows of one table: a frame, or an Arrow stream file of frames where they were spooled."""


class PartWriter:
    """Appends the parts of one assembly to one table, each exactly once.

    Of an assembly that has just begun, ``is_new``, it need not be looked up which parts are there.
    """

    def __init__(
        self, table: Table, assembly_id: str, metadata: Mapping[str, str], *, is_new: bool = False
    ) -> None:
        self.table = table
        self.assembly_id = assembly_id
        self.metadata = metadata
        self._known_at = 0 if is_new else -1
        self._known: set[str] = set()

    def append(self, part: str, rows: Rows, at: datetime) -> bool:
        """Append the rows of one part in one commit; False if the table has the part already."""

        def stamp(frame: pl.DataFrame) -> pl.DataFrame:
            return withheld(stamped(frame, self.table.schema, self.assembly_id, part, at))

        def data_after(state: TableVersion, last: int) -> Data | None:
            if last != self._known_at:  # another process, or a failed attempt of ours, has written since
                self._known, self._known_at = self.committed(state), last
            if part in self._known:
                return None
            return stamp(rows) if isinstance(rows, pl.DataFrame) else _stream(rows, self.table.schema, stamp)

        metadata = {**self.metadata, "lakebatch.assembly_id": self.assembly_id, PART: part}
        if not isinstance(rows, pl.DataFrame):
            # all of it is stamped here first, because a fault found in the engine's own pass would come back as its
            metadata |= _described(map(stamp, read(rows)), self.table.schema)
        self.table.storage.check_space(_size(rows))
        written = self.table.append_once(self.assembly_id, data_after, metadata)
        if written and part not in self._known:
            self._known.add(part)
            self._known_at += 1
        return written

    def committed(self, state: TableVersion | None = None) -> set[str]:
        """Return the keys of the parts that the table holds, in a state or a later one; now by default."""
        return read_latest(self.table, lambda now: committed_parts(now, self.assembly_id), state)


def check_reasons(rows: Rows, schema: TableSchema) -> None:
    """Refuse a metric that is NULL where nothing says why; one that an experiment does not have is left out.

    Raises
    ------
    SchemaError
        If there is one.
    """
    for frame in [rows] if isinstance(rows, pl.DataFrame) else read(rows):
        present = schema.polars.keys() & set(frame.columns)
        told = frame["error"] if "error" in frame.columns else pl.Series([None], dtype=pl.String)
        if told.dtype not in (pl.String, pl.Null):  # which is refused when it is written
            return
        is_silent = told.cast(pl.String).fill_null("").str.strip_chars() == ""
        for name in (each.name for each in metrics.COLUMNS if each.name in present):
            if count := int((frame[name].is_null() & is_silent).sum()):
                raise SchemaError(
                    f"Cannot append to {schema.table!r}: column {name!r} is NULL in {count} rows in which 'error' says "
                    "nothing. Say there why it could not be computed, or leave the column out."
                )


def _size(rows: Rows) -> int:
    """Return how many bytes the rows can take on a disk at most, about."""
    return int(rows.estimated_size()) if isinstance(rows, pl.DataFrame) else rows.stat().st_size


def committed_parts(table: TableVersion, assembly_id: str) -> set[str]:
    """Return the keys of the parts of an assembly that a table holds."""
    parts = table.scan([assembly_id]).select("part").unique()
    return set(damage.read_rows(table, parts, [assembly_id])["part"])


def stamped(
    frame: pl.DataFrame, schema: TableSchema, assembly_id: str, part: str, at: datetime
) -> pl.DataFrame:
    """Return rows that an experiment gave with the columns that are filled in here, as they are appended."""
    stamps = {
        "assembly_id": pl.lit(assembly_id),
        "part": pl.lit(part),
        "recorded_at": pl.lit(at).cast(pl.Datetime("us", "UTC")),
    }
    if given := stamps.keys() & set(frame.columns):
        raise ExperimentError(
            f"run() returned the columns {', '.join(sorted(given))}, which are filled in here. Leave them out."
        )
    known = {column.name for column in schema.columns}
    filled = frame.with_columns(**{name: stamps[name] for name in stamps if name in known})
    return conform(filled, schema)


def _described(frames: Iterable[pl.DataFrame], schema: TableSchema) -> dict[str, str]:
    """Return the fingerprint of a part's rows and a copy of what cannot be computed again, in one pass."""
    names = copied_columns(schema)
    kept: list[pl.DataFrame] = []

    def passing() -> Iterator[pl.DataFrame]:
        for frame in frames:
            kept.append(frame.select(names))
            yield frame

    described = {FINGERPRINT: fingerprint(passing())}
    copy = encode(pl.concat(kept)) if kept and names else None
    return described | ({COPY: copy} if copy else {})


def _stream(
    file: Path, schema: TableSchema, stamp: Callable[[pl.DataFrame], pl.DataFrame]
) -> pa.RecordBatchReader:
    def batches() -> Iterator[pa.RecordBatch]:
        for frame in read(file):
            yield from stamp(frame).to_arrow().cast(schema.arrow).to_batches()

    return pa.RecordBatchReader.from_batches(schema.arrow, batches())
