"""Exactly-once appends of an assembly's parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

import polars as pl

from lakebatch.assembly import dropped_samples, missing_metrics
from lakebatch.assembly.dropped_samples import DroppedSamples
from lakebatch.assembly.missing_metrics import MissingMetrics
from lakebatch.assembly.part_rows import stamped
from lakebatch.assembly.spool import SpooledRows
from lakebatch.storage.delta import damage
from lakebatch.storage.delta.commit_metadata import COPY, copied_columns, encode
from lakebatch.storage.delta.engine import FINGERPRINT, PART, Data
from lakebatch.storage.delta.reader import read_latest
from lakebatch.storage.delta.table import Table
from lakebatch.storage.delta.version import TableVersion


class PartWriter:
    """Appends the parts of one assembly to one table, each exactly once.

    ``is_new`` says that the assembly has just begun, so that the table cannot hold any of its parts yet.
    """

    def __init__(
        self, table: Table, assembly_id: str, metadata: Mapping[str, str], *, is_new: bool = False
    ) -> None:
        self.table = table
        self.assembly_id = assembly_id
        self.metadata = metadata
        self._known_at = 0 if is_new else -1
        self._known: set[str] = set()

    def append(self, part: str, rows: pl.DataFrame, at: datetime) -> bool:
        """Append the rows of one part, recorded at a time, in one commit; False if the table has the part already."""
        return self.append_stamped(part, stamped(rows, self.table.schema, self.assembly_id, part, at))

    def append_stamped(self, part: str, frame: pl.DataFrame) -> bool:
        """Append the rows of one part with all columns of their table, also their times; False as `append`."""
        copied = copied_columns(self.table.schema)
        copy = encode(frame.select(copied)) if copied and frame.height else None
        described = {COPY: copy} if copy else {}
        return self._append(part, lambda: frame, int(frame.estimated_size()), described)

    def append_spooled(self, part: str, rows: SpooledRows) -> bool:
        """Append the spooled rows of one part in one commit; False if the table has the part already."""
        described = {FINGERPRINT: rows.fingerprint} | ({COPY: rows.copy} if rows.copy else {})
        return self._append(part, rows.read, rows.file.stat().st_size, described)

    def _append(self, part: str, data: Callable[[], Data], size: int, described: Mapping[str, str]) -> bool:
        def data_after(state: TableVersion, last: int) -> Data | None:
            if last != self._known_at:  # another process, or a failed attempt of ours, has written since
                self._known, self._known_at = self.committed(state), last
            return None if part in self._known else data()

        metadata = {**self.metadata, "lakebatch.assembly_id": self.assembly_id, PART: part, **described}
        self.table.storage.check_space(size)
        written = self.table.append_once(self.assembly_id, data_after, metadata)
        if written and part not in self._known:
            self._known.add(part)
            self._known_at += 1
        return written

    def committed(self, state: TableVersion | None = None) -> set[str]:
        """Return the keys of the parts that the table holds, in a state or a later one; now by default."""
        return read_latest(self.table, lambda now: committed_parts(now, self.assembly_id), state)


def committed_parts(table: TableVersion, assembly_id: str) -> set[str]:
    """Return the keys of the parts of an assembly that a table holds."""
    parts = table.scan([assembly_id]).select("part").unique()
    return set(damage.read_rows(table, parts, [assembly_id])["part"])


def count_missing_metrics(results: Table, assembly_id: str) -> MissingMetrics:
    """Return the count of an assembly's rows without a metric in the latest results, and the reasons."""

    def read(table: TableVersion) -> MissingMetrics:
        rows = missing_metrics.tally(table.scan([assembly_id]))
        return missing_metrics.summarize(damage.read_rows(table, rows, [assembly_id]))

    return read_latest(results, read)


def count_dropped_samples(samples: Table, results: Table, assembly_id: str) -> DroppedSamples | None:
    """Return the dropped samples of an assembly in the latest tables; None if there is none."""

    def read(table: TableVersion) -> pl.DataFrame:
        return damage.read_rows(table, dropped_samples.tally(table.scan([assembly_id])), [assembly_id])

    def size(table: TableVersion) -> int:
        rows = damage.read_rows(table, dropped_samples.sizes(table.scan([assembly_id])), [assembly_id])
        return int(rows["size"].sum())

    tallied = read_latest(samples, read)
    return None if tallied.is_empty() else dropped_samples.summarize(tallied, read_latest(results, size))
