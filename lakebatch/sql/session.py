"""DuckDB connections over the views of a snapshot, and queries restricted to these views."""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import polars as pl

from lakebatch import _process as process
from lakebatch.assembly.metrics import Roles
from lakebatch.errors import ConfigError
from lakebatch.ids import RESERVED, ExperimentName, check_name
from lakebatch.snapshot import mixture
from lakebatch.snapshot.snapshots import Snapshots
from lakebatch.sql import meanings, pivot, placeholders
from lakebatch.sql import named as named_queries
from lakebatch.sql.answers import to_frame
from lakebatch.sql.catalog import list_literal, quote_identifier, string_literal
from lakebatch.sql.options import QueryOptions
from lakebatch.sql.query_errors import may_be_damage, query_error
from lakebatch.sql.read_only import check_reading
from lakebatch.sql.supervision import Supervisor, interruptible
from lakebatch.sql.views import MAIN, View, Views, read_through
from lakebatch.storage.delta import damage, omissions
from lakebatch.storage.delta.reader import retry_on_compaction
from lakebatch.storage.retry import READS, is_transient

Result = TypeVar("Result")
Chosen = TypeVar("Chosen", bound=Snapshots)
DEFAULT = QueryOptions()
SHOW_TABLES = re.compile(r"\s*SHOW\s+TABLES\s*;?\s*", re.IGNORECASE)
VIEW_NAMES = f"""
    SELECT CASE table_catalog WHEN '{MAIN}' THEN '' ELSE table_catalog || '.' END || table_schema || '.' || table_name
    AS name FROM information_schema.tables WHERE table_schema <> 'main' ORDER BY table_catalog <> '{MAIN}', name
"""
"""The answer to SHOW TABLES: DuckDB's own has no view that is in a schema."""


def connect(snapshot: Snapshots, options: QueryOptions = DEFAULT) -> duckdb.DuckDBPyConnection:
    """Return an in-memory DuckDB connection in which every table of some experiments is a view.

    Per experiment there is a schema, such as ``response_noise``, with its newest experiment version, and one per
    experiment version, such as ``response_noise_v1``. The views are ``results``, ``samples`` and ``trajectories``
    (rows of completed assemblies), ``assemblies`` and ``configs`` (one row per assembly), ``events`` and ``gaps``;
    ``lake.results``, ``lake.assemblies``, ``lake.configs`` and ``lake.gaps`` hold those of all experiment versions,
    with the columns ``experiment``, ``version`` (as ``v1``) and ``config_hash``. Gaps are reported as ``on_gap`` says.

    Raises
    ------
    DamageError
        If anything is damaged, unless ``on_gap`` is "ignore", which leaves it out.
    """
    on_gap = options.on_gap
    snapshot.report_gaps(on_gap)
    with ExitStack() as opened, interruptible():
        connection = opened.enter_context(duckdb.connect())
        views = _open(connection, _catalogs(snapshot, options.also))
        found = list(dict.fromkeys(fault for each in views.by_path.values() for fault in each.faults))
        if found and on_gap != "ignore":
            raise omissions.refusal(found)
        omissions.warn_of_faults(found)
        mixed = [text for each in snapshot.values() for text in each.mixed()]
        mixture.report(mixed, snapshot.selection.on_mix)
        views.describe()
        opened.pop_all()
    return connection


def query(
    snapshot: Snapshots,
    text: str,
    parameters: Mapping[str, Any] | None = None,
    options: QueryOptions = DEFAULT,
) -> pl.DataFrame:
    """Return the result of one SQL query over the views of some experiments.

    The query can only read the views: no file, network, extension, setting or write.
    Parameters are bound as ``$name`` in the text.

    Raises
    ------
    QueryError
        If the text is not one reading statement, or DuckDB cannot run it.
    LimitError
        If it exceeds its time or memory.
    DamageError
        If a view that it reads is damaged, unless ``on_gap`` is "ignore", which leaves the damaged assemblies out.
    """
    with Session(snapshot, options) as session:
        return session.answer(text, parameters)


def choose(snapshots: Chosen, name: str, parameters: Mapping[str, Any]) -> tuple[Chosen, str, dict[str, Any]]:
    """Return the snapshots for a named query, its SQL, and its parameters with defaults.

    The snapshots hold one experiment version of the requested experiment: the newest of NAME, or that of NAME@v1.

    Raises
    ------
    UnknownNameError
        If the query or the experiment does not exist.
    ConfigError
        If a parameter is unknown or missing.
    IncompleteError
        If the query needs a baseline and the experiment declares none.
    """
    query = named_queries.get(name)
    values = named_queries.fill(query, parameters)
    if values.get("experiment") is None:
        if placeholders.is_needed(query.text):
            raise ConfigError(
                f"Query {name!r} has placeholders such as {{{{metric}}}}: it needs experiment=NAME "
                "(--param experiment=NAME)."
            )
        return snapshots, query.text, values
    asked = str(values["experiment"])
    chosen, others = snapshots.versions_of(asked)
    wanted = ExperimentName.parse(asked)
    left_out = [snapshots.qualified(each) for each in others if wanted.version is None]
    mixture.report_versions(snapshots.qualified(chosen), left_out, snapshots.selection.on_mix)
    values["experiment"] = wanted.name
    text = query.text
    if placeholders.is_needed(text):
        roles = snapshots[chosen].roles if chosen in snapshots else Roles()
        text, values = placeholders.fill(name, text, roles, values)
    return snapshots.only(chosen) if query.is_built_in else snapshots.without(others), text, values


class Session:
    """Several queries, one after the other, over one snapshot."""

    def __init__(self, snapshot: Snapshots, options: QueryOptions = DEFAULT) -> None:
        self.snapshot = snapshot
        self._options = options
        self._limits = options.limits
        self._catalogs = _catalogs(snapshot, options.also)
        self._opened = ExitStack()
        snapshot.report_gaps(options.on_gap)
        self._open()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection, and remove its temporary folder."""
        self._opened.close()

    def answer(self, text: str, parameters: Mapping[str, Any] | None = None) -> pl.DataFrame:
        """Return the result of one query, see `query`."""
        deadline = time.monotonic() + self._limits.seconds
        used: list[View] = []

        def read() -> pl.DataFrame:
            nonlocal used
            complete = self._complete(text, parameters or {}, deadline)
            used = self._views_read(complete, deadline)
            return self._frame(complete, parameters or {}, deadline)

        try:
            frame = retry_on_compaction(
                lambda: READS.call(read, (duckdb.Error,), is_transient),
                lambda: self._reopen(used),
                duckdb.Error,
            )
        except duckdb.Error as error:
            raise query_error(error) from error
        self._report(used)
        return frame

    def _complete(self, text: str, parameters: Mapping[str, Any], deadline: float) -> str:
        """Return SQL in which each PIVOT names its values, and the query for SHOW TABLES.

        The queries for the values are restricted like any other.
        """

        def values(asked: str) -> list[str]:
            self._views_read(asked, deadline)
            given = {name: value for name, value in parameters.items() if f"${name}" in asked}
            return self._frame(asked, given, deadline).to_series().to_list()

        if SHOW_TABLES.fullmatch(text):
            return VIEW_NAMES
        asked = meanings.DESCRIBE.fullmatch(text)
        if asked and (path := self._views.path(asked[1])):
            return meanings.described(path)
        return pivot.with_values(text, values) if pivot.is_in(text) else text

    def _frame(self, text: str, parameters: Mapping[str, Any], deadline: float) -> pl.DataFrame:
        """Return the result of a query that has been checked."""
        try:
            return self._run(lambda: to_frame(self._connection, text, parameters), deadline)
        except duckdb.Error as error:
            if may_be_damage(error):
                raise
            raise query_error(error) from error

    def query(self, name: str, parameters: Mapping[str, Any]) -> pl.DataFrame:
        """Return the result of a named query, see `choose`."""
        chosen, text, values = choose(self.snapshot, name, parameters)
        if chosen is self.snapshot:
            return self.answer(text, values)
        return query(chosen, text, values, self._options)

    def _open(self) -> None:
        """Open a connection that can only read the views."""
        self._opened.close()
        with ExitStack() as opened, interruptible():
            scratch = opened.enter_context(
                tempfile.TemporaryDirectory(prefix="lakebatch-", ignore_cleanup_errors=True)
            )
            connection = opened.enter_context(duckdb.connect())
            memory = self._limits.apply(connection)
            self._views = _open(connection, self._catalogs)
            _lock(connection, self._views.files, scratch)
            self._connection, self._opened = connection, opened.pop_all()
        self._supervisor = Supervisor(connection, self._opened, Path(scratch), self._limits, memory)
        self._is_usable = True

    def _views_read(self, text: str, deadline: float) -> list[View]:
        """Return the views that a query reads; refuse a query that does more, and damaged views."""
        if not self._is_usable or self._supervisor.is_abandoned():
            self._open()
        if meanings.ASKED.search(text):
            self._supervisor.run(self._views.describe, deadline)
        try:
            paths = self._run(lambda: check_reading(self._connection, text, self._views.names), deadline)
        except duckdb.Error as error:
            raise query_error(error) from error
        used = self._views.read(paths)
        found = _faults(used)
        if found and self._options.on_gap != "ignore":
            raise omissions.refusal(found)
        return used

    def _report(self, used: Sequence[View]) -> None:
        """Warn of assemblies that a query left out, and of mixtures."""
        omissions.warn_of_faults(_faults(used))
        read = dict.fromkeys(snapshot for view in used for snapshot, _ in view.reads)
        mixed = [text for view in used for text in view.mixed]
        mixed += [text for each in read for text in each.mixed()]
        mixture.report(mixed, self.snapshot.selection.on_mix)

    def _run(self, work: Callable[[], Result], deadline: float) -> Result:
        """Return the result of work in a read-only transaction."""

        def reading() -> Result:
            self._connection.execute("BEGIN TRANSACTION READ ONLY")
            try:
                return work()
            finally:
                with suppress(duckdb.Error):
                    self._connection.execute("ROLLBACK")

        try:
            return self._supervisor.run(reading, deadline)
        except (duckdb.FatalException, duckdb.InternalException):
            self._is_usable = False
            raise

    def _reopen(self, used: Sequence[View]) -> bool:
        """Open the views again after a compaction, or if one of their files is found to be damaged."""
        renewed = True in [each.renew() for each in self._catalogs.values()]
        if self._options.on_gap != "ignore":
            for snapshot in (each for catalog in self._catalogs.values() for each in catalog.values()):
                snapshot.tables.check_not_purged(snapshot.ids())
        if not renewed and True not in [
            snapshot.tables.read_files(name, snapshot.ids(), read_through)
            for view in used
            for snapshot, name in view.reads
        ]:
            return False
        self._open()
        return True


def _faults(used: Sequence[View]) -> list[damage.Fault]:
    return list(dict.fromkeys(fault for view in used for fault in view.faults))


ALSO = 'Expected snapshots of a lake by name, e.g. {"before": lake.snapshot(version=5)}.'


def _catalogs(snapshot: Snapshots, also: Mapping[str, Snapshots] | None) -> dict[str, Snapshots]:
    """Return the snapshots by the catalogs of their views."""
    schemas = {schema for names in snapshot.schemas().values() for schema in names}
    if also is not None and not isinstance(also, Mapping):
        raise ConfigError(f"also is {also!r}. {ALSO}")
    for name, other in (also or {}).items():
        if not isinstance(other, Snapshots):
            raise ConfigError(f"The snapshot {name!r} in also is {other!r}. {ALSO}")
        check_name(name, "name of a snapshot")
        if name in RESERVED or name.replace("-", "_") in schemas:
            raise ConfigError(
                f"A snapshot cannot be called {name!r}, since that name has another meaning in SQL. "
                "Choose another, e.g. also={'before': ...} (--also before=paper-v1)."
            )
    return {MAIN: snapshot, **(also or {})}


def _open(connection: duckdb.DuckDBPyConnection, catalogs: Mapping[str, Snapshots]) -> Views:
    """Create the views of snapshots in a connection, one catalog per snapshot."""
    process.check_fork()
    views = Views(connection)
    try:
        connection.execute("SET TimeZone = 'UTC'")
        for name, snapshot in catalogs.items():
            if name != MAIN:
                connection.execute(f"ATTACH ':memory:' AS {quote_identifier(name)}")
            views.add(name, snapshot)
    except duckdb.Error as error:
        raise query_error(error) from error
    return views


def _lock(connection: duckdb.DuckDBPyConnection, files: Sequence[str], scratch: str) -> None:
    """Restrict the connection to the views, their files and a temporary folder."""
    connection.execute(f"SET temp_directory = {string_literal(scratch)}")
    connection.execute(f"SET allowed_paths = {list_literal(files)}")
    connection.execute("SET python_enable_replacements = false")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
