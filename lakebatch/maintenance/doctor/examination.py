"""Which checks are made of what, and in which order."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence

from lakebatch.assembly.tables import ExperimentTables
from lakebatch.errors import DamageWarning, LakebatchError
from lakebatch.maintenance.doctor import assemblies, bundles, files, origin, place, rows, values
from lakebatch.maintenance.doctor.finding import Finding
from lakebatch.maintenance.doctor.origin import table_id
from lakebatch.maintenance.doctor.table import ExaminedTable
from lakebatch.maintenance.doctor.tables import examined_tables as _tables
from lakebatch.maintenance.doctor.tables import has_unreadable_log, tagged_versions
from lakebatch.snapshot.moment import NEWEST
from lakebatch.snapshot.pin import pin
from lakebatch.snapshot.snapshot import Snapshot
from lakebatch.storage import Storage
from lakebatch.storage.delta import damage
from lakebatch.storage.delta.schema import table_names


def examine(
    storage: Storage, experiments: Sequence[ExperimentTables], *, deep: bool = False, read_only: bool = False
) -> Iterator[Finding]:
    """Yield what is found of a lake and some of its experiments.

    Parameters
    ----------
    deep : bool
        Read every row of every file and hold it against what was committed.
    read_only : bool
        Do not try to write; otherwise one file is created under a name of its own and removed.
    """
    if not storage.folders():
        yield Finding("place", storage.uri, "note", "nothing is there", "Start with: lakebatch run")
        return
    yield Finding("place", storage.uri, "ok", f"{len(experiments)} experiments looked at")
    writing = list(place.check_writing(storage, read_only=read_only))
    yield from writing
    yield from place.check_versions()
    found = {stored.folder: _tables(stored) for stored in experiments}
    ids = {folder: table_id(list(tables.values())) for folder, tables in found.items()}
    yield from origin.check_copies({folder: each for folder, each in ids.items() if each is not None})
    # a place that is locked as a whole is one finding
    is_read_only = read_only or writing[0].severity != "ok"
    for stored in experiments:
        rights = place.check_rights(storage, stored.folder, read_only=is_read_only)
        yield from _guarded("rights", stored.folder, rights)
        yield from _guarded("files", stored.folder, _experiment(stored, found[stored.folder], deep))


def _experiment(stored: ExperimentTables, tables: dict[str, ExaminedTable], deep: bool) -> Iterator[Finding]:
    if not _has_begun(tables):
        advice = "Nothing is lost; go on with: lakebatch run"
        yield Finding("place", stored.folder, "note", "nothing was started here", advice)
        return
    found: list[Finding] = []
    pinned = None
    if any(has_unreadable_log(each) for each in tables.values()):  # which an engine could read without end
        what = "cannot be looked at before the files of the logs can be read"
        found.append(Finding("assemblies", stored.folder, "problem", what))
    else:
        pinned = _opened(stored, tables, found)
    for table in tables.values():
        found += _guarded("files", table.path, _files(stored, table))
    yield from found
    yield from _rest(stored, tables, pinned, found)
    if deep:
        yield from _deep(tables)
        if pinned is not None:
            yield from _guarded("bundles", stored.folder, bundles.check_bundles(stored))


def _opened(
    stored: ExperimentTables, tables: Mapping[str, ExaminedTable], found: list[Finding]
) -> Snapshot | None:
    """Look at the tables as an engine opens them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DamageWarning)  # the checks of the files name the same
        for name in table_names():
            if name in tables:
                found += _guarded("table", f"{stored.folder}/{name}", _table(stored, name))
        pinned = _pinned(stored, found)
        found += _assemblies(stored, pinned) if pinned else []
        found += _guarded("tags", f"{stored.folder}/tags", _tags(stored, tables))
    return pinned


def _tags(stored: ExperimentTables, tables: Mapping[str, ExaminedTable]) -> Iterator[Finding]:
    """Look at the tags, and remember which files the tagged versions need."""
    if "tags" not in tables:
        return
    yield from rows.check_keys(tables["tags"], damage.newest_rows(stored.table("tags")))
    for name, table in tables.items():
        table.keep(tagged_versions(stored, name))


def _rest(
    stored: ExperimentTables,
    tables: Mapping[str, ExaminedTable],
    pinned: Snapshot | None,
    found: Iterable[Finding],
) -> Iterator[Finding]:
    """Yield the orphans, which are judged by all that was found before."""
    damaged = any(each.severity == "problem" for each in found)
    running = pinned is not None and any(each.state == "started" for each in pinned.assemblies)
    known = {each for table in tables.values() for each in table.lineage.assembly_ids}
    known |= {each.assembly_id for each in pinned.assemblies} if pinned else set()
    damaged |= any(files.foreign_partitions(table, known) for table in tables.values())
    for table in tables.values():
        yield from files.check_orphans(table, running=running, damaged=damaged, known=known)


def _deep(tables: Mapping[str, ExaminedTable]) -> Iterator[Finding]:
    for table in tables.values():
        prints = values.Prints(table)
        yield from _guarded("values", table.path, values.check_values(table, prints))
        yield from rows.check_values_together(table, prints)


def _pinned(stored: ExperimentTables, found: list[Finding]) -> Snapshot | None:
    """Return the experiment as it is now; None, with a finding, if that cannot be read."""
    try:
        return pin(stored, NEWEST)
    except LakebatchError as error:
        what = str(error)
        if any(each.severity == "problem" for each in found):
            what = "cannot be looked at before the tables can be read"
        found.append(Finding("assemblies", stored.folder, "problem", what))
        return None


def _has_begun(tables: Mapping[str, ExaminedTable]) -> bool:
    """Whether any table holds data; a run that is killed while it creates its tables leaves only logs."""
    return any(path.endswith(".parquet") for table in tables.values() for path in table.files)


def _table(stored: ExperimentTables, name: str) -> Iterator[Finding]:
    """Whether the table can be opened by this lakebatch."""
    stored.table(name).at().check_readable()
    yield Finding("table", f"{stored.folder}/{name}", "ok", "can be read by this lakebatch")


def _assemblies(stored: ExperimentTables, pinned: Snapshot) -> Iterator[Finding]:
    yield from rows.check_keys(ExaminedTable(stored.storage, stored.folder, "assemblies", ()), pinned.events)
    for check in (
        assemblies.check_unfinished,
        assemblies.check_versions,
        assemblies.check_gaps,
        assemblies.check_mixtures,
        assemblies.check_unrecorded,
        assemblies.check_clock,
    ):
        yield from _guarded(check.__name__.removeprefix("check_"), stored.folder, check(stored, pinned))


def _files(stored: ExperimentTables, table: ExaminedTable) -> Iterator[Finding]:
    yield from files.check_log(table)
    yield from files.check_data_files(table)
    yield from rows.check_rows(table)
    yield from origin.check_mixture(table)
    yield from files.check_leftovers(table)
    yield from assemblies.check_duplicates(stored, table)


def _guarded(check: str, subject: str, findings: Iterable[Finding]) -> Iterator[Finding]:
    """Yield findings; what keeps a check from ending is one itself."""
    try:
        yield from findings
    except LakebatchError as error:
        yield Finding(check, subject, "problem", str(error))
