"""The state of a Delta table at one version."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import polars as pl

from lakebatch import _process as process
from lakebatch.columns import Column
from lakebatch.storage import Storage
from lakebatch.storage.delta import bundles, table_format
from lakebatch.storage.delta.arrow_dataset import arrow_dataset
from lakebatch.storage.delta.bundles import Bundle, SortedFiles, Sources
from lakebatch.storage.delta.engine import Handle, with_retries
from lakebatch.storage.delta.foreign import Origins, inseparable
from lakebatch.storage.delta.schema import TableSchema

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.dataset as ds

Arrange: TypeAlias = "Callable[[pl.LazyFrame], pl.LazyFrame]"


class DataFile(NamedTuple):
    """A Parquet file of a table as its log has it: path below the table, assembly, size in bytes, rows."""

    path: str
    assembly_id: str | None
    size: int
    rows: int


class TableVersion:
    """The state of a Delta table at one version, which later commits do not change.

    Attributes
    ----------
    cached_rows : frame or None
        All of its rows, once a reader has stored them here.
    """

    def __init__(
        self,
        handle: Handle,
        schema: TableSchema,
        storage: Storage,
        bundle_folder: str,
        find_origins: Callable[[int], Origins] | None = None,
    ) -> None:
        self._handle = handle
        self._options = dict(storage.options)
        self._bundle_folder = bundle_folder
        self.storage = storage
        self._find_origins = find_origins
        self._base = schema
        self._hidden: frozenset[str] = frozenset()
        self.cached_rows: pl.DataFrame | None = None
        self.number = int(handle.version())
        self.validator = handle.validator
        self.uri = handle.root

    @cached_property
    def schema(self) -> TableSchema:
        """The schema, completed by the own columns of an experiment that the table has."""
        known = {column.name for column in self._base.columns}
        if known.issuperset(self._handle.names):
            return self._base
        own = table_format.own_columns(self._handle, {*known, *self._hidden})
        return self._base.completed(own.values())

    @property
    def has_own_columns(self) -> bool:
        """Whether an experiment declared a column of it."""
        return bool(table_format.own_columns(self._handle))

    def showing(self, then: TableVersion) -> TableVersion:
        """Return this state with only those own columns, and those properties, that an earlier state had."""
        shown = copy.copy(self)
        for name in ("schema", "described_columns", "properties"):
            shown.__dict__.pop(name, None)
        shown.cached_rows = None
        shown._hidden = frozenset(table_format.own_columns(self._handle)) - set(then.columns())
        shown.__dict__["properties"] = then.properties
        return shown

    @property
    def is_local(self) -> bool:
        """Whether its files are on this machine."""
        return self.storage.is_local

    def scan(
        self, assembly_ids: Collection[str] | None = None, *, arranged: Arrange = lambda rows: rows
    ) -> pl.LazyFrame:
        """Return the rows as a lazy frame; filters and columns are pushed down to the files.

        Columns that were added after this version of the table are NULL.

        Parameters
        ----------
        assembly_ids : collection of str, optional
            Assemblies whose rows are wanted; if the table is partitioned by assembly, other files are not opened.
        arranged : callable
            Sorts the rows of files; those of bundles have the order `lakebatch.snapshot.row_order.ORDER`.
        """
        process.check_fork()
        if not self.is_plain:
            self.check_readable()
            if self.all_files.height > self.file_table.height:
                raise inseparable(self.uri)
            table = Handle(self.uri, version=self.number, storage_options=self._options)
            rows, has_others = arranged(pl.scan_delta(table)), True
        else:
            found = self.sources(assembly_ids)
            rows, has_others = self._scan_sources(found, arranged), found.has_others or not self._partitions
        if assembly_ids is not None and has_others:
            rows = rows.filter(pl.col("assembly_id").is_in(list(assembly_ids)))
        return self._completed(rows, self._handle.names)

    def _completed(self, rows: pl.LazyFrame, names: Collection[str]) -> pl.LazyFrame:
        """Return rows with the columns that were added later, as NULL, and without hidden ones."""
        completed = table_format.with_late_columns(rows, names, self.schema)
        return completed.drop(self._hidden, strict=False) if self._hidden else completed

    def _scan_sources(self, found: Sources, arranged: Arrange) -> pl.LazyFrame:
        """Return the rows that `polars.scan_delta` gives, without its look at every file of the table."""
        columns = pl.Schema(self._handle.schema())
        partitions = {name: columns[name] for name in self._partitions}
        rows = []
        if found.bundles:
            rows.append(self._scan_parquet(found.bundles, columns, {}))
        if found.files:
            rows.append(arranged(self._scan_parquet(found.files, columns, partitions)))
        return pl.concat(rows) if rows else pl.LazyFrame(schema=columns)

    def scan_bundle(self, uri: str) -> pl.LazyFrame:
        """Return the rows of one bundle."""
        return self._scan_parquet([uri], pl.Schema(self._handle.schema()), {})

    def _scan_parquet(
        self, uris: list[str], columns: pl.Schema, partitions: Mapping[str, pl.DataType]
    ) -> pl.LazyFrame:
        rows = pl.scan_parquet(
            uris,
            schema=columns,
            hive_schema=partitions or None,
            hive_partitioning=bool(partitions),
            missing_columns="insert",
            extra_columns="ignore",
            glob=False,
            storage_options=self._options or None,
        )
        return rows.select(columns.names())

    @cached_property
    def _partitions(self) -> list[str]:
        return list(self._handle.metadata().partition_columns)

    @property
    def is_partitioned(self) -> bool:
        """Whether the table is partitioned."""
        return bool(self._partitions)

    def sources(self, assembly_ids: Collection[str] | None = None) -> Sources:
        """Return the sources of the rows of all or some assemblies, by URI: bundles, and files that are in none.

        Raises
        ------
        SchemaError
            If the table uses a feature with which the files alone are not its content.
        """
        table_format.check_files(self._handle, self.uri)
        wanted = self._chosen(assembly_ids)
        known = self.known_bundles() if wanted.height >= bundles.MIN_FILES // 2 else []
        if not known:
            return Sources([], self._uris(wanted))
        found = self.sorted_files.sources(known, assembly_ids)
        in_bundles = [f"{self.bundle_folder}/{name}" for name in found.bundles]
        return Sources(in_bundles, [f"{self.uri}/{path}" for path in found.files], found.has_others)

    def known_bundles(self) -> list[Bundle]:
        """Return the bundles that exist now, including those that do not match this version."""
        return (
            bundles.parse(self.storage.files(self._bundle_folder))
            if "assembly_id" in self._partitions
            else []
        )

    @property
    def bundle_folder(self) -> str:
        """The URI of the folder of the bundles."""
        return self.storage.join(self._bundle_folder)

    @cached_property
    def sorted_files(self) -> SortedFiles:
        """The files of a table partitioned by assembly, by assembly."""
        return SortedFiles(self.file_table)

    @cached_property
    def properties(self) -> dict[str, str]:
        """The properties of the table."""
        return dict(self._handle.metadata().configuration)

    @property
    def description(self) -> str:
        """What the table holds, as it was described when it was created."""
        return self._handle.metadata().description or self.schema.description

    @cached_property
    def described_columns(self) -> dict[str, Column]:
        """The columns by name: those of the schema, and an experiment's own as the table describes them."""
        own = table_format.own_columns(self._handle, self._hidden)
        return {column.name: column for column in self.schema.columns} | own

    def columns(self) -> list[str]:
        """Return the names of the columns of `scan`; not every file has those in ``schema.late``."""
        shown = [name for name in self._handle.names if name not in self._hidden]
        return table_format.column_order(shown, self.schema)

    def files(self, assembly_ids: Collection[str] | None = None) -> list[str]:
        """Return the URIs of the Parquet files that hold the rows of all or of some assemblies.

        Raises
        ------
        SchemaError
            If the table uses a feature with which the files alone are not its content.
        """
        table_format.check_files(self._handle, self.uri)
        return self._uris(self._chosen(assembly_ids))

    def _uris(self, files: pl.DataFrame) -> list[str]:
        return files.select(pl.lit(f"{self.uri}/") + pl.col("path")).to_series().to_list()

    @cached_property
    def is_plain(self) -> bool:
        """Whether the files alone are the content of the table."""
        return not table_format.beyond_files(self._handle)

    def check_readable(self) -> None:
        """Raise `SchemaError` if the table has a feature of another tool with which it cannot be read."""
        table_format.check_readable(self._handle, self.uri)

    def check_columns(self) -> None:
        """Raise `SchemaError` if the table has other columns than its schema, so that nothing is appended to it."""
        table_format.check_columns(self._handle, self._base)

    @cached_property
    def origins(self) -> Origins:
        """What other programs have brought into the table and taken out of it."""
        return Origins() if self._find_origins is None else self._find_origins(self.number)

    @cached_property
    def file_table(self) -> pl.DataFrame:
        """The Parquet files of lakebatch: ``path``, ``assembly_id`` (if partitioned by it), ``bytes`` and ``rows``."""
        brought = self.origins.brought
        return self.all_files.filter(~pl.col("path").is_in(list(brought))) if brought else self.all_files

    @cached_property
    def all_files(self) -> pl.DataFrame:
        """The Parquet files with those of other programs, see `file_table`."""
        actions = pl.DataFrame(with_retries(lambda: self._handle.get_add_actions(flatten=True)))
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
        """Return the Parquet files of all or some assemblies; of a table without partitions always all."""
        return list(map(DataFile._make, self._chosen(assembly_ids).iter_rows()))

    def _chosen(self, assembly_ids: Collection[str] | None) -> pl.DataFrame:
        """Return the files of all or of some assemblies."""
        if assembly_ids is None:
            return self.file_table
        of_these = pl.col("assembly_id").is_in(list(assembly_ids)) | pl.col("assembly_id").is_null()
        return self.file_table.filter(of_these)

    def read_file(self, file: DataFile, content: bytes | None = None) -> pl.DataFrame:
        """Return the rows of one file, with the columns of `scan`; from its content, if that has been fetched."""
        rows = pl.scan_parquet(
            f"{self.uri}/{file.path}" if content is None else io.BytesIO(content),
            hive_partitioning=False,
            storage_options=self._options or None,
        )
        if file.assembly_id is not None:
            rows = rows.with_columns(assembly_id=pl.lit(file.assembly_id))
        return collect(self._completed(rows, rows.collect_schema().names()))

    def file_metadata(self, file: DataFile) -> dict[str, str]:
        """Return the metadata in the footer of one file."""
        return with_retries(
            lambda: pl.read_parquet_metadata(f"{self.uri}/{file.path}", storage_options=self._options or None)
        )

    def file_schema(self) -> pa.Schema:
        """Return the columns of the table's data files, which lack the partition columns."""
        import pyarrow as pa

        columns = pa.schema(self._handle.schema().to_arrow())
        return pa.schema(
            [
                pa.field(each.name, each.type, each.nullable)
                for each in columns
                if each.name not in self._partitions
            ]
        )

    def arrow_schema(self) -> pa.Schema:
        """Return the columns of datasets, in their order, with units and comments as metadata of the fields."""
        import pyarrow as pa

        stored = {each.name: each for each in pa.schema(self._handle.schema().to_arrow())}
        known = {each.name: each for each in self.schema.arrow} | stored
        shown = [known[name] for name in self.columns() if name not in self.schema.large]
        # the engine gives metadata in an order that changes from process to process
        return pa.schema([each.with_metadata(dict(sorted((each.metadata or {}).items()))) for each in shown])

    def arrow_dataset(self, assembly_ids: Collection[str]) -> ds.FileSystemDataset:
        """Return the files of some assemblies as an Arrow dataset, which reads what it is asked for."""
        return arrow_dataset(self.uri, self._options, self._chosen(assembly_ids), self.arrow_schema())

    def last_versions(self, transactions: Iterable[str]) -> dict[str, int]:
        """Return the version of each transaction, 0 before its first, from the log alone."""
        return {each: int(self._handle.transaction_version(each) or 0) for each in transactions}

    def history(self) -> list[dict[str, Any]]:
        """Return the metadata of the commits up to this version, newest first."""
        return self._handle.history()

    @cached_property
    def rows_by_assembly(self) -> dict[str, int]:
        """The row count of each assembly, from the log alone."""
        counts = self.file_table.group_by("assembly_id").agg(pl.col("rows").sum())
        return dict(counts.iter_rows())


def collect(frame: pl.LazyFrame) -> pl.DataFrame:
    """Return a computed lazy frame over tables; repeated while S3 cannot be reached."""
    return with_retries(frame.collect)
