"""Updates of the published table: one commit brings it from whatever it holds to what should be there."""

from __future__ import annotations

import logging
from collections.abc import Callable

from lakebatch._version import __version__
from lakebatch.assembly.tables import PUBLISHED, RESULTS, ExperimentTables
from lakebatch.errors import LakebatchError, SchemaError
from lakebatch.maintenance.published import files
from lakebatch.maintenance.published.contents import Wanted
from lakebatch.maintenance.published.described import described
from lakebatch.maintenance.published.plan import Rewrite, plan
from lakebatch.snapshot.moment import NEWEST
from lakebatch.snapshot.pin import pin
from lakebatch.snapshot.published_layout import recorded_meanings
from lakebatch.snapshot.snapshot import Snapshot
from lakebatch.storage.delta import derived
from lakebatch.storage.delta.derived import Change, DerivedFile
from lakebatch.storage.delta.replacement import TRANSACTION
from lakebatch.storage.delta.table import Table, Write
from lakebatch.storage.delta.version import TableVersion

logger = logging.getLogger(__name__)

DIGEST = "lakebatch.digest"
"""Key in a commit's metadata: the hash of the assemblies and their row counts after it."""
Find = Callable[[], Wanted]
"""Returns what should be there; called after the state of the table was loaded, so that no later state is undone."""


def now(tables: ExperimentTables) -> Wanted:
    """Return what should be in the published table now."""
    events = tables.log.table.share_newest()
    tables.results.share_newest()
    return _checked(pin(tables, NEWEST), events.number)


def _checked(snapshot: Snapshot, events_version: int) -> Wanted:
    wanted = Wanted(snapshot, events_version)
    wanted.check_whole()
    return wanted


def commit(tables: ExperimentTables, find: Find, *, merge: bool = False, anew: bool = False) -> bool:
    """Bring the table to what ``find`` returns, in one commit; return whether one was needed.

    Of several processes that do so at once, one makes the commit, and the others find nothing left to do.

    Parameters
    ----------
    merge : bool
        Merge all small files.
    anew : bool
        Copy no row of the table, whose values are not those of the dataset.
    """
    table = tables.table(PUBLISHED)
    written: dict[tuple[object, ...], list[DerivedFile]] = {}

    def write_after(state: TableVersion, last: int) -> Write | None:
        check_ours(state)
        rewrite = plan(state, find(), merge=merge, anew=anew and not written)
        return None if rewrite is None else change_to(tables, state, rewrite, last, written)

    return table.commit_once(TRANSACTION, write_after)


def change_to(
    tables: ExperimentTables,
    state: TableVersion,
    rewrite: Rewrite,
    last: int,
    written: dict[tuple[object, ...], list[DerivedFile]] | None = None,
) -> Write:
    """Write the files of a plan, and return the call that commits them.

    Parameters
    ----------
    written : dict, optional
        The files of earlier attempts by their plans; an attempt that has the same plan commits them.
    """
    known = {} if written is None else written
    columns = rewrite.wanted.layout.schema().columns
    key = (rewrite.removed, tuple(rewrite.wanted.entries.items()), columns)
    if key not in known:
        rewrite, known[key] = _files(tables.table(PUBLISHED), state, rewrite)
    schema = None
    if rewrite.has_new_columns:
        schema = rewrite.wanted.layout.schema({**recorded_meanings(state), **described(tables)})
    change = Change(rewrite.removed, known[key], metadata(rewrite.wanted), schema)
    return lambda handle: derived.commit(handle, change, last)


def _files(table: Table, state: TableVersion, rewrite: Rewrite) -> tuple[Rewrite, list[DerivedFile]]:
    """Return a plan and its new files; if a file to be copied is damaged, all rows come from the results."""
    try:
        return rewrite, files.write(table, rewrite)
    except (OSError, ValueError) as error:  # those of pyarrow; lakebatch's own are about the results
        if isinstance(error, LakebatchError):
            raise
        logger.info("a file of %s is damaged, all are written anew: %s", table.uri, error)
    again = plan(state, rewrite.wanted, merge=False, anew=True)
    return (rewrite, []) if again is None else (again, files.write(table, again))


def metadata(wanted: Wanted) -> dict[str, str]:
    """Return the metadata of a commit: the state of the experiment that the table has after it."""
    return {
        "lakebatch.event": PUBLISHED,
        "lakebatch.results_version": str(wanted.snapshot.version),
        "lakebatch.assemblies_version": str(wanted.assemblies_version),
        DIGEST: wanted.digest,
        "lakebatch.code_version": __version__,
    }


def ensure(tables: ExperimentTables, wanted: Wanted) -> Table:
    """Return the published table, created with the wanted columns unless it exists."""
    table = tables.table(PUBLISHED)
    if not table.exists():
        schema = wanted.layout.schema(described(tables))
        Table(tables.storage, tables.folder, schema).create(derived.PROPERTIES)
    return table


def check_ours(state: TableVersion) -> None:
    """Raise `SchemaError` if another table has the name, such as one that an experiment declared."""
    if "experiment_version" not in state.columns() or state.is_partitioned:
        raise SchemaError(
            f"{state.uri} is not the published table of lakebatch: it has other columns or partitions. Move it away, then: "
            "lakebatch optimize"
        )


def has_results(tables: ExperimentTables) -> bool:
    """Whether the experiment has events and a table of results."""
    return tables.log.table.exists() and tables.table(RESULTS).exists()
