"""Exactly-once appends of an assembly's parts, with the checks and stamps of their rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

import polars as pl

from lakebatch import metrics
from lakebatch.errors import ExperimentError, SchemaError
from lakebatch.storage.delta import damage
from lakebatch.storage.delta.commit_copy import COPY
from lakebatch.storage.delta.engine import FINGERPRINT, PART, Data
from lakebatch.storage.delta.read_again import read_latest
from lakebatch.storage.delta.schema import TableSchema, conform
from lakebatch.storage.delta.table import Table
from lakebatch.storage.delta.version import TableVersion

if TYPE_CHECKING:
    from lakebatch.assembly.spool import SpooledRows  # which checks and stamps with the functions below

STAMPED = ("assembly_id", "part", "recorded_at")
"""The columns that are filled in here, in every table that parts write."""


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
        frame = stamped(rows, self.table.schema, self.assembly_id, part, at)
        return self._append(part, lambda: frame, int(frame.estimated_size()), {})

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


def stamped(
    frame: pl.DataFrame, schema: TableSchema, assembly_id: str, part: str, at: datetime
) -> pl.DataFrame:
    """Return the rows of a part with all columns of their table: assembly, part and time are filled in.

    Raises
    ------
    ExperimentError
        If the rows bring one of these three themselves.
    SchemaError
        If they do not fit the table's schema.
    """
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


def check_reasons(rows: pl.DataFrame, schema: TableSchema) -> None:
    """Refuse a metric that is NULL without a reason in ``error``; a metric may be left out.

    Raises
    ------
    SchemaError
        If there is one.
    """
    reasons = rows["error"] if "error" in rows.columns else pl.Series([None], dtype=pl.String)
    if reasons.dtype not in (pl.String, pl.Null):  # the schema check refuses it with the better message
        return
    is_silent = reasons.cast(pl.String).fill_null("").str.strip_chars() == ""
    for name in (each.name for each in metrics.COLUMNS):
        if name not in rows.columns or name not in schema.polars:
            continue
        if count := int((rows[name].is_null() & is_silent).sum()):
            raise SchemaError(
                f"Cannot append to {schema.table!r}: column {name!r} is NULL in {count} rows in which 'error' says "
                "nothing. Say there why it could not be computed, or leave the column out."
            )
