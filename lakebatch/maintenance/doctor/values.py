"""The deep check: every row of every file is read and held against what its commit recorded."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from lakebatch.errors import StorageError
from lakebatch.maintenance.doctor.files import advice, fault_of
from lakebatch.maintenance.doctor.finding import Finding
from lakebatch.maintenance.doctor.reference import Reference
from lakebatch.maintenance.doctor.table import ExaminedTable
from lakebatch.storage.delta.engine import FINGERPRINT
from lakebatch.storage.delta.fingerprint import add, fingerprint
from lakebatch.storage.delta.log import READABLE, Entry

UNREADABLE = (
    pa.ArrowException,
    pl.exceptions.PolarsError,
    pl.exceptions.PanicException,
    OSError,
    ValueError,
)
BATCH_ROWS = 100_000


def check_values(table: ExaminedTable, prints: Prints) -> Iterator[Finding]:
    """Whether every file can be read to its end and holds the rows that were committed."""
    faults = 0
    for path, reason in prints.faults.items():
        faults += 1
        what = f"{table.locate(path)} cannot be read ({reason})"
        yield Finding("values", table.path, "problem", what, advice(table, table.references[path]))
    for reason in prints.out_of_reach.values():
        faults += 1
        yield Finding("values", table.path, "problem", reason, READABLE)
    for reference in prints.changed():
        faults += 1
        what = f"{table.locate(reference.path)} holds other values than were committed"
        yield Finding("values", table.path, "problem", what, advice(table, reference))
    if not faults:
        yield _all_read(table, len(prints.known))


class Prints:
    """The fingerprints of a table's data files, each read to its end.

    Attributes
    ----------
    known : dict
        The fingerprint of each file that can be read, by path.
    faults : dict
        Why a file of the right size is none that can be read, by path.
    out_of_reach : dict
        Why a file is not given out, for want of rights or because the disk does not answer, by path.
    """

    def __init__(self, table: ExaminedTable) -> None:
        self._lineage = table.lineage
        self.known: dict[str, str] = {}
        self.faults: dict[str, str] = {}
        self.out_of_reach: dict[str, str] = {}
        present = [
            each
            for each in table.references.values()
            if each.path in table.files and not fault_of(table, each)
        ]
        contents = table.storage.read_each(f"{table.path}/{each.path}" for each in present)
        for reference, content in zip(present, contents, strict=True):
            if isinstance(content, StorageError):
                self.out_of_reach[reference.path] = " ".join(str(content).split())
                continue
            try:
                self.known[reference.path] = fingerprint_of(content, reference, table)
            except UNREADABLE as error:
                self.faults[reference.path] = " ".join(str(error).split())

    def changed(self) -> Iterator[Reference]:
        """Yield the files of commits whose rows are not those that were committed."""
        for group in self._lineage.groups:
            expected = self._lineage.expected(group) or self._of(group.removed)
            actual = self._of(each.path for each in group.files)
            if actual and expected and actual != expected:
                yield from group.files

    def _of(self, paths: Iterable[str]) -> str | None:
        """Return the fingerprint of several files; None if one of them is not known, or there is none."""
        found = [self.known.get(path) for path in paths]
        known = [each for each in found if each is not None]
        return add(known) if known and len(known) == len(found) else None

    def together(self, assembly_id: str | None) -> str | None:
        """Return the fingerprint of all rows that an assembly has now; None if it is not known."""
        return self._of(
            each.path for each in self._lineage.active.values() if each.assembly_id == assembly_id
        )


def _all_read(table: ExaminedTable, files: int) -> Finding:
    unmarked = [each for each in table.log.entries if each.of("add") and not _is_known(each)]
    what = f"{files} files read to their end"
    if unmarked:
        what += (
            f"; {len(unmarked)} commits are older than fingerprints, so their values could not be compared"
        )
    return Finding("values", table.path, "ok", what)


def fingerprint_of(content: bytes, reference: Reference, table: ExaminedTable) -> str:
    """Return the fingerprint of the rows in a file, with the column that its partition stands for."""
    return fingerprint(_stamped(frame, reference, table) for frame in _read_twice(content))


def _stamped(frame: pl.DataFrame, reference: Reference, table: ExaminedTable) -> pl.DataFrame:
    known = {} if reference.assembly_id is None else {"assembly_id": pl.lit(reference.assembly_id)}
    return _checked(frame, table).with_columns(**known)


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
    types = table.schema.polars
    for name, dtype in frame.schema.items():
        if table.columns and name not in table.columns:
            raise ValueError(f"it has a column {name!r}, its table has not")
        if dtype != types.get(name, dtype):
            raise ValueError(f"its column {name!r} is {dtype}, that of its table {types[name]}")
    return frame


def _is_known(entry: Entry) -> bool:
    return FINGERPRINT in entry.info or bool(entry.of("remove"))
