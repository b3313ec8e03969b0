"""The rows of data files and bundles, each file read to its end."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from lakebatch.assembly.tables import ExperimentTables
from lakebatch.errors import StorageError
from lakebatch.maintenance.inspection.data_files import fault_of
from lakebatch.maintenance.inspection.lineage import add_all
from lakebatch.maintenance.inspection.reference import Reference
from lakebatch.maintenance.inspection.table import InspectedTable
from lakebatch.storage.delta.commit_metadata import fingerprint
from lakebatch.storage.delta.damage import READ_ERRORS
from lakebatch.storage.delta.version import TableVersion, collect

UNREADABLE = (
    pa.ArrowException,
    pl.exceptions.PolarsError,
    pl.exceptions.PanicException,
    OSError,
    ValueError,
)
BATCH_ROWS = 100_000
KEYS = {
    "assemblies": ["assembly_id", "event"],
    "sources": ["source_hash", "file"],
    "sweeps": ["sweep", "event"],
    "tags": ["tag"],
}
"""The columns that identify a row, in tables without partitions."""


class Fingerprints:
    """The fingerprints of a table's data files, each read to its end.

    Attributes
    ----------
    known : dict
        The fingerprint of each readable file, by path.
    faults : dict
        Why a file of the right size cannot be read, by path.
    out_of_reach : dict
        Why the storage does not hand a file out, as without rights or from a disk that does not answer, by path.
    """

    def __init__(self, table: InspectedTable) -> None:
        self._lineage = table.lineage
        self.known: dict[str, str] = {}
        self.faults: dict[str, str] = {}
        self.out_of_reach: dict[str, str] = {}
        references = table.references.values()
        present = [each for each in references if each.path in table.files and not fault_of(table, each)]
        contents = table.storage.read_each(f"{table.path}/{each.path}" for each in present)
        for reference, content in zip(present, contents, strict=True):
            self._read(table, reference, content)

    def _read(self, table: InspectedTable, reference: Reference, content: bytes | StorageError) -> None:
        if isinstance(content, StorageError):
            self.out_of_reach[reference.path] = " ".join(str(content).split())
            return
        try:
            self.known[reference.path] = fingerprint_of(content, reference, table)
        except UNREADABLE as error:
            self.faults[reference.path] = " ".join(str(error).split())

    def changed(self) -> Iterator[Reference]:
        """Yield the files of each commit whose rows are not the committed ones."""
        for group in self._lineage.groups:
            expected = self._lineage.expected(group) or self._sum(group.removed)
            actual = self._sum(each.path for each in group.files)
            if actual and expected and actual != expected:
                yield from group.files

    def of_assembly(self, assembly_id: str | None) -> str | None:
        """Return the fingerprint of all rows that an assembly has now; None if it is not known."""
        return self._sum(self._lineage.active_paths(assembly_id))

    def _sum(self, paths: Iterable[str]) -> str | None:
        return add_all(self.known.get(path) for path in paths)


def fingerprint_of(content: bytes, reference: Reference, table: InspectedTable) -> str:
    """Return the fingerprint of the rows in a file, with the column that its partition stands for."""
    return fingerprint(
        with_partition(_checked(frame, table), reference) for frame in _read_with_two_readers(content)
    )


def read_rows(content: bytes, reference: Reference) -> pl.DataFrame:
    """Return the rows in a file, with the column that its partition stands for."""
    return with_partition(pl.read_parquet(io.BytesIO(content), hive_partitioning=False), reference)


def with_partition(rows: pl.DataFrame, reference: Reference) -> pl.DataFrame:
    """Return the rows of a file with the column that its partition stands for."""
    if reference.assembly_id is None:
        return rows
    return rows.with_columns(assembly_id=pl.lit(reference.assembly_id))


def _read_with_two_readers(content: bytes) -> Iterator[pl.DataFrame]:
    """Yield the rows of a file as two readers decode them, because a flipped bit can mislead only one of them."""
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
        raise ValueError("two readers find other row counts in it")


def _checked(frame: pl.DataFrame, table: InspectedTable) -> pl.DataFrame:
    """Return the frame; refuse columns that its table lacks, since a column of NULL alone changes no fingerprint."""
    types = table.schema.polars
    for name, dtype in frame.schema.items():
        if table.columns and name not in table.columns:
            raise ValueError(f"it has a column {name!r}, its table has not")
        if dtype != types.get(name, dtype):
            raise ValueError(f"its column {name!r} is {dtype}, that of its table {types[name]}")
    return frame


def contradictions(rows: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    """Return the rows that share their keys with another row of other values."""
    return rows.unique(maintain_order=True).filter(pl.struct(keys).is_duplicated())


def damaged_bundles(stored: ExperimentTables) -> Iterator[tuple[str, str]]:
    """Yield the name of each bundle in use that has other rows than its files, and what is wrong with it."""
    table = stored.results.at()
    known = table.known_bundles()
    for bundle, indices in table.sorted_files.matching(known) if known else ():
        uri = f"{table.bundle_folder}/{bundle.name}"
        try:
            if fingerprint([collect(table.scan_bundle(uri))]) != fingerprint(_files(table, indices)):
                yield bundle.name, f"{uri} has other rows than its files"
        except READ_ERRORS as error:
            reason = " ".join(str(error).split())
            yield bundle.name, f"{uri}, or a file whose rows it repeats, cannot be read ({reason})"


def _files(table: TableVersion, indices: range) -> Iterator[pl.DataFrame]:
    wanted = set(table.sorted_files.paths[indices.start : indices.stop])
    return (table.read_file(file) for file in table.data_files() if file.path in wanted)
