"""One Delta table: creation, exactly-once appends, and reads at any version."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from itertools import count
from typing import TYPE_CHECKING, TypeAlias

import deltalake
import polars as pl
from deltalake.exceptions import SchemaMismatchError

from lakebatch import _process as process
from lakebatch.errors import CommitError, SchemaError
from lakebatch.storage.delta import (
    checkpoints,
    commit_lock,
    constraints,
    diagnosis,
    durability,
    table_format,
)
from lakebatch.storage.delta.engine import (
    BROKEN_CONSTRAINT,
    COMMIT_RETRIES,
    ENGINE_ERRORS,
    HOT_PATH,
    Answer,
    Data,
    Handle,
    is_final,
    plain_table,
    preserve_interrupt,
    retry_commit,
    with_fingerprint,
    writer_properties,
)
from lakebatch.storage.delta.log import FOLDER
from lakebatch.storage.delta.reader import TableReader
from lakebatch.storage.delta.replica import OvertakenError
from lakebatch.storage.delta.version import TableVersion
from lakebatch.storage.delta.withholding import withheld
from lakebatch.storage.retry import COMMITS, is_transient

if TYPE_CHECKING:
    import pyarrow as pa

logger = logging.getLogger(__name__)

# The engine's words for a table that exists already; S3 may say so (409) although there is none in the end
TABLE_EXISTS = "Invalid table version: 0"


Write: TypeAlias = Callable[[Handle], None]
"""A call that commits to the table of a handle."""
WriteAfter: TypeAlias = Callable[[TableVersion, int], Write | None]
"""Returns the call that commits to a state of the table, None if no commit is needed; see `Table.commit_once`."""


class Table(TableReader):
    """A Delta table in a lake.

    The handle stays open between appends, because opening a table costs more with every commit.
    """

    def folders(self, assembly_id: str | None = None) -> list[str]:
        """Return the folders in the lake in which commits write, with the partition of an assembly if given."""
        is_apart = assembly_id is not None and "assembly_id" in self.schema.partition_by
        return [
            self.path,
            f"{self.path}/{FOLDER}",
            *([f"{self.path}/assembly_id={assembly_id}"] if is_apart else []),
        ]

    def ensure(self) -> None:
        """Create the table unless it exists; refuse one with other columns; bring an older one up to date.

        An older table gets the columns, constraints and properties that its schema version did not have.
        """
        is_new = not self.can_open()
        if is_new:
            self._create()
        handle = self._open()
        table_format.check_writable(handle, self.uri)
        table_format.check_columns(handle, self.schema)
        for action, find_change in table_format.CHANGES.items():
            if find_change(handle, self.schema):
                self.alter(action, find_change)
                handle = self._open()
        if is_new and self._folder is not None:
            durability.sync_created(self._folder)

    def create(self, properties: Mapping[str, str]) -> None:
        """Create the table with other properties than those of tables that are only appended to, unless it exists."""
        if not self.exists():
            self._create(properties)
            if self._folder is not None:
                durability.sync_created(self._folder)

    def append_once(
        self,
        transaction: str,
        data_after: Callable[[TableVersion, int], Data | None],
        metadata: Mapping[str, str],
    ) -> bool:
        """Append in one commit, exactly once whatever fails; see `commit_once`.

        ``data_after(state, last)`` returns the data to write, or None if ``state`` or a later state has it already.
        Secrets are withheld from a frame; a stream brings its own fingerprint and is without them already.
        """

        def write_after(state: TableVersion, last: int) -> Write | None:
            data = data_after(state, last)
            if data is None:
                return None
            data = withheld(data) if isinstance(data, pl.DataFrame) else data
            following = [deltalake.Transaction(transaction, last + 1)]

            def write(handle: Handle) -> None:
                try:
                    self._write(handle, data, metadata, following)
                except ENGINE_ERRORS as error:
                    if BROKEN_CONSTRAINT not in str(error) and not isinstance(error, SchemaMismatchError):
                        raise
                    raise self._refusal(error, handle, data_after(state, last)) from error

            return write

        return self.commit_once(transaction, write_after, may_be_behind=True)

    def commit_once(self, transaction: str, write_after: WriteAfter, *, may_be_behind: bool = False) -> bool:
        """Make one commit, exactly once whatever fails.

        Every attempt loads the newest state and calls ``write_after(state, last)``, where ``last`` is the version of
        the transaction in that state (0 before the first). It returns the call that commits, or None if ``state`` or
        a later state shows that no commit is needed. A commit that others make to the same transaction after the state
        was loaded makes the attempt fail, and the next attempt looks again.

        Parameters
        ----------
        may_be_behind : bool
            Whether the first attempt may start from the state of a moment ago, where a look for a newer one is a request.

        Returns
        -------
        bool
            True if this call made the commit, perhaps in an attempt that was reported as failed; False if none was needed.

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
        may_be_made = False
        first: int | None = None
        for attempt in count(1):
            with commit_lock.hold(self._folder or commit_lock.lock_file(self.uri)):
                handle = self._take_handle(may_be_behind=may_be_behind and attempt == 1)
                state = self._state(handle)
                first = state.number if first is None else first
                last = self._ask("read", lambda: state.last_versions([transaction]))[transaction]  # noqa: B023
                write = write_after(state, last)
                if write is not None:
                    self._check_attempt(attempt, failure)
                    failure = self._attempt(handle, write, attempt)
                    may_be_made |= failure is not None and not isinstance(failure, OvertakenError)
            if write is None or failure is None:
                self._handle = handle
                # the version of a commit that was reported as failed is unknown: sync all since the first look
                before = first if write is None else int(handle.version()) - 1
                self._sync(handle, before)
                self._note_origins(handle, before)
                return write is not None or may_be_made
            if not is_final(failure):
                COMMITS.pause(attempt)
        raise AssertionError("unreachable")

    def _check_attempt(self, attempt: int, failure: Exception | None) -> None:
        """Raise unless another attempt is allowed; the round after the last one only looks for its commit."""
        if failure is not None and is_final(failure):
            with self._translated("write"):
                raise failure
        if attempt > COMMITS.attempts:
            raise CommitError(
                f"Could not commit to {self.uri} in {COMMITS.attempts} attempts; the last one said: "
                f"{diagnosis.one_line(failure)}. Nothing was written; try again later."
            ) from failure

    def _attempt(self, handle: Handle, write: Write, attempt: int) -> Exception | None:
        """Commit once, and return the error, which does not tell whether the commit was made."""
        try:
            before = int(handle.version())
            with handle.committing():
                write(handle)
            checkpoints.write_if_due(handle, before)
        except ENGINE_ERRORS as error:
            logger.info("commit to %s, attempt %d: %s", self.uri, attempt, error)
            return error
        return None

    def _sync(self, handle: Handle, before: int) -> None:
        """Sync the commits after a version to a local disk."""
        if self._folder is not None:
            durability.sync(self._folder, range(before + 1, int(handle.version()) + 1))

    def _note_origins(self, handle: Handle, before: int) -> None:
        """Leave a note of the origins of all files at each version that gets a checkpoint."""
        if not self.schema.is_derived and checkpoints.is_due_between(before, int(handle.version())):
            self._origins.write_note(int(handle.version()))

    def _take_handle(self, *, may_be_behind: bool = False) -> Handle:
        """Return the handle for one attempt to commit; other calls open another meanwhile.

        If another call moved it on, the engine would not notice what others committed since it was loaded.

        Parameters
        ----------
        may_be_behind : bool
            Whether it need not be at the newest version if it was a moment ago.
        """
        process.check_may_write()
        is_fresh = may_be_behind and self._handle is not None and self._handle.is_fresh
        handle = self._open() if is_fresh else self._refresh()
        self._handle = None
        return handle

    def mark(self, metadata: Mapping[str, str], *, advance: Iterable[str] = ()) -> int:
        """Make a commit without rows, which gives the next event its own version, and return that version.

        A mark that is made twice after an error does no harm. The transactions in ``advance`` are moved on: every commit
        to them that was prepared before the mark is refused, and its writer looks again.
        """
        names = sorted(set(advance))

        def attempt(handle: Handle) -> None:
            self._write(handle, _nothing(handle), metadata, [_advanced(handle, name) for name in names])

        handle = self._commit_repeatedly("write", attempt)
        version = int(handle.version())
        self._sync(handle, version - 1)
        self._note_origins(handle, version - 1)
        return version

    def _commit_repeatedly(self, action: str, commit: Callable[[Handle], object]) -> Handle:
        """Make a commit that does no harm when it is made twice, and return the handle that made it."""

        def attempt() -> Handle:
            handle = self._take_handle()
            before = int(handle.version())
            with handle.committing():
                commit(handle)
            checkpoints.write_if_due(handle, before)
            self._handle = handle
            return handle

        with self._translated(action):
            return retry_commit(attempt)

    def ask(self, action: str, call: Callable[[Handle], Answer]) -> Answer:
        """Return the engine's answer to a question about the newest state and those before it.

        Raises
        ------
        StorageError
            If the call fails; ``action`` is its verb in the message, such as "compact".
        """
        process.check_fork()
        return self._ask(action, lambda: call(Handle(self.uri, storage_options=self._options)))

    def _create(self, properties: Mapping[str, str] | None = None) -> None:
        process.check_fork()
        process.check_may_write()
        self.storage.make_folder(self.path)

        def attempt() -> None:
            try:
                table_format.create_table(
                    self.uri, self.schema, self._options, properties or table_format.PROPERTIES
                )
            except ENGINE_ERRORS:
                # another process, or this one whose answer was lost, may have created it
                if not self.exists():
                    raise

        with self._translated("create"):
            COMMITS.call(
                attempt, ENGINE_ERRORS, lambda error: is_transient(error) or TABLE_EXISTS in str(error)
            )

    def alter(self, action: str, find_change: table_format.FindChange) -> None:
        """Change the properties or columns of the table unless another process has made the same or a contrary change."""

        def change_checked(handle: Handle) -> None:
            table_format.check_columns(handle, self.schema)
            if change := find_change(handle, self.schema):
                change(handle)

        self._commit_repeatedly(action, change_checked)

    def _write(
        self,
        handle: Handle,
        data: Data,
        metadata: Mapping[str, str],
        transactions: list[deltalake.Transaction],
    ) -> None:
        with preserve_interrupt():
            deltalake.write_deltalake(
                handle,
                plain_table(data, self.schema.required) if isinstance(data, pl.DataFrame) else data,
                mode="append",
                # columns that newer code has added since the table was opened are NULL in these rows
                schema_mode="merge"
                if self.schema.grows or len(handle.names) > len(self.schema.columns)
                else None,
                writer_properties=writer_properties(self.schema.of_type("binary")),
                commit_properties=deltalake.CommitProperties(
                    custom_metadata=with_fingerprint(metadata, data, self.schema),
                    max_commit_retries=COMMIT_RETRIES,
                    app_transactions=transactions,
                ),
                post_commithook_properties=HOT_PATH,
            )

    def _refusal(self, error: Exception, handle: Handle, data: Data | None) -> SchemaError:
        """Return the error that names the broken constraint, which the engine does not."""
        broken = None if data is None else constraints.broken(handle.metadata().configuration, data)
        which = broken or " ".join(str(error).split()).partition(" Preview of ")[0].rstrip(".")
        return SchemaError(
            f"{self.uri} refuses the rows, a constraint of {self.schema.source} fails: {which}."
        )


def _nothing(handle: Handle) -> pa.RecordBatchReader:
    """Return a stream of no rows with the columns that a table has, which may be fewer than those of newer code."""
    import pyarrow as pa

    return pa.RecordBatchReader.from_batches(pa.schema(handle.schema().to_arrow()), [])


def _advanced(handle: Handle, name: str) -> deltalake.Transaction:
    """Return the transaction two versions later, so that an even version stays even."""
    return deltalake.Transaction(name, int(handle.transaction_version(name) or 0) + 2)
