"""One Delta table: create it, append to it exactly once, read it at a version. The only import of deltalake."""

from __future__ import annotations

import logging
import random
import re
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias, TypeVar
from urllib.parse import unquote

import deltalake
import polars as pl
import pyarrow as pa
from deltalake.exceptions import DeltaError, SchemaMismatchError, TableNotFoundError

from lakebatch.errors import CommitError, SchemaError, StorageError
from lakebatch.evolution import SCHEMA_VERSION, check_known, filled, missing, ordered, stored_version
from lakebatch.s3 import explain, may_pass, refusal
from lakebatch.schema import Column, TableSchema, difference
from lakebatch.storage import Storage

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")
Data: TypeAlias = pl.DataFrame | pa.RecordBatchReader

COMMIT_RETRIES = 200
"""Retries inside one commit; the library's default of 15 loses appends when many write at once."""
ATTEMPTS = 30
LONGEST_PAUSE = 5.0
PATIENCE_SECONDS = 300.0
"""How long a read is tried again while S3 cannot be reached: a run of days outlives a restart of the server."""
FOR_EVER = "interval 36500 days"
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
WRITER_PROPERTIES = deltalake.WriterProperties(compression="ZSTD")
HOT_PATH = deltalake.PostCommitHookProperties(cleanup_expired_logs=False)
"""Listing the log for clean-up on every commit costs more with every commit."""
TAKEN = "Invalid table version: 0"
"""The engine's word for a table that it was refused to create; S3 may refuse (409) where there is none in the end."""
PATH = re.compile(r"\(path: (\S+)\)")


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

    def __init__(self, handle: _Pinned, schema: TableSchema) -> None:
        self._handle = handle
        self.schema = schema
        self.number = int(handle.version())

    @property
    def is_local(self) -> bool:
        """Whether its files are on this machine."""
        return self._handle.table_uri.startswith("file://")

    def scan(self) -> pl.LazyFrame:
        """Return the rows as a lazy frame; filters and columns are pushed down to the files.

        Columns that were added after this version of the table are NULL.
        """
        return filled(pl.scan_delta(self._handle), _names(self._handle), self.schema)

    def columns(self) -> list[str]:
        """Return the names of the columns that `scan` gives; those of ``schema.late`` are not in every file."""
        return ordered(_names(self._handle), self.schema)

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
        chosen = self.data_files.filter(pl.col("assembly_id").is_in(list(assembly_ids)))
        return [f"{self._handle.root}/{path}" for path in chosen["path"]]

    @cached_property
    def data_files(self) -> pl.DataFrame:
        """The Parquet files of this version: ``path``, ``assembly_id`` (if partitioned by it), ``bytes``, ``rows``."""
        actions = pl.DataFrame(
            _patiently(self._handle.table_uri, "read", lambda: self._handle.get_add_actions(flatten=True))
        )
        partition = "partition.assembly_id"
        return actions.select(
            pl.col("path").cast(pl.String),
            (pl.col(partition) if partition in actions.columns else pl.lit(None))
            .cast(pl.String)
            .alias("assembly_id"),
            pl.col("size_bytes").cast(pl.Int64).alias("bytes"),
            pl.col("num_records").cast(pl.Int64).alias("rows"),
        )

    def rows_by_assembly(self) -> dict[str, int]:
        """Return the number of rows of each assembly, from the log alone."""
        counts = self.data_files.group_by("assembly_id").agg(pl.col("rows").sum())
        return dict(counts.iter_rows())


class Table:
    """A Delta table in a lake.

    The handle is kept between appends, because opening a table costs more with every commit.
    """

    def __init__(self, storage: Storage, folder: str, schema: TableSchema) -> None:
        self.schema = schema
        self.uri = storage.join(folder, schema.table)
        self._options = dict(storage.options)
        self._handle: deltalake.DeltaTable | None = None
        self._is_known = False

    def __repr__(self) -> str:
        return f"Table({self.uri!r})"

    def exists(self) -> bool:
        """Whether the table has been created."""
        if self._handle is not None:
            return True
        is_table = deltalake.DeltaTable.is_deltatable
        return _patiently(self.uri, "open", lambda: bool(is_table(self.uri, self._options)))

    def ensure(self) -> None:
        """Create the table unless it is there; refuse one that has other columns; bring an older one up to date.

        That adds the columns and constraints that its schema version did not have. The new version is
        recorded first, so that older code says from then on what it lacks.
        """
        if not self.exists():
            self._create()
        self._open()
        self._check_schema()
        self._alter("set the schema version of", self._raise_version)
        self._alter("add columns to", self._add_missing_columns)
        self._alter("set the constraints of", self._add_missing_constraints)

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

    def mark(self, metadata: Mapping[str, str]) -> int:
        """Commit no rows, so that what is recorded next has a version of its own, and return that version.

        A mark that was made twice after an error does no harm.
        """
        for attempt in range(ATTEMPTS):
            handle = self._refresh()
            try:
                self._write(handle, self.schema.arrow.empty_table(), metadata, [])
                return int(handle.version())
            except ENGINE_ERRORS as error:
                self._handle = None
                if attempt == ATTEMPTS - 1 or _is_permanent(error):
                    raise _storage_error(self.uri, "write", error) from error
                _pause(attempt)
        raise AssertionError("unreachable")

    def compact(
        self, target_bytes: int, metadata: Mapping[str, str], *, assembly_id: str | None = None
    ) -> dict[str, int]:
        """Merge the small files of each partition in one commit; no row changes, appends go on beside it.

        Parameters
        ----------
        assembly_id : str, optional
            Merge the files of this assembly alone.

        Returns
        -------
        dict
            ``files_before`` and ``files_after``, of those that were merged.
        """
        handle = self._refresh()
        try:
            metrics = handle.optimize.compact(
                partition_filters=None if assembly_id is None else [("assembly_id", "=", assembly_id)],
                target_size=target_bytes,
                writer_properties=WRITER_PROPERTIES,
                commit_properties=deltalake.CommitProperties(
                    custom_metadata=dict(metadata), max_commit_retries=COMMIT_RETRIES
                ),
                post_commithook_properties=HOT_PATH,
            )
        except ENGINE_ERRORS as error:
            self._handle = None
            raise _storage_error(self.uri, "compact", error) from error
        return {
            "files_before": int(metrics["numFilesRemoved"]),
            "files_after": int(metrics["numFilesAdded"]),
        }

    def vacuum(self, *, keep_versions: Sequence[int], keep_hours: int, dry_run: bool) -> list[str]:
        """Remove files that no kept version needs, and return their paths within the table.

        Parameters
        ----------
        keep_versions : sequence of int
            Versions that stay readable; the newest always does.
        keep_hours : int, hours
            Files younger than this are left, since somebody may be about to commit them.
        dry_run : bool
            Only say which files they are.
        """
        handle = self._refresh()
        try:
            removed = handle.vacuum(
                retention_hours=keep_hours,
                dry_run=dry_run,
                enforce_retention_duration=False,
                full=True,
                keep_versions=sorted({*keep_versions, int(handle.version())}),
                commit_properties=deltalake.CommitProperties(max_commit_retries=COMMIT_RETRIES),
                post_commithook_properties=HOT_PATH,
            )
        except ENGINE_ERRORS as error:
            self._handle = None
            raise _storage_error(self.uri, "vacuum", error) from error
        return list(removed)

    def commits(self) -> list[Commit]:
        """Return the log, oldest commit first."""
        handle = self._refresh()
        entries = reversed(_patiently(self.uri, "read", handle.history))
        return [Commit(int(entry["version"]), str(entry["operation"]), entry) for entry in entries]

    def at(self, version: int | None = None) -> TableVersion:
        """Return the table as it was at a version; now, without one.

        The handle kept for appends is left as it is: one that moved on while an append looks what is there
        would not notice whoever committed in between.
        """
        action = "read" if version is None else f"read version {version} of"
        pinned = _patiently(
            self.uri, action, lambda: _Pinned(self.uri, version=version, storage_options=self._options)
        )
        self._check_known(pinned)
        return TableVersion(pinned, self.schema)

    def _open(self) -> deltalake.DeltaTable:
        if self._handle is None:
            handle = _patiently(
                self.uri, "open", lambda: deltalake.DeltaTable(self.uri, storage_options=self._options)
            )
            self._check_known(handle)
            self._handle, self._is_known = handle, True
        return self._handle

    def _check_known(self, handle: deltalake.DeltaTable) -> None:
        """Refuse a newer table when it is opened; who has it open already goes on, in the columns of then."""
        if not self._is_known:
            check_known(self.uri, handle.metadata().configuration, self.schema)

    def _refresh(self) -> deltalake.DeltaTable:
        handle = self._open()
        _patiently(self.uri, "read", handle.update_incremental)
        return handle

    def _create(self) -> None:
        for attempt in range(ATTEMPTS):
            try:
                self._try_to_create()
            except ENGINE_ERRORS as error:
                if self.exists():  # another process, or this one whose answer was lost, has created it
                    return
                if attempt == ATTEMPTS - 1 or not (may_pass(str(error)) or TAKEN in str(error)):
                    raise _storage_error(self.uri, "create", error) from error
                _pause(attempt)
            else:
                return

    def _try_to_create(self) -> None:
        deltalake.DeltaTable.create(
            self.uri,
            deltalake.Schema(_fields(self.schema.columns)),
            partition_by=list(self.schema.partition_by),
            name=self.schema.table,
            description=self.schema.description,
            configuration=PROPERTIES | {SCHEMA_VERSION: str(self.schema.version)},
            storage_options=self._options,
            raise_if_key_not_exists=False,
            # a retry would create it once more over what another process has created
            commit_properties=deltalake.CommitProperties(max_commit_retries=0),
        )

    def _check_schema(self) -> None:
        faults = difference(pa.schema(self._open().schema().to_arrow()), self.schema)
        if faults:
            raise SchemaError(
                f"{self.uri} is not a table of lakebatch: {'; '.join(faults)}. Move it away, or use another --lake."
            )

    def _alter(self, action: str, change: Callable[[deltalake.DeltaTable], bool]) -> None:
        """Change the table until there is nothing to change; others may be doing the same."""
        for attempt in range(ATTEMPTS):
            try:
                if not change(self._refresh()):
                    return
            except ENGINE_ERRORS as error:
                self._handle = None
                if attempt == ATTEMPTS - 1 or _is_permanent(error):
                    raise _storage_error(self.uri, action, error) from error
                _pause(attempt)

    def _raise_version(self, handle: deltalake.DeltaTable) -> bool:
        if stored_version(self.uri, handle.metadata().configuration) >= self.schema.version:
            return False
        handle.alter.set_table_properties(
            {SCHEMA_VERSION: str(self.schema.version)}, raise_if_not_exists=False
        )
        return True

    def _add_missing_columns(self, handle: deltalake.DeltaTable) -> bool:
        columns = missing(_names(handle), self.schema)
        if columns:
            handle.alter.add_columns(_fields(columns))
        return bool(columns)

    def _add_missing_constraints(self, handle: deltalake.DeltaTable) -> bool:
        present = handle.metadata().configuration
        absent = {
            name: rule
            for name, rule in self.schema.constraints.items()
            if f"delta.constraints.{name}" not in present
        }
        if absent:
            handle.alter.add_constraint(absent)
        return bool(absent)

    def _commit(
        self,
        handle: deltalake.DeltaTable,
        data: Data,
        transaction: deltalake.Transaction,
        metadata: Mapping[str, str],
    ) -> None:
        self._write(handle, data, metadata, [transaction])

    def _write(
        self,
        handle: deltalake.DeltaTable,
        data: Data | pa.Table,
        metadata: Mapping[str, str],
        transactions: list[deltalake.Transaction],
    ) -> None:
        deltalake.write_deltalake(
            handle,
            data,
            mode="append",
            # newer code added columns while this had the table open: they are NULL in what is written here
            schema_mode="merge" if len(_names(handle)) > len(self.schema.columns) else None,
            writer_properties=WRITER_PROPERTIES,
            commit_properties=deltalake.CommitProperties(
                custom_metadata=dict(metadata),
                max_commit_retries=COMMIT_RETRIES,
                app_transactions=transactions,
            ),
            post_commithook_properties=HOT_PATH,
        )

    def _refusal(self, error: Exception) -> Exception:
        if "Invalid data found" in str(error) or isinstance(error, SchemaMismatchError):
            detail = " ".join(str(error).split())
            return SchemaError(
                f"{self.uri} refuses the rows, a constraint of {self.schema.source} fails: {detail}"
            )
        return _storage_error(self.uri, "write", error)


def collect(frame: pl.LazyFrame) -> pl.DataFrame:
    """Return a lazy frame over tables, computed.

    Raises
    ------
    StorageError
        If a file cannot be read.
    """
    return _patiently("", "read", frame.collect)


def _names(handle: deltalake.DeltaTable) -> list[str]:
    return [field.name for field in handle.schema().fields]


def _fields(columns: Sequence[Column]) -> list[deltalake.Field]:
    typed = deltalake.Schema.from_arrow(pa.schema([column.arrow for column in columns])).fields
    return [
        deltalake.Field(field.name, field.type, nullable=column.nullable, metadata=column.metadata)
        for field, column in zip(typed, columns, strict=True)
    ]


def _pause(attempt: int) -> None:
    """Wait before the next attempt, at random so that writers that collided do not collide again."""
    time.sleep(random.uniform(0, min(LONGEST_PAUSE, 0.05 * 2**attempt)))


def _is_permanent(error: Exception) -> bool:
    return (
        isinstance(error, SchemaMismatchError | PermissionError)
        or any(hint in str(error) for hint in PERMANENT)
        or refusal(str(error)) is not None
    )


def _patiently(uri: str, action: str, call: Callable[[], Answer]) -> Answer:
    """Return what the engine answers; what may pass is ridden out, all else is one line that names the table."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    attempt = 0
    while True:
        try:
            return call()
        except ENGINE_ERRORS as error:
            if time.monotonic() > deadline or not may_pass(str(error)):
                raise _storage_error(uri, action, error) from error
            logger.info("%s %s, attempt %d: %s", action, uri, attempt + 1, error)
        _pause(attempt)
        attempt += 1


def _storage_error(uri: str, action: str, error: Exception) -> StorageError:
    if isinstance(error, TableNotFoundError):
        return StorageError(f"There is no table at {uri}. Check --lake, or start with: lakebatch run")
    detail = " ".join(str(error).split())
    where = uri or (found[1] if (found := PATH.search(detail)) else "the lake")
    if of_s3 := explain(str(error)):
        return StorageError(f"Cannot {action} {where}: {of_s3}")
    return StorageError(
        f"Cannot {action} {where}: {detail}. Check that the lake is there and that you may use it."
    )
