"""Source files of an experiment, kept once per state of its code, in the table ``sources``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from typing import NamedTuple

import polars as pl

from lakebatch.assembly.record import now
from lakebatch.experiment.provenance import SOURCE_HASH, SourceState
from lakebatch.storage.delta import damage
from lakebatch.storage.delta.schema import conform
from lakebatch.storage.delta.table import Table
from lakebatch.storage.delta.version import TableVersion


class KeptFile(NamedTuple):
    """One kept source file: the SHA-256 of its content, and its text if it is not too large."""

    sha256: str
    text: str | None


Files = Mapping[str, KeptFile]
"""The source files of one state of the code, by path."""


class SourceLog:
    """The source files of one experiment, in the table ``sources``; each state is recorded once."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self._known: dict[str, Files] = {}

    def record(self, state: SourceState) -> None:
        """Record the files of a state exactly once; all in one commit."""

        def rows_after(_: TableVersion, last: int) -> pl.DataFrame | None:
            return None if last else self._frame(state)

        self.table.append_once(state.sha256, rows_after, {"lakebatch.source_hash": state.sha256})

    def files(self, source_hash: str) -> Files | None:
        """Return the files of a state by path, in the order in which they are hashed; None if it is not recorded."""
        return self._read([source_hash]).get(source_hash)

    def files_or(self, present: SourceState) -> Callable[[str], Files | None]:
        """Return `files`, with the files of a state that may not be recorded."""
        known = {each.file: KeptFile(each.sha256, each.text) for each in present.files}
        return lambda source_hash: known if source_hash == present.sha256 else self.files(source_hash)

    def _read(self, wanted: Iterable[str]) -> Mapping[str, Files]:
        if not set(wanted) <= self._known.keys() and self.table.exists():
            rows = damage.newest_rows(self.table)
            for (source_hash,), files in rows.group_by(SOURCE_HASH, maintain_order=True):
                each = files.select("file", "sha256", "text").iter_rows()
                self._known[str(source_hash)] = {file: KeptFile(sha256, text) for file, sha256, text in each}
        return self._known

    def _frame(self, state: SourceState) -> pl.DataFrame:
        stamp = {SOURCE_HASH: state.sha256, "recorded_at": now()}
        rows = [stamp | asdict(each) for each in state.files]
        return conform(pl.DataFrame(rows, schema=self.table.schema.polars), self.table.schema)
