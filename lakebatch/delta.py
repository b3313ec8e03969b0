"""One Delta table: create it, append to it exactly once, read it at a version. The only import of deltalake."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import unquote

import deltalake
import polars as pl
import pyarrow as pa
from deltalake.exceptions import DeltaError, SchemaMismatchError, TableNotFoundError

from lakebatch import diagnosis
from lakebatch.errors import CommitError, SchemaError, StorageError
from lakebatch.fingerprint import fingerprint
from lakebatch.schema import TableSchema, difference
from lakebatch.storage import Storage

logger = logging.getLogger(__name__)

Data: TypeAlias = pl.DataFrame | pa.RecordBatchReader

COMMIT_RETRIES = 200
"""Retries inside one commit; the library's default of 15 loses appends when many write at once."""
ATTEMPTS = 30
LONGEST_PAUSE = 5.0
FOR_EVER = "interval 36500 days"
SCHEMA_VERSION = "lakebatch.schemaVersion"
PROPERTIES = {
    "delta.appendOnly": "true",
    "delta.enableExpiredLogCleanup": "false",
    "delta.logRetentionDuration": FOR_EVER,
    "delta.deletedFileRetentionDuration": FOR_EVER,
}
PERMANENT = (
    "Invalid data found",
    "Permission denied",
    "Read-only file system",
    "No space left",
    "AccessDenied",
)
ENGINE_ERRORS = (DeltaError, OSError)
PART = "lakebatch.part"
"""In a commit's metadata: the part whose rows it added."""
FINGERPRINT = "lakebatch.fingerprint"
"""In a commit's metadata: the fingerprint of the rows it added."""


@dataclass(frozen=True)
class DataFile:
    """A Parquet file of a table as its log has it: path below the table, size in bytes, rows, assembly."""

    path: str
    size: int
    rows: int
    assembly_id: str | None


@dataclass(frozen=True)
class Commit:
    """One commit in a table's log: its version and the metadata it was written with."""

    version: int
    operation: str
    metadata: Mapping[str, Any]


class _Pinned(deltalake.DeltaTable):
    """A table that names its local files as paths, where the engine gives them percent-encoded."""

    @property
    def root(self) -> str:
        uri = self.table_uri.rstrip("/")
        return unquote(uri.removeprefix("file://")) if uri.startswith("file://") else uri

    def file_uris(self, *arguments: Any, **options: Any) -> list[str]:
        uris = super().file_uris(*arguments, **options)
        return [unquote(uri) for uri in uris] if self.table_uri.startswith("file://") else list(uris)


class TableVersion:
    """A Delta table as it was at one version, whatever is appended later."""

    def __init__(self, handle: _Pinned, options: Mapping[str, str]) -> None:
        self._handle = handle
        self.number = int(handle.version())
        self.uri = handle.root
        self._options = dict(options)

    def scan(self) -> pl.LazyFrame:
        """Return the rows as a lazy frame; filters and columns are pushed down to the files."""
        return pl.scan_delta(self._handle)

    def columns(self) -> list[str]:
        """Return the names of the columns."""
        return [field.name for field in self._handle.schema().fields]

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
        return [f"{self._handle.root}/{each.path}" for each in self.data_files(assembly_ids)]

    def data_files(self, assembly_ids: Collection[str] | None = None) -> list[DataFile]:
        """Return the Parquet files of all or of some assemblies; of a table without partitions always all."""
        actions = pl.DataFrame(self._handle.get_add_actions(flatten=True))
        if actions.is_empty():
            return []
        if "partition.assembly_id" not in actions.columns:
            actions = actions.with_columns(pl.lit(None, pl.String).alias("partition.assembly_id"))
        elif assembly_ids is not None:
            actions = actions.filter(pl.col("partition.assembly_id").is_in(list(assembly_ids)))
        columns = ("path", "size_bytes", "num_records", "partition.assembly_id")
        return [DataFile(*row) for row in actions.select(columns).iter_rows()]

    def read_file(self, file: DataFile) -> pl.DataFrame:
        """Return the rows of one file alone, in no particular order of columns."""
        rows = pl.read_parquet(
            f"{self.uri}/{file.path}", hive_partitioning=False, storage_options=self._options or None
        )
        return rows if file.assembly_id is None else rows.with_columns(assembly_id=pl.lit(file.assembly_id))

    def rows_by_assembly(self) -> dict[str, int]:
        """Return the number of rows of each assembly, from the log alone."""
        actions = pl.DataFrame(self._handle.get_add_actions(flatten=True))
        if actions.is_empty():
            return {}
        counts = actions.group_by("partition.assembly_id").agg(pl.col("num_records").sum())
        return {str(assembly_id): int(rows) for assembly_id, rows in counts.iter_rows()}


class Table:
    """A Delta table in a lake.

    The handle is kept between appends, because opening a table costs more with every commit.
    """

    def __init__(self, storage: Storage, folder: str, schema: TableSchema) -> None:
        self.schema = schema
        self.storage = storage
        self.path = f"{folder}/{schema.table}"
        self.uri = storage.join(self.path)
        self._options = dict(storage.options)
        self._handle: deltalake.DeltaTable | None = None

    def __repr__(self) -> str:
        return f"Table({self.uri!r})"

    def exists(self) -> bool:
        """Whether the table has been created."""
        if self._handle is not None:
            return True
        with _engine(self, "open"):
            return bool(deltalake.DeltaTable.is_deltatable(self.uri, self._options))

    def ensure(self) -> None:
        """Create the table unless it is there; refuse one that has other columns; add missing constraints."""
        if not self.exists():
            self._create()
        self._open()
        self._check_schema()
        self._add_missing_constraints()

    def version(self) -> int:
        """Return the newest version of the table."""
        return int(self._refresh().version())

    def append_once(
        self, transaction: str, data_after: Callable[[int], Data | None], metadata: Mapping[str, str]
    ) -> bool:
        """Append in one commit, exactly once whatever goes wrong on the way.

        Before every attempt the newest state is loaded and ``data_after(n)`` asked for what to write,
        where n is the transaction's version in that state (0 before the first); it looks whether the
        data is there already and returns None if so. Whoever committed to the same transaction after
        that state was loaded makes the attempt fail, and the next one looks again.

        Returns
        -------
        bool
            True if this call wrote the data, or found in a later attempt that it had; False if the
            data was there before.

        Raises
        ------
        SchemaError
            If the table refuses the data.
        StorageError
            If the table cannot be written.
        CommitError
            If every attempt was refused.
        """
        failure: Exception | None = None
        for attempt in range(ATTEMPTS + 1):
            handle = self._refresh()
            last = int(handle.transaction_version(transaction) or 0)
            data = data_after(last)
            if data is None:
                return failure is not None
            if failure is not None and _is_permanent(failure):
                raise self._refusal(failure) from failure
            if attempt == ATTEMPTS:  # the last time round only looks whether the failed attempt wrote
                break
            try:
                self._commit(handle, data, deltalake.Transaction(transaction, last + 1), metadata)
            except ENGINE_ERRORS as error:
                failure = error
                self._handle = None
                logger.info("append to %s, attempt %d: %s", self.uri, attempt + 1, error)
                if not _is_permanent(error):
                    _pause(attempt)
            else:
                return True
        raise CommitError(
            f"Could not append to {self.uri} in {ATTEMPTS} attempts; the last one said: {failure}. "
            "Nothing was written; try again with: lakebatch resume"
        ) from failure

    def commits(self) -> list[Commit]:
        """Return the log, oldest commit first."""
        entries = reversed(self._refresh().history())
        return [Commit(int(entry["version"]), str(entry["operation"]), entry) for entry in entries]

    def at(self, version: int | None = None) -> TableVersion:
        """Return the table as it was at a version; now, without one.

        The handle kept for appends is left as it is: one that moved on while an append looks what is there
        would not notice whoever committed in between.
        """
        with _engine(self, "read" if version is None else f"read version {version} of"):
            handle = _Pinned(self.uri, version=version, storage_options=self._options)
        self._refuse_newer(handle)
        self._refuse_foreign(handle)
        diagnosis.warn_of_lost_commits(self.storage, self.path, in_the_past=version is not None)
        return TableVersion(handle, self._options)

    def _refuse_foreign(self, handle: deltalake.DeltaTable) -> None:
        """Refuse to read a table that lacks what every version of its schema has."""
        present = {field.name for field in handle.schema().fields}
        missing = [
            column.name
            for column in self.schema.columns
            if not column.nullable and column.name not in present
        ]
        if missing:
            raise SchemaError(
                f"{self.uri} is not a table of lakebatch: it lacks {', '.join(map(repr, missing))}. "
                "Move it away, or use another --lake."
            )

    def _open(self) -> deltalake.DeltaTable:
        if self._handle is None:
            with _engine(self, "open"):
                self._handle = deltalake.DeltaTable(self.uri, storage_options=self._options)
        return self._handle

    def _refresh(self) -> deltalake.DeltaTable:
        handle = self._open()
        with _engine(self, "read"):
            handle.update_incremental()
        return handle

    def _create(self) -> None:
        try:
            deltalake.DeltaTable.create(
                self.uri,
                _delta_schema(self.schema),
                partition_by=list(self.schema.partition_by),
                name=self.schema.table,
                description=self.schema.description,
                configuration=PROPERTIES | {SCHEMA_VERSION: str(self.schema.version)},
                storage_options=self._options,
                raise_if_key_not_exists=False,
                # a retry would create it once more over what another process has created
                commit_properties=deltalake.CommitProperties(max_commit_retries=0),
            )
        except ENGINE_ERRORS as error:
            if not self.exists():  # another process may have created it at the same time
                raise _storage_error(self, "create", error) from error

    def _check_schema(self) -> None:
        handle = self._open()
        self._refuse_newer(handle)
        faults = difference(pa.schema(handle.schema().to_arrow()), self.schema)
        if faults:
            raise SchemaError(
                f"{self.uri} is not a table of lakebatch: {'; '.join(faults)}. Move it away, or use another --lake."
            )

    def _refuse_newer(self, handle: deltalake.DeltaTable) -> None:
        stored = handle.metadata().configuration.get(SCHEMA_VERSION)
        if stored is not None and int(stored) > self.schema.version:
            raise SchemaError(
                f"{self.uri} has schema version {stored}, this lakebatch knows {self.schema.version}. "
                "Install a newer lakebatch."
            )

    def _add_missing_constraints(self) -> None:
        for attempt in range(ATTEMPTS):
            present = self._refresh().metadata().configuration
            missing = {
                name: rule
                for name, rule in self.schema.constraints.items()
                if f"delta.constraints.{name}" not in present
            }
            if not missing:
                return
            try:
                self._open().alter.add_constraint(missing)
            except ENGINE_ERRORS as error:
                self._handle = None
                if attempt == ATTEMPTS - 1 or _is_permanent(error):
                    raise _storage_error(self, "set the constraints of", error) from error
                _pause(attempt)

    def _commit(
        self,
        handle: deltalake.DeltaTable,
        data: Data,
        transaction: deltalake.Transaction,
        metadata: Mapping[str, str],
    ) -> None:
        deltalake.write_deltalake(
            handle,
            data,
            mode="append",
            writer_properties=deltalake.WriterProperties(compression="ZSTD"),
            commit_properties=deltalake.CommitProperties(
                custom_metadata=_with_fingerprint(metadata, data),
                max_commit_retries=COMMIT_RETRIES,
                app_transactions=[transaction],
            ),
            # listing the log for clean-up on every commit costs more with every commit
            post_commithook_properties=deltalake.PostCommitHookProperties(cleanup_expired_logs=False),
        )

    def _refusal(self, error: Exception) -> Exception:
        if "Invalid data found" in str(error) or isinstance(error, SchemaMismatchError):
            detail = " ".join(str(error).split())
            return SchemaError(
                f"{self.uri} refuses the rows, a constraint of {self.schema.source} fails: {detail}"
            )
        return _storage_error(self, "write", error)


def _delta_schema(schema: TableSchema) -> deltalake.Schema:
    fields = deltalake.Schema.from_arrow(schema.arrow).fields
    return deltalake.Schema(
        [
            deltalake.Field(field.name, field.type, nullable=column.nullable, metadata=column.metadata)
            for field, column in zip(fields, schema.columns, strict=True)
        ]
    )


def _pause(attempt: int) -> None:
    """Wait before the next attempt, at random so that writers that collided do not collide again."""
    time.sleep(random.uniform(0, min(LONGEST_PAUSE, 0.05 * 2**attempt)))


def _is_permanent(error: Exception) -> bool:
    return isinstance(error, SchemaMismatchError | PermissionError) or any(
        hint in str(error) for hint in PERMANENT
    )


def _with_fingerprint(metadata: Mapping[str, str], data: Data) -> dict[str, str]:
    """Return a commit's metadata with the fingerprint of a frame; whoever hands over a stream brings its own."""
    return dict(metadata) | ({FINGERPRINT: fingerprint([data])} if isinstance(data, pl.DataFrame) else {})


@contextmanager
def _engine(table: Table, action: str) -> Iterator[None]:
    """Turn what the engine raises into one line that names the table, or the file of it that is damaged."""
    try:
        yield
    except ENGINE_ERRORS as error:
        raise _storage_error(table, action, error) from error


def _storage_error(table: Table, action: str, error: Exception) -> StorageError:
    if isinstance(error, TableNotFoundError):
        return diagnosis.no_table(table.storage, table.path)
    return diagnosis.explain(table.storage, table.path, action, error)
