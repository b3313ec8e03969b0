"""The names of the files, and the rows of the list."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from lakebatch.errors import LegacyError
from lakebatch.ids import ASSEMBLY_ID
from lakebatch.legacy.csv_files import read_csv
from lakebatch.legacy.frames.levels import as_level, level_in_text, same_id
from lakebatch.legacy.frames.table import NAME
from lakebatch.storage.place import StoredFile

LIST = "assembly_list.csv"
FORMS = {"pkl": "pkl", "pickle": "pkl", "parquet": "parquet", "csv": "csv"}
"""Endings of files and their formats, in the order of preference."""
PACKED = ("gz", "bz2", "xz", "zip", "zst")
"""Endings that pandas adds to compressed files."""
FILE = re.compile(
    rf"(?P<name>.+?)_(?P<id>{ASSEMBLY_ID.pattern}|[-+0-9.eE]+)\.(?P<ending>{'|'.join(FORMS)})"
    rf"(?:\.(?:{'|'.join(PACKED)}))?",
    re.ASCII,
)
COMPLETED = "completed"


@dataclass(frozen=True)
class BatchFile:
    """A file of one assembly: the name that it was saved under, the assembly's id as written and as compared."""

    file: StoredFile
    name: str
    written_id: str
    id: str
    form: str


@dataclass(frozen=True)
class Listed:
    """The rows of the list for one assembly: its id as written, its statuses and times, row by row."""

    written_ids: tuple[str, ...]
    statuses: tuple[str, ...]
    timestamps: tuple[str, ...]

    @property
    def rows(self) -> tuple[tuple[str, str, str], ...]:
        """The rows of the list: id as written, timestamp, status."""
        return tuple(zip(self.written_ids, self.timestamps, self.statuses, strict=True))

    @property
    def completed(self) -> bool:
        """Whether any row has this status; the older layout read the file only then."""
        return COMPLETED in map(str.casefold, self.statuses)


def parse(file: StoredFile) -> BatchFile | None:
    """Return the assembly and the name in a file's name; None if no assembly's data is called so."""
    match = FILE.fullmatch(file.path)
    if match is None or not is_known_id(match["id"]) or not NAME.fullmatch(match["name"]):
        return None
    return BatchFile(file, match["name"], match["id"], same_id(match["id"]), FORMS[match["ending"]])


def is_known_id(text: str) -> bool:
    """Whether an id is a level, or an assembly id."""
    return ASSEMBLY_ID.fullmatch(text) is not None or as_level(text) is not None


def read_list(data: bytes) -> dict[str, Listed]:
    """Return the rows of the list for each assembly, by id.

    Raises
    ------
    LegacyError
        If it is not a CSV file with the columns assembly_id and status.
    """
    table = read_csv(data, types=False).rename(str.lower) if data.strip() else pl.DataFrame()
    missing = [name for name in ("assembly_id", "status") if name not in table.columns]
    if missing and data.strip():
        raise LegacyError(f"it has no column {' and no '.join(missing)}, only {', '.join(table.columns)}")
    found: dict[str, list[dict[str, str | None]]] = {}
    for row in table.iter_rows(named=True):
        found.setdefault(_listed_id(row["assembly_id"] or ""), []).append(row)
    return {written: _listed(rows) for written, rows in found.items() if written}


def _listed_id(text: str) -> str:
    """Return an id of the list as it is compared, also of a level with a decimal comma or in per cent."""
    level = level_in_text(text)
    return same_id(text if level is None else level)


def _listed(rows: Sequence[dict[str, str | None]]) -> Listed:
    columns = ("assembly_id", "status", "timestamp")
    values = [tuple((row.get(column) or "").strip() for row in rows) for column in columns]
    return Listed(*values)
