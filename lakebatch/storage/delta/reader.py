"""Reader of one Delta table: its newest state, its past states, its commits, and reads that a compaction interrupts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import deltalake
from deltalake.exceptions import TableNotFoundError

from lakebatch import _process as process
from lakebatch._files import path_exists
from lakebatch.errors import DamageError, LakebatchError, SchemaError, StorageError
from lakebatch.storage import Storage
from lakebatch.storage.delta import bundles, checkpoints, diagnosis
from lakebatch.storage.delta import log as deltalog
from lakebatch.storage.delta.engine import ENGINE_ERRORS, Answer, Handle, with_retries
from lakebatch.storage.delta.kept_rows import KeptRows
from lakebatch.storage.delta.log import FOLDER, entry_name
from lakebatch.storage.delta.origins import OriginReader
from lakebatch.storage.delta.replica import Replica, UnusualLogError
from lakebatch.storage.delta.schema import TableSchema
from lakebatch.storage.delta.table_cache import TableCache
from lakebatch.storage.delta.table_format import check_schema_version
from lakebatch.storage.delta.version import TableVersion
from lakebatch.storage.place import Validator

Result = TypeVar("Result")
Errors = type[BaseException] | tuple[type[BaseException], ...]

MAX_RENEWALS = 10
"""How often a read starts again before it gives up."""


@dataclass(frozen=True)
class Commit:
    """One commit in a table's log: its version and metadata."""

    version: int
    operation: str
    metadata: Mapping[str, Any]


class TableReader:
    """Reader of a Delta table in a lake.

    Parameters
    ----------
    cache : TableCache, optional
        Cache of the newest states; the tables of one lake may share it.
    """

    def __init__(
        self, storage: Storage, folder: str, schema: TableSchema, cache: TableCache | None = None
    ) -> None:
        self.schema = schema
        self.storage = storage
        self.path = f"{folder}/{schema.table}"
        self.uri = storage.join(self.path)
        self._folder = Path(self.uri) if storage.is_local else None
        self._options = dict(storage.options)
        self._cache = cache or TableCache()
        self._handle: Handle | None = None
        self._opened_at = 0
        self._is_known = False
        self._origins = OriginReader(storage, self.path, self._cache.log_files)
        # a derived table is made again with every file in it that is not its own
        self._find_origins = None if schema.is_derived else self._origins.upto

    def __repr__(self) -> str:
        return f"Table({self.uri!r})"

    @property
    def bundle_folder(self) -> str:
        """The folder in the lake for the bundles of this table, see `lakebatch.storage.delta.bundles`."""
        folder, _, name = self.path.rpartition("/")
        return f"{folder}/{bundles.FOLDER}/{name}"

    @property
    def kept_rows(self) -> KeptRows:
        """The rows that this process has read from the table on S3."""
        return self._cache.kept_rows[self.path]

    def exists(self) -> bool:
        """Whether the table has been created."""
        if self._handle is not None:
            return True
        if self._folder is not None:
            return deltalog.exists(self._folder)
        if self._cache.get(self.path) is not None:
            return True
        is_table = deltalake.DeltaTable.is_deltatable
        return self._ask("open", lambda: bool(is_table(self.uri, self._options)))

    def can_open(self) -> bool:
        """Whether the table exists; on S3 one request tells that and opens it."""
        if self._folder is not None or self._handle is not None:
            return self.exists()
        process.check_fork()
        with self._translated("open", ValueError):
            try:
                handle = with_retries(self._handle_at)
            except TableNotFoundError:
                return False
        self._adopt(handle)
        return True

    def version(self) -> int:
        """Return the newest version of the table."""
        return int(self._refresh().version())

    def opened(self) -> TableVersion:
        """Return the newest state that this process has seen, for an immediate read; opens the table unless it is open."""
        return self._state(self._open())

    @property
    def known_version(self) -> int | None:
        """The newest version that this process has seen, without a look for a newer one."""
        return None if self._handle is None else int(self._handle.version())

    def commits(self, state: TableVersion | None = None) -> list[Commit]:
        """Return the commits up to a state, the newest by default; oldest first."""
        history = self._refresh().history if state is None else state.history
        entries = reversed(self._ask("read", history))
        return [Commit(int(entry["version"]), str(entry["operation"]), entry) for entry in entries]

    def at(self, version: int | None = None) -> TableVersion:
        """Return the state of the table at a version, the newest by default.

        The state never changes. The newest one is returned again until something is committed.
        """
        process.check_fork()
        state = self._newest_cached() if version is None else self._open_state(version)[0]
        self.warn_of_foreign(state)
        return state

    def warn_of_foreign(self, state: TableVersion) -> None:
        """Warn of the rows in a state that other programs brought, and of those that they took out."""
        if not state.origins.is_clean:
            self._origins.warn(state.origins, set(state.all_files["path"]), state.number)

    def _newest_cached(self) -> TableVersion:
        cached = self._cache.get(self.path)
        if cached is not None and self._validator(cached[0].number) == cached[1]:
            return cached[0]
        state, is_whole = self._open_state(None)
        self._keep(state, is_whole)
        return state

    def _keep(self, state: TableVersion, is_whole: bool) -> None:
        """Keep the newest state in the cache, if its log is whole."""
        # without a validator, a later version was committed meanwhile or the log cannot be reached
        if is_whole and (validator := state.validator or self._validator(state.number)) is not None:
            self._cache.put(self.path, state, validator)

    def share_newest(self) -> TableVersion:
        """Return the newest state, and hand it over to `at`, which then need not open the table again.

        The next commit of this process opens the table.
        """
        if self._handle is None:
            return self.at()
        state = self._state(self._refresh())
        self._handle = None  # a later commit would change the state
        self._keep(state, diagnosis.warn_of_lost_commits(self.storage, self.path, in_the_past=False))
        return state

    def newest(self) -> TableVersion:
        """Return the newest state for an immediate read: the next call of this table changes it.

        Only the commits since the last call are read, so this is quicker than `at`.
        """
        state = self._state(self._refresh())
        self.warn_of_lost_commits()
        self.warn_of_foreign(state)
        return state

    def warn_of_lost_commits(self) -> None:
        """Warn of each empty log entry since the last checkpoint."""
        diagnosis.warn_of_lost_commits(self.storage, self.path, in_the_past=False)

    def _validator(self, version: int) -> Validator | None:
        """Return the validator of the newest version: it changes with any change of the log; None for an older version."""
        log = f"{self.path}/{FOLDER}"
        return self.storage.validator(log, entry_name(version), unless=entry_name(version + 1))

    def _open_state(self, version: int | None) -> tuple[TableVersion, bool]:
        """Return the state at a version, and whether its log is whole."""
        action = "read" if version is None else f"read version {version} of"
        handle = self._ask(action, lambda: self._handle_at(version))
        self._check_known(handle)
        state = self._state(handle)
        return state, diagnosis.warn_of_lost_commits(self.storage, self.path, in_the_past=version is not None)

    def _state(self, handle: Handle) -> TableVersion:
        self._refuse_foreign(handle)
        return TableVersion(handle, self.schema, self.storage, self.bundle_folder, self._find_origins)

    def _handle_at(self, version: int | None = None) -> Handle:
        if self._folder is None and version is None:
            with suppress(UnusualLogError):
                return Replica(self.storage, self.path, self._cache.log_files)
        return Handle(self.uri, version=version, storage_options=self._options)

    def _open(self) -> Handle:
        process.check_fork()
        return self._handle or self._adopt(self._ask("open", self._handle_at))

    def _adopt(self, handle: Handle) -> Handle:
        """Keep a handle for appends."""
        self._check_known(handle)
        self._handle, self._is_known, self._opened_at = handle, True, int(handle.version())
        return handle

    def _refresh(self) -> Handle:
        """Return the handle kept for appends, brought up to date."""
        if self._handle is None:
            return self._open()
        handle = self._handle
        is_behind = self._has_next(int(handle.version()))
        if self._folder is None:
            self._ask("read", handle.catch_up)
        if is_behind or checkpoints.is_due_between(self._opened_at, int(handle.version())):
            # a new handle reads from the last checkpoint on, and not all commits once more
            self._handle = None
        return self._open()

    def _has_next(self, version: int) -> bool:
        """Whether a local disk has a later version; false on S3, where the engine looks itself."""
        return self._folder is not None and path_exists(Path(self._folder, FOLDER, entry_name(version + 1)))

    def _ask(self, action: str, call: Callable[[], Answer]) -> Answer:
        """Return the engine's answer; an error is one line that names the table or its damaged file."""
        with self._translated(action, ValueError):  # for a log with actions of another form
            return with_retries(call)

    @contextmanager
    def _translated(self, action: str, *others: type[Exception]) -> Iterator[None]:
        """Raise an engine's error as one line that says what could not be done to the table."""
        errors: tuple[type[Exception], ...] = (*ENGINE_ERRORS, *others)
        try:
            yield
        except LakebatchError:
            raise
        except errors as error:
            raise diagnosis.storage_error(self.storage, self.path, action, error) from error

    def _refuse_foreign(self, handle: Handle) -> None:
        """Refuse to read a table that lacks a required column."""
        names = set(handle.names)
        absent = [
            column.name for column in self.schema.columns if not column.nullable and column.name not in names
        ]
        if absent:
            raise SchemaError(
                f"{self.uri} is not a table of lakebatch: it lacks {', '.join(map(repr, absent))}. "
                "Move it away, or use another --lake."
            )

    def _check_known(self, handle: Handle) -> None:
        """Refuse a newer table when it is first opened; a table that is open continues with its columns."""
        if not self._is_known:
            check_schema_version(self.uri, handle.metadata().configuration, self.schema)


def retry_on_compaction(
    attempt: Callable[[], Result], renew: Callable[[], bool], errors: Errors = DamageError
) -> Result:
    """Return the result of a read; read again when a compaction has replaced the files of the state that is read.

    A table or a snapshot reads the files of the state that it opened. A compaction, followed by a vacuum, removes
    them; the newest state has the same rows in other files.

    Parameters
    ----------
    attempt : callable
        Reads the state that is open.
    renew : callable
        Opens the newest state after a failed attempt, and returns whether it differs from the one that was read.
        If it does not, no compaction is to blame, and the error of the attempt is raised.
    errors : exception type or tuple of them
        What ``attempt`` raises when a file is missing.

    Raises
    ------
    StorageError
        If the files are replaced faster than they can be read.
    """
    for _ in range(MAX_RENEWALS):
        try:
            return attempt()
        except errors as error:
            if not renew():
                raise
            last = error
    raise StorageError("The files of the lake are merged faster than they can be read. Try again.") from last


def read_latest(
    table: TableReader, read: Callable[[TableVersion], Result], first: TableVersion | None = None
) -> Result:
    """Return what ``read`` returns for the latest state of a table; see `retry_on_compaction`.

    Parameters
    ----------
    first : TableVersion, optional
        The state to read first, such as the one that a commit starts from.
    """
    state = table.newest() if first is None else first
    if first is not None:
        table.warn_of_lost_commits()

    def renew() -> bool:
        nonlocal state
        before, state = state.number, table.at()
        return state.number != before

    return retry_on_compaction(lambda: read(state), renew)
