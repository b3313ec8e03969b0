"""One Delta table: create it, append to it exactly once, read it at a version."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import deltalake
import polars as pl
from deltalake.exceptions import SchemaMismatchError

from lakebatch import deltalog, diagnosis, forks
from lakebatch.delta import bundles, checkpoints, constraints, durability, features, making, turns
from lakebatch.delta.engine import (
    ATTEMPTS,
    COMMIT_RETRIES,
    ENGINE_ERRORS,
    HOT_PATH,
    WRITER_PROPERTIES,
    Answer,
    Data,
    interrupts_kept,
    is_permanent,
    patiently,
    pause,
    storage_error,
    with_fingerprint,
)
from lakebatch.delta.kept import Kept
from lakebatch.delta.version import Handle, TableVersion
from lakebatch.deltalog import FOLDER, entry_name
from lakebatch.disk import is_there
from lakebatch.errors import CommitError, SchemaError, StorageError
from lakebatch.evolution import check_known
from lakebatch.local import Stamp
from lakebatch.s3_answers import may_pass
from lakebatch.schema import TableSchema
from lakebatch.storage import Storage
from lakebatch.withholding import withheld

if TYPE_CHECKING:
    import pyarrow as pa

logger = logging.getLogger(__name__)

BROKEN = "Invalid data found"
# in the engine's error when rows break a constraint
TAKEN = "Invalid table version: 0"
"""The engine's word for a table that it was refused to create; S3 may refuse (409) where there is none in the end."""


Write: TypeAlias = Callable[[Handle], None]
"""A call that commits to the table of a handle."""


@dataclass(frozen=True)
class Commit:
    """One commit in a table's log: its version and the metadata it was written with."""

    version: int
    operation: str
    metadata: Mapping[str, Any]


class Table:
    """A Delta table in a lake.

    The handle is kept between appends, because opening a table costs more with every commit.

    Parameters
    ----------
    kept : Kept, optional
        Where the newest state is kept for whoever reads; others that stand for tables of the same lake may share it.
    """

    def __init__(self, storage: Storage, folder: str, schema: TableSchema, kept: Kept | None = None) -> None:
        self.schema = schema
        self.storage = storage
        self.path = f"{folder}/{schema.table}"
        self.uri = storage.join(self.path)
        self._folder = None if storage.is_s3 else Path(self.uri)
        self._options = dict(storage.options)
        self._kept = kept or Kept()
        self._handle: Handle | None = None
        self._opened_at = 0
        self._is_known = False
        self._is_appending = False

    def __repr__(self) -> str:
        return f"Table({self.uri!r})"

    @property
    def bundle_folder(self) -> str:
        """The folder in the lake for bundles of this table, see `lakebatch.delta.bundles`."""
        folder, _, name = self.path.rpartition("/")
        return f"{folder}/{bundles.FOLDER}/{name}"

    def folders(self, assembly_id: str | None = None) -> list[str]:
        """Return the folders in the lake in which commits write, with that of an assembly if one is named."""
        is_apart = assembly_id is not None and "assembly_id" in self.schema.partition_by
        return [
            self.path,
            f"{self.path}/{FOLDER}",
            *([f"{self.path}/assembly_id={assembly_id}"] if is_apart else []),
        ]

    def exists(self) -> bool:
        """Whether the table has been created."""
        if self._handle is not None:
            return True
        if self._folder is not None:
            return deltalog.exists(self._folder)
        is_table = deltalake.DeltaTable.is_deltatable
        return self._ask("open", lambda: bool(is_table(self.uri, self._options)))

    def ensure(self) -> None:
        """Create the table unless it is there; refuse one that has other columns; bring an older one up to date.

        That adds the columns, constraints and properties that its schema version did not have.
        """
        is_new = not self.exists()
        if is_new:
            self._create()
        features.check_writable(self._open(), self.uri)
        making.check_columns(self._open(), self.schema)
        for action, change in making.CHANGES.items():
            self._alter(action, change)
        if is_new and self._folder is not None:
            durability.sync_created(self._folder)

    def version(self) -> int:
        """Return the newest version of the table."""
        return int(self._refresh().version())

    @property
    def known_version(self) -> int | None:
        """The version that this process knows of, without looking for a newer one."""
        return None if self._handle is None else int(self._handle.version())

    def append_once(
        self, transaction: str, data_after: Callable[[int], Data | None], metadata: Mapping[str, str]
    ) -> bool:
        """Append in one commit, exactly once whatever goes wrong on the way; see `commit_once`.

        ``data_after(n)`` is asked for what to write, where n is the transaction's version in the newest state (0 before
        the first); it looks whether the data is there already, in `newest` or any later state, and returns None if so.
        Secrets are withheld from a frame; a stream brings its own fingerprint and is without them already.
        """

        def write_after(last: int) -> Write | None:
            data = data_after(last)
            if data is None:
                return None
            data = withheld(data) if isinstance(data, pl.DataFrame) else data
            following = [deltalake.Transaction(transaction, last + 1)]

            def write(handle: Handle) -> None:
                try:
                    self._write(handle, data, metadata, following)
                except ENGINE_ERRORS as error:
                    if BROKEN not in str(error) and not isinstance(error, SchemaMismatchError):
                        raise
                    raise self._refusal(error, handle, data_after(last)) from error

            return write

        return self.commit_once(transaction, write_after)

    def commit_once(self, transaction: str, write_after: Callable[[int], Write | None]) -> bool:
        """Make one commit, exactly once whatever goes wrong on the way.

        Before every attempt the newest state is loaded and ``write_after(n)`` asked for the call that commits, where n
        is the transaction's version in that state (0 before the first); it looks whether the commit is still due,
        and returns None if not. What was committed to the same transaction after that state was loaded makes the
        attempt fail, and the next one looks again.

        Returns
        -------
        bool
            True if this call made the commit, or found in a later attempt that it had; False if it was not due at first.

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
        first: int | None = None
        for attempt in range(ATTEMPTS + 1):
            with turns.taken(self._folder or turns.stand_in(self.uri)):
                handle = self._refresh()
                first = int(handle.version()) if first is None else first
                last = self._ask("read", lambda: handle.transaction_version(transaction))  # noqa: B023
                write = self._looked(write_after, int(last or 0))
                if write is not None:
                    self._check_attempt(attempt, failure)
                    failure = self._attempt(handle, write, attempt)
            if write is None or failure is None:
                # of a failed attempt that was committed all the same, the version is not known
                self._sync(handle, first if write is None else int(handle.version()) - 1)
                return write is not None or failure is not None
            if not is_permanent(failure):
                pause(attempt)
        raise AssertionError("unreachable")

    def _check_attempt(self, attempt: int, failure: Exception | None) -> None:
        """Raise unless the commit can be tried once more; the last time round only looks whether a failed attempt wrote."""
        if failure is not None and is_permanent(failure):
            raise self._error("write", failure) from failure
        if attempt == ATTEMPTS:
            raise CommitError(
                f"Could not commit to {self.uri} in {ATTEMPTS} attempts; the last one said: {failure}. "
                "Nothing was written; try again later."
            ) from failure

    def _attempt(self, handle: Handle, write: Write, attempt: int) -> Exception | None:
        """Commit once, and return the error that does not say whether it was committed."""
        try:
            write(handle)
        except ENGINE_ERRORS as error:
            self._handle = None
            logger.info("commit to %s, attempt %d: %s", self.uri, attempt + 1, error)
            return error
        return None

    def _sync(self, handle: Handle, before: int) -> None:
        """Write the commits after a version through to a local disk."""
        if self._folder is not None:
            durability.sync(self._folder, range(before + 1, int(handle.version()) + 1))

    def _looked(self, write_after: Callable[[int], Write | None], last: int) -> Write | None:
        """Ask for the call that commits while the state that the commit starts from stays as it is."""
        self._is_appending = True
        try:
            return write_after(last)
        finally:
            self._is_appending = False

    def mark(self, metadata: Mapping[str, str], *, advance: Iterable[str] = ()) -> int:
        """Commit no rows, so that the next record has a version of its own, and return that version.

        A mark that was made twice after an error does no harm. Transactions that it advances refuse every commit that
        was prepared before it, and their writers look again.
        """
        names = sorted(set(advance))
        for attempt in range(ATTEMPTS):
            handle = self._refresh()
            try:
                self._write(handle, self._nothing(), metadata, [_advanced(handle, name) for name in names])
            except ENGINE_ERRORS as error:
                self._handle = None
                if attempt == ATTEMPTS - 1 or is_permanent(error):
                    raise self._error("write", error) from error
                pause(attempt)
            else:
                version = int(handle.version())
                self._sync(handle, version - 1)
                return version
        raise AssertionError("unreachable")

    def change(self, action: str, call: Callable[[Handle], Answer]) -> Answer:
        """Return what the engine answers when it is to change the newest state in a commit of its own.

        Raises
        ------
        StorageError
            If it could not; ``action`` says what, as in "compact".
        """
        handle = self._refresh()
        before = int(handle.version())
        try:
            answer = call(handle)
        except ENGINE_ERRORS as error:
            self._handle = None
            raise self._error(action, error) from error
        if int(handle.version()) > before:
            checkpoints.write_if_due(handle)
        return answer

    def commits(self) -> list[Commit]:
        """Return the log, oldest commit first."""
        handle = self._refresh()
        entries = reversed(self._ask("read", handle.history))
        return [Commit(int(entry["version"]), str(entry["operation"]), entry) for entry in entries]

    def at(self, version: int | None = None) -> TableVersion:
        """Return the table as it was at a version; now, without one.

        It stays as it is, whatever is called or committed later. The same one is returned again until something is.
        """
        forks.check()
        if version is None:
            return self._kept.newest(self.path, self._stamp, lambda: self._opened(None))
        return self._opened(version)[0]

    def _stamp(self, version: int) -> Stamp | None:
        """Return what is another as soon as a version is no more the newest, or its log is not what it was."""
        log = f"{self.path}/{FOLDER}"
        return self.storage.stamp(log, entry_name(version), unless=entry_name(version + 1))

    def _opened(self, version: int | None) -> tuple[TableVersion, bool]:
        """Open the table at a version, and say whether none of the commits up to it is lost."""
        action = "read" if version is None else f"read version {version} of"
        handle = self._ask(action, lambda: Handle(self.uri, version=version, storage_options=self._options))
        self._check_known(handle)
        state = self._pinned(handle)
        return state, diagnosis.warn_of_lost_commits(self.storage, self.path, in_the_past=version is not None)

    def _pinned(self, handle: Handle) -> TableVersion:
        self._refuse_foreign(handle)
        return TableVersion(
            handle, self.schema, self._options, lambda: self.storage.files(self.bundle_folder)
        )

    def newest(self) -> TableVersion:
        """Return the newest state, to be read at once: it moves on with the next call of this table.

        That is quick, because only what was committed since is read. While `append_once` looks what is there it
        is the state that the append starts from.
        """
        state = self._pinned(self._refresh())
        diagnosis.warn_of_lost_commits(self.storage, self.path, in_the_past=False)
        return state

    def _open(self) -> Handle:
        forks.check()
        if self._handle is None:
            handle = self._ask("open", lambda: Handle(self.uri, storage_options=self._options))
            self._check_known(handle)
            self._handle, self._is_known = handle, True
            self._opened_at = int(handle.version())
        return self._handle

    def _ask(self, action: str, call: Callable[[], Answer]) -> Answer:
        """Return what the engine answers; an error is one line that names the table, or its file that is damaged."""
        try:
            return patiently(call)
        except (*ENGINE_ERRORS, ValueError) as error:  # the second for a log with actions of another form
            raise self._error(action, error) from error

    def _error(self, action: str, error: Exception) -> StorageError:
        return storage_error(self.storage, self.path, action, error)

    def _refuse_foreign(self, handle: Handle) -> None:
        """Refuse to read a table that lacks what every version of its schema has."""
        absent = [
            column.name
            for column in self.schema.columns
            if not column.nullable and column.name not in handle.names
        ]
        if absent:
            raise SchemaError(
                f"{self.uri} is not a table of lakebatch: it lacks {', '.join(map(repr, absent))}. "
                "Move it away, or use another --lake."
            )

    def _check_known(self, handle: Handle) -> None:
        """Refuse a newer table when it is opened; who has it open already goes on, in the columns of then."""
        if not self._is_known:
            check_known(self.uri, handle.metadata().configuration, self.schema)

    def _refresh(self) -> Handle:
        """Return the handle kept for appends, brought up to date.

        Not while an append looks what is there: if it moved on, the engine would not notice who committed meanwhile.
        """
        handle = self._open()
        if self._is_appending:
            return handle
        is_behind = self._has_next(int(handle.version()))
        if self._folder is None:
            self._ask("read", handle.update_incremental)
        if is_behind or checkpoints.is_due_between(self._opened_at, int(handle.version())):
            self._handle = None  # opened afresh it reads from the last checkpoint on, and not all that it has read before
        return self._open()

    def _has_next(self, version: int) -> bool:
        """Whether there is a later version, as far as one look at this disk tells; on S3 it does not."""
        return self._folder is not None and is_there(Path(self._folder, FOLDER, entry_name(version + 1)))

    def _create(self) -> None:
        forks.check()
        self.storage.make_folder(self.path)
        for attempt in range(ATTEMPTS):
            try:
                making.create(self.uri, self.schema, self._options)
            except ENGINE_ERRORS as error:
                if self.exists():  # another process, or this one whose answer was lost, has created it
                    return
                if attempt == ATTEMPTS - 1 or not (may_pass(str(error)) or TAKEN in str(error)):
                    raise self._error("create", error) from error
                pause(attempt)
            else:
                return

    def _alter(self, action: str, change: Callable[[Handle, TableSchema], bool]) -> None:
        """Change the table until there is nothing to change; others may be doing the same."""
        for attempt in range(ATTEMPTS):
            try:
                if not change(self._refresh(), self.schema):
                    return
            except ENGINE_ERRORS as error:
                self._handle = None
                if attempt == ATTEMPTS - 1 or is_permanent(error):
                    raise self._error(action, error) from error
                pause(attempt)

    def _nothing(self) -> pa.RecordBatchReader:
        import pyarrow as pa

        return pa.RecordBatchReader.from_batches(self.schema.arrow, [])

    def _write(
        self,
        handle: Handle,
        data: Data,
        metadata: Mapping[str, str],
        transactions: list[deltalake.Transaction],
    ) -> None:
        with interrupts_kept():
            deltalake.write_deltalake(
                handle,
                data,
                mode="append",
                # newer code added columns while this had the table open: they are NULL in what is written here
                schema_mode="merge"
                if self.schema.grows or len(handle.names) > len(self.schema.columns)
                else None,
                writer_properties=WRITER_PROPERTIES,
                commit_properties=deltalake.CommitProperties(
                    custom_metadata=with_fingerprint(metadata, data, self.schema),
                    max_commit_retries=COMMIT_RETRIES,
                    app_transactions=transactions,
                ),
                post_commithook_properties=HOT_PATH,
            )
        checkpoints.write_if_due(handle)

    def _refusal(self, error: Exception, handle: Handle, data: Data | None) -> SchemaError:
        """Return the error for rows that break a constraint, which the engine does not name."""
        self._handle = None
        broken = None if data is None else constraints.broken(handle.metadata().configuration, data)
        which = broken or " ".join(str(error).split()).partition(" Preview of ")[0].rstrip(".")
        return SchemaError(
            f"{self.uri} refuses the rows, a constraint of {self.schema.source} fails: {which}."
        )


def _advanced(handle: Handle, name: str) -> deltalake.Transaction:
    """Return the transaction after the next, so that an even version stays even."""
    return deltalake.Transaction(name, int(handle.transaction_version(name) or 0) + 2)
