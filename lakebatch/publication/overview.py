"""The record of a publication as an import reads it: checked before anything is written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from lakebatch._folders import CHECKSUMS, sha256
from lakebatch.assembly import labels
from lakebatch.assembly.metrics import METRIC_NAMES
from lakebatch.assembly.record import Assembly, from_rows
from lakebatch.assembly.sweeps import Sweep, check_sweep_name, from_row
from lakebatch.assembly.tables import RESULTS, own_schema
from lakebatch.columns import NAME, Column
from lakebatch.errors import LakebatchError, StorageError
from lakebatch.experiment.provenance import SourceFile, SourceState
from lakebatch.ids import ASSEMBLY_ID, FOLDER
from lakebatch.publication.record import (
    EVENTS,
    FORMAT,
    OVERVIEW,
    PART_COLUMNS,
    PARTS,
    SOURCES,
    parts_of,
    published_rows,
)
from lakebatch.storage.delta.schema import TableSchema, load_schema, table_names

MALFORMED = (
    KeyError,
    TypeError,
    ValueError,
    AttributeError,
    IndexError,
    OSError,
    pl.exceptions.PolarsError,
    LakebatchError,
)
"""What reading a file of another form raises."""


@dataclass(frozen=True)
class Source:
    """An opened publication; ``shown`` is the path that the user gave."""

    folder: Path
    shown: Path
    overview: Mapping[str, Any]

    @cached_property
    def checksum(self) -> str:
        """The checksum of all its checksums, by which its import is known."""
        return sha256(self.folder / CHECKSUMS)

    @property
    def assemblies(self) -> list[str]:
        """The ids of its assemblies."""
        return list(self.overview["assemblies"])

    @property
    def tables(self) -> list[str]:
        """The tables, the one that marks a part as done last."""
        return [*sorted(each for each in self.overview["tables"] if each != RESULTS), RESULTS]

    @cached_property
    def schemas(self) -> list[TableSchema]:
        """The schemas of its tables."""
        return [_schema(name, each) for name, each in self.overview["tables"].items()]

    @cached_property
    def sweeps(self) -> list[Sweep]:
        """The plans of the sweeps that its assemblies belong to; older publications have none."""
        return [_sweep(each) for each in self.overview.get("sweeps", ())]

    @cached_property
    def parts(self) -> pl.DataFrame:
        """The number and the fingerprint of the rows of each part, by table and assembly."""
        return pl.read_parquet(self.folder / PARTS)

    @cached_property
    def sources(self) -> list[SourceState]:
        """The states of the code that computed its rows."""
        found = json.loads((self.folder / SOURCES).read_text("utf-8"))
        return [
            SourceState(sha256=digest, files=tuple(map(_file, files)), imported=())
            for digest, files in found.items()
        ]

    @cached_property
    def _events(self) -> pl.DataFrame:
        return pl.read_parquet(self.folder / EVENTS)

    def events(self, assembly_id: str) -> list[Assembly]:
        """Return the events of an assembly, which name the tables that the publication lacks."""
        return from_rows(self._events.filter(assembly_id=assembly_id).sort("event"))

    def rows(self, table: str, assembly_id: str) -> pl.DataFrame:
        """Return the rows of an assembly in a table."""
        return published_rows(self.folder, table, assembly_id)

    def has(self, table: str, assembly_id: str, rows: pl.DataFrame) -> bool:
        """Whether rows are those that its record says an assembly has in a table."""
        wanted = self.parts.filter(table=table, assembly_id=assembly_id).select(*PART_COLUMNS).sort("part")
        return parts_of(rows).equals(wanted)

    def note(self) -> str:
        """Return where its assemblies come from, and who imported them."""
        said = f"{self.overview['title']!r}, tag {self.overview['tag']}, {CHECKSUMS} {self.checksum}"
        return f"imported from the publication {said} by {labels.user()}"


def read(folder: Path, shown: Path) -> Source:
    """Return a publication whose files are as their checksums say.

    Raises
    ------
    StorageError
        If it has no record, one of another form or format, or other rows than the record says.
    """
    if not (folder / OVERVIEW).is_file():
        raise StorageError(
            f"{shown} has no {OVERVIEW}, so it cannot be imported. Publish it again with this lakebatch."
        )
    try:
        overview = json.loads((folder / OVERVIEW).read_text("utf-8"))
        _check_format(overview["format"], overview["lakebatch"], shown)
        source = Source(folder, shown, overview)
        _check_names(source)
    except _FormatError:
        raise
    except MALFORMED as error:
        raise _malformed(shown, OVERVIEW, error) from error
    _check_files(source)
    return source


class _FormatError(StorageError):
    """A record of another format."""


def _check_format(found: Any, version: str, shown: Path) -> None:
    if found != FORMAT:
        raise _FormatError(
            f"{shown} has a record of format {found}, expected {FORMAT}: lakebatch {version} wrote it. Import it with "
            "that version or a later one."
        )


def _check_names(source: Source) -> None:
    """Raise an error unless names are names: they become folders of the lake."""
    overview = source.overview
    tables = [*overview["tables"], *overview["not_published"]]
    is_named = FOLDER.fullmatch(overview["experiment"]) and all(NAME.fullmatch(each) for each in tables)
    if not is_named or not all(ASSEMBLY_ID.fullmatch(each) for each in overview["assemblies"]):
        raise ValueError("an experiment, a table or an assembly has a name of another form")
    if RESULTS not in overview["tables"] or not overview["assemblies"]:
        raise ValueError("it has no results or no assembly")
    _ = source.schemas, source.sweeps, overview["title"] + overview["tag"], overview["note"]


def _check_files(source: Source) -> None:
    for file in (EVENTS, PARTS, SOURCES, *(f"data/{table}.parquet" for table in source.tables)):
        if not (source.folder / file).is_file():
            raise StorageError(f"{source.shown} lacks the file {file}. Get it again; nothing was imported.")
        try:
            _check_file(source, file)
        except MALFORMED as error:
            raise _malformed(source.shown, file, error) from error


def _check_file(source: Source, file: str) -> None:
    """Read a file of the record, or the rows of a table, and compare them with the record."""
    if file == SOURCES:
        _ = source.sources
    elif file == PARTS:
        _ = source.parts.select("table", "assembly_id", *PART_COLUMNS)
    elif file == EVENTS:
        for each in source.assemblies:
            events = source.events(each)
            if not events or events[-1].status != "completed":
                raise ValueError(f"{each} has no event that it is completed")
    else:
        table = Path(file).stem
        for each in source.assemblies:
            if not source.has(table, each, source.rows(table, each)):
                raise ValueError(f"{each} has other rows in it than record/ says")


def _malformed(shown: Path, file: str, error: Exception) -> StorageError:
    said = " ".join(f"{type(error).__name__}: {error}".split())[:200]
    return StorageError(
        f"Cannot import {shown}: {file} is not of the form that lakebatch publish writes ({said}). Get it again, or "
        "publish it again; nothing was imported."
    )


def _schema(name: str, described: Mapping[str, Any]) -> TableSchema:
    columns = [Column(**each) for each in described["columns"]]
    if name not in table_names():
        return own_schema(name, described["description"], columns)
    properties = described["properties"]
    return load_schema(name).extended(
        columns, properties, [each for each in (METRIC_NAMES,) if each in properties]
    )


def _sweep(described: Mapping[str, Any]) -> Sweep:
    check_sweep_name(described["sweep"])
    return from_row({**described, "at": datetime.fromisoformat(described["at"]), "user": None})


def _file(each: Mapping[str, Any]) -> SourceFile:
    return SourceFile(each["file"], each["sha256"], len((each["text"] or "").encode()), each["text"])
