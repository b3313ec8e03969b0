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

from lakebatch.errors import CommitError, SchemaError, StorageError
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

    def __init__(self, handle: _Pinned) -> None:
        self._handle = handle
        self.number = int(handle.version())

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
        actions = pl.DataFrame(self._handle.get_add_actions(flatten=True))
        if actions.is_empty():
            return []
        chosen = actions.filter(pl.col("partition.assembly_id").is_in(list(assembly_ids)))
        return [f"{self._handle.root}/{path}" for path in chosen["path"]]

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
        self.uri = storage.join(folder, schema.table)
        self._options = dict(storage.options)
        self._handle: deltalake.DeltaTable | None = None

    def __repr__(self) -> str:
        return f"Table({self.uri!r})"

    def exists(self) -> bool:
        """Whether the table has been created."""
        if self._handle is not None:
            return True
        with _engine(self.uri, "open"):
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
        with _engine(self.uri, "read" if version is None else f"read version {version} of"):
            return TableVersion(_Pinned(self.uri, version=version, storage_options=self._options))

    def _open(self) -> deltalake.DeltaTable:
        if self._handle is None:
            with _engine(self.uri, "open"):
                self._handle = deltalake.DeltaTable(self.uri, storage_options=self._options)
        return self._handle

    def _refresh(self) -> deltalake.DeltaTable:
        handle = self._open()
        with _engine(self.uri, "read"):
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
                raise _storage_error(self.uri, "create", error) from error

    def _check_schema(self) -> None:
        handle = self._open()
        stored = handle.metadata().configuration.get(SCHEMA_VERSION)
        if stored is not None and int(stored) > self.schema.version:
            raise SchemaError(
                f"{self.uri} has schema version {stored}, this lakebatch knows {self.schema.version}. "
                "Install a newer lakebatch."
            )
        faults = difference(pa.schema(handle.schema().to_arrow()), self.schema)
        if faults:
            raise SchemaError(
                f"{self.uri} is not a table of lakebatch: {'; '.join(faults)}. Move it away, or use another --lake."
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
                    raise _storage_error(self.uri, "set the constraints of", error) from error
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
            schema_mode="merge" if self.schema.grows else None,
            writer_properties=deltalake.WriterProperties(compression="ZSTD"),
            commit_properties=deltalake.CommitProperties(
                custom_metadata=dict(metadata),
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
        return _storage_error(self.uri, "write", error)


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


@contextmanager
def _engine(uri: str, action: str) -> Iterator[None]:
    """Turn what the engine raises into one line that names the table."""
    try:
        yield
    except ENGINE_ERRORS as error:
        raise _storage_error(uri, action, error) from error


def _storage_error(uri: str, action: str, error: Exception) -> StorageError:
    if isinstance(error, TableNotFoundError):
        return StorageError(f"There is no table at {uri}. Check --lake, or start with: lakebatch run")
    detail = " ".join(str(error).split())
    return StorageError(
        f"Cannot {action} {uri}: {detail}. Check that the lake is there and that you may use it."
    )
