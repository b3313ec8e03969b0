"""The deep check: every row of every file is read and held against what its commit recorded."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import unquote

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from lakebatch.delta import FINGERPRINT
from lakebatch.deltalog import Entry
from lakebatch.doctor.files import advice
from lakebatch.doctor.finding import Finding
from lakebatch.doctor.table import ExaminedTable, Reference, added
from lakebatch.errors import StorageError
from lakebatch.fingerprint import add, fingerprint
from lakebatch.schema import load_schema

UNREADABLE = (
    pa.ArrowException,
    pl.exceptions.PolarsError,
    pl.exceptions.PanicException,
    OSError,
    ValueError,
)
BATCH_ROWS = 100_000


def check_values(table: ExaminedTable, name: str) -> Iterator[Finding]:
    """Whether every file can be read to its end and holds the rows that were committed."""
    present = [each for each in table.references.values() if each.path in table.files]
    prints: dict[str, str] = {}
    faults = 0
    for reference, content in zip(present, table.storage.read_each(_paths(table, present)), strict=True):
        try:
            prints[reference.path] = _fingerprint(content, reference, table)
        except UNREADABLE as error:
            faults += 1
            what = f"{table.locate(reference.path)} cannot be read ({' '.join(str(error).split())})"
            yield Finding("values", table.path, "problem", what, advice(table, reference, name))
    for reference in _changed(table, prints):
        faults += 1
        what = f"{table.locate(reference.path)} holds other values than were committed"
        yield Finding("values", table.path, "problem", what, advice(table, reference, name))
    if not faults:
        yield _all_read(table, len(present))


def _all_read(table: ExaminedTable, files: int) -> Finding:
    unmarked = [each for each in table.log.entries if each.of("add") and not _is_known(each)]
    what = f"{files} files read to their end"
    if unmarked:
        what += (
            f"; {len(unmarked)} commits are older than fingerprints, so their values could not be compared"
        )
    return Finding("values", table.path, "ok", what)


def _paths(table: ExaminedTable, references: Iterable[Reference]) -> Iterator[str]:
    return (f"{table.path}/{each.path}" for each in references)


def _fingerprint(content: bytes | StorageError, reference: Reference, table: ExaminedTable) -> str:
    """Return the fingerprint of the rows in a file, with the column that its partition stands for."""
    if isinstance(content, StorageError):
        raise content
    known = {} if reference.assembly_id is None else {"assembly_id": pl.lit(reference.assembly_id)}
    return fingerprint(_checked(frame, table).with_columns(**known) for frame in _read_twice(content))


def _read_twice(content: bytes) -> Iterator[pl.DataFrame]:
    """Yield the rows of a file as two readers find them, because a changed bit can mislead one of them only."""
    file = pq.ParquetFile(io.BytesIO(content))
    start = 0
    again = pl.scan_parquet(io.BytesIO(content), hive_partitioning=False)
    if file.metadata.num_rows <= BATCH_ROWS:
        again = pl.read_parquet(io.BytesIO(content), hive_partitioning=False).lazy()
    for batch in file.iter_batches(BATCH_ROWS):
        frame = pl.from_arrow(batch)
        assert isinstance(frame, pl.DataFrame)
        if not frame.equals(again.slice(start, frame.height).collect()):
            raise ValueError("two readers find other values in it")
        start += frame.height
        yield frame
    if not again.slice(start, 1).collect().is_empty():
        raise ValueError("two readers find other numbers of rows in it")


def _checked(frame: pl.DataFrame, table: ExaminedTable) -> pl.DataFrame:
    """Return a frame unless it has columns that its table has not; those hold only NULL, which counts nothing."""
    types = load_schema(table.name).polars
    for name, dtype in frame.schema.items():
        if table.columns and name not in table.columns:
            raise ValueError(f"it has a column {name!r}, its table has not")
        if dtype != types.get(name, dtype):
            raise ValueError(f"its column {name!r} is {dtype}, that of its table {types[name]}")
    return frame


def _changed(table: ExaminedTable, prints: Mapping[str, str]) -> Iterator[Reference]:
    """Yield the files of commits whose rows, the files of one assembly together, are not those recorded.

    A commit that only rearranges rows, as a compaction does, records none: what it adds has to be what it removed.
    """
    for entry in table.log.entries:
        files = added(entry)
        for assembly_id in {each.assembly_id for each in files}:
            chosen = [each for each in files if each.assembly_id == assembly_id]
            actual = _together(prints, (each.path for each in chosen))
            expected = entry.info.get(FINGERPRINT) or _rearranged(table, entry, assembly_id, prints)
            if actual and expected and actual != expected:
                yield from chosen


def _is_known(entry: Entry) -> bool:
    return FINGERPRINT in entry.info or bool(entry.of("remove"))


def _rearranged(
    table: ExaminedTable, entry: Entry, assembly_id: str | None, prints: Mapping[str, str]
) -> str | None:
    """Return the fingerprint of what a commit removed of an assembly."""
    paths = [unquote(each["path"]) for each in entry.of("remove")]
    known = [path for path in paths if path in table.references]
    return _together(prints, (path for path in known if table.references[path].assembly_id == assembly_id))


def _together(prints: Mapping[str, str], paths: Iterable[str]) -> str | None:
    """Return the fingerprint of several files; None if one of them is not known, or there is none."""
    found = [prints.get(path) for path in paths]
    known = [each for each in found if each is not None]
    return add(known) if known and len(known) == len(found) else None
