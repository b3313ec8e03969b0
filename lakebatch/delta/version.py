"""A Delta table as it was at one version."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import unquote

import deltalake
import polars as pl

from lakebatch.delta.engine import patiently
from lakebatch.errors import SchemaError
from lakebatch.evolution import filled, ordered
from lakebatch.schema import TableSchema


@dataclass(frozen=True)
class DataFile:
    """A Parquet file of a table as its log has it: path below the table, assembly, size in bytes, rows."""

    path: str
    assembly_id: str | None
    size: int
    rows: int


class Handle(deltalake.DeltaTable):
    """A table that names its local files as paths, where the engine gives them percent-encoded."""

    @property
    def root(self) -> str:
        """Where the table is: a path, or a URI on S3."""
        uri = self.table_uri.rstrip("/")
        return unquote(uri.removeprefix("file://")) if uri.startswith("file://") else uri

    def file_uris(self, *arguments: Any, **options: Any) -> list[str]:
        """Return where the files are."""
        uris = super().file_uris(*arguments, **options)
        return [unquote(uri) for uri in uris] if self.table_uri.startswith("file://") else list(uris)

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        return [field.name for field in self.schema().fields]


class TableVersion:
    """A Delta table as it was at one version, whatever is appended later."""

    def __init__(self, handle: Handle, schema: TableSchema, options: Mapping[str, str]) -> None:
        self._handle = handle
        self._options = dict(options)
        self.schema = schema
        self.number = int(handle.version())
        self.uri = handle.root

    @property
    def is_local(self) -> bool:
        """Whether its files are on this machine."""
        return "://" not in self.uri

    def scan(self) -> pl.LazyFrame:
        """Return the rows as a lazy frame; filters and columns are pushed down to the files.

        Columns that were added after this version of the table are NULL.
        """
        return filled(pl.scan_delta(self._handle), self._handle.names, self.schema)

    def columns(self) -> list[str]:
        """Return the names of the columns that `scan` gives; those of ``schema.late`` are not in every file."""
        return ordered(self._handle.names, self.schema)

    def files(self, assembly_ids: Collection[str]) -> list[str]:
        """Return the URIs of the Parquet files that hold the rows of some assemblies.

        Raises
        ------
        SchemaError
            If the table uses a feature with which the files alone are not its content.
        """
        protocol = self._handle.protocol()
        if protocol.min_reader_version != 1:
            raise SchemaError(
                f"{self._handle.table_uri} needs reader version {protocol.min_reader_version}, which its files alone "
                "cannot answer. Read it with polars instead."
            )
        return [f"{self.uri}/{each.path}" for each in self.data_files(assembly_ids)]

    @cached_property
    def file_table(self) -> pl.DataFrame:
        """The Parquet files: ``path``, ``assembly_id`` (if partitioned by it), ``bytes`` and ``rows``."""
        actions = pl.DataFrame(patiently(lambda: self._handle.get_add_actions(flatten=True)))
        partition = "partition.assembly_id"
        return actions.select(
            pl.col("path").cast(pl.String),
            (pl.col(partition) if partition in actions.columns else pl.lit(None))
            .cast(pl.String)
            .alias("assembly_id"),
            pl.col("size_bytes").cast(pl.Int64).alias("bytes"),
            pl.col("num_records").cast(pl.Int64).alias("rows"),
        )

    def data_files(self, assembly_ids: Collection[str] | None = None) -> list[DataFile]:
        """Return the Parquet files of all or of some assemblies; of a table without partitions always all."""
        files = self.file_table
        if assembly_ids is not None:
            of_these = pl.col("assembly_id").is_in(list(assembly_ids)) | pl.col("assembly_id").is_null()
            files = files.filter(of_these)
        return [DataFile(*row) for row in files.iter_rows()]

    def read_file(self, file: DataFile) -> pl.DataFrame:
        """Return the rows of one file alone, with the columns of `scan`."""
        rows = pl.scan_parquet(
            f"{self.uri}/{file.path}", hive_partitioning=False, storage_options=self._options or None
        )
        if file.assembly_id is not None:
            rows = rows.with_columns(assembly_id=pl.lit(file.assembly_id))
        return collect(filled(rows, rows.collect_schema().names(), self.schema))

    def last_versions(self, transactions: Iterable[str]) -> dict[str, int]:
        """Return the version that each transaction had, 0 before its first; from the log alone."""
        return {each: int(self._handle.transaction_version(each) or 0) for each in transactions}

    def rows_by_assembly(self) -> dict[str, int]:
        """Return the number of rows of each assembly, from the log alone."""
        counts = self.file_table.group_by("assembly_id").agg(pl.col("rows").sum())
        return dict(counts.iter_rows())


def collect(frame: pl.LazyFrame) -> pl.DataFrame:
    """Return a lazy frame over tables, computed; while S3 is not reached, it is tried again."""
    return patiently(frame.collect)
