"""What the names of the files and the rows of the list say."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from lakebatch.errors import LegacyError
from lakebatch.ids import ASSEMBLY_ID
from lakebatch.legacy.frames.columns import brief
from lakebatch.legacy.frames.levels import as_level, same_id
from lakebatch.legacy.frames.table import NAME
from lakebatch.storage.local import StoredFile

LIST = "assembly_list.csv"
FORMS = {"pkl": "pkl", "pickle": "pkl", "parquet": "parquet", "csv": "csv"}
"""Endings of files and what they are, the one that is preferred first."""
FILE = re.compile(
    rf"(?P<name>.+?)_(?P<id>{ASSEMBLY_ID.pattern}|[-+0-9.eE]+)\.(?P<ending>{'|'.join(FORMS)})", re.ASCII
)
COMPLETED = "completed"


@dataclass(frozen=True)
class BatchFile:
    """A file of one assembly: the name it was saved under, the assembly's id as written and as we compare it."""

    file: StoredFile
    name: str
    written_id: str
    id: str
    form: str


@dataclass(frozen=True)
class Listed:
    """What the list says of one assembly: its id as written, its statuses and times, row by row."""

    written_ids: tuple[str, ...]
    statuses: tuple[str, ...]
    timestamps: tuple[str, ...]

    @property
    def rows(self) -> tuple[tuple[str, str, str], ...]:
        """The rows of the list: id as written, timestamp, status."""
        return tuple(zip(self.written_ids, self.timestamps, self.statuses, strict=True))

    @property
    def completed(self) -> bool:
        """Whether any row says so, which is when the older layout read its file."""
        return COMPLETED in self.statuses


def parse(file: StoredFile) -> BatchFile | None:
    """Return what a file's name says; None if it is not that of an assembly's data."""
    match = FILE.fullmatch(file.path)
    if match is None or not is_known_id(match["id"]) or not NAME.fullmatch(match["name"]):
        return None
    return BatchFile(file, match["name"], match["id"], same_id(match["id"]), FORMS[match["ending"]])


def is_known_id(text: str) -> bool:
    """Whether an id is a level, or one that says date, time and run."""
    return ASSEMBLY_ID.fullmatch(text) is not None or as_level(text) is not None


def read_list(data: bytes) -> dict[str, Listed]:
    """Return what the list says of each assembly, by id.

    Raises
    ------
    LegacyError
        If it is no CSV with the columns assembly_id and status.
    """
    try:
        table = pl.read_csv(io.BytesIO(data), infer_schema=False) if data.strip() else pl.DataFrame()
    except pl.exceptions.PolarsError as error:
        raise LegacyError(f"it is not a CSV that can be read ({brief(error)})") from error
    missing = [name for name in ("assembly_id", "status") if name not in table.columns]
    if missing and data.strip():
        raise LegacyError(f"it has no column {' and no '.join(missing)}, only {', '.join(table.columns)}")
    found: dict[str, list[dict[str, str | None]]] = {}
    for row in table.iter_rows(named=True):
        found.setdefault(same_id(row["assembly_id"] or ""), []).append(row)
    return {written: _listed(rows) for written, rows in found.items() if written}


def _listed(rows: Sequence[dict[str, str | None]]) -> Listed:
    columns = ("assembly_id", "status", "timestamp")
    texts = [tuple((row.get(column) or "").strip() for row in rows) for column in columns]
    return Listed(*texts)
