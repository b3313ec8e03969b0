"""The checks of a lake and its experiments, in their order."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence

from lakebatch.artifacts import ARTIFACTS
from lakebatch.assembly.tables import FRAMES, PUBLISHED, ExperimentTables
from lakebatch.errors import DamageWarning, ForkError, LakebatchError
from lakebatch.maintenance.doctor import (
    assemblies,
    counts,
    files,
    foreign,
    origin,
    place,
    published,
    purges,
    values,
)
from lakebatch.maintenance.doctor.finding import Finding
from lakebatch.maintenance.doctor.origin import table_id
from lakebatch.maintenance.inspection.data_files import foreign_partitions
from lakebatch.maintenance.inspection.rows import Fingerprints
from lakebatch.maintenance.inspection.table import InspectedTable
from lakebatch.maintenance.inspection.tables import has_unreadable_log, inspected_tables, tagged_versions
from lakebatch.snapshot.moment import NEWEST
from lakebatch.snapshot.pin import pin
from lakebatch.snapshot.snapshot import Snapshot
from lakebatch.storage import Storage
from lakebatch.storage.delta import damage

Tables = Mapping[str, InspectedTable]


def examine(
    storage: Storage, experiments: Sequence[ExperimentTables], *, deep: bool = False, read_only: bool = False
) -> Iterator[Finding]:
    """Yield the findings of a lake and some of its experiments.

    Parameters
    ----------
    deep : bool
        Read every row of every file and compare it with the committed one.
    read_only : bool
        Do not try to write; otherwise one file is created under a name of its own and removed.
    """
    if not storage.folders():
        yield Finding("place", storage.uri, "note", "nothing is there", "Start with: lakebatch run")
        return
    yield Finding("place", storage.uri, "ok", f"{len(experiments)} experiments examined")
    writing = list(place.check_writing(storage, read_only=read_only))
    yield from writing
    yield from place.check_versions()
    tables: dict[str, Tables] = {}
    for stored in experiments:
        yield from _guarded("files", stored.folder, _list(stored, tables))
    ids = {folder: table_id(list(each.values())) for folder, each in tables.items()}
    yield from origin.check_copies({folder: each for folder, each in ids.items() if each is not None})
    # a place that is locked as a whole is one finding
    is_read_only = read_only or writing[0].severity != "ok"
    for stored in (each for each in experiments if each.folder in tables):
        rights = place.check_rights(storage, stored.folder, read_only=is_read_only)
        yield from _guarded("rights", stored.folder, rights)
        yield from _guarded("files", stored.folder, _experiment(stored, tables[stored.folder], deep))


def _list(stored: ExperimentTables, listed: dict[str, Tables]) -> Iterator[Finding]:
    """List the files of an experiment, which is left out if one of its folders cannot be listed."""
    listed[stored.folder] = inspected_tables(stored)
    yield from ()


def _experiment(stored: ExperimentTables, tables: Tables, deep: bool) -> Iterator[Finding]:
    if not _has_data(tables):
        advice = "Nothing is lost; start with: lakebatch run"
        yield Finding("place", stored.folder, "note", "nothing was started here", advice)
        return
    findings: list[Finding] = []
    pinned = None
    if any(has_unreadable_log(each) for each in tables.values()):  # an engine could read it without end
        what = "cannot be examined before the files of the logs can be read"
        findings.append(Finding("assemblies", stored.folder, "problem", what))
    else:
        pinned = _opened(stored, tables, findings)
    for table in tables.values():
        findings += _guarded("files", table.path, _files(stored, table))
    yield from findings
    yield from _orphans(tables, pinned, findings)
    if deep:
        yield from _deep(tables)
        if pinned is not None and ARTIFACTS in tables:
            contents = values.check_contents(stored)
            yield from _guarded("contents", tables[ARTIFACTS].path, contents)
        if pinned is not None:
            yield from _guarded("bundles", stored.folder, values.check_bundles(stored))
    if pinned is not None and not any(each.severity == "problem" for each in findings):
        checked = published.check_published(stored, pinned, deep=deep)
        yield from _guarded("published", f"{stored.folder}/{PUBLISHED}", checked)


def _opened(stored: ExperimentTables, tables: Tables, findings: list[Finding]) -> Snapshot | None:
    """Examine the tables as an engine opens them, and return the experiment as it is now."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DamageWarning)  # the checks of the files name the same damage
        for name in (name for name in tables if not name.startswith(f"{FRAMES}/")):
            findings += _guarded("table", f"{stored.folder}/{name}", _table(stored, name))
        pinned = _pinned(stored, findings)
        findings += _assemblies(stored, pinned) if pinned else []
        findings += _guarded("tags", f"{stored.folder}/tags", _tags(stored, tables))
        if "sources" in tables:
            findings += _guarded("sources", f"{stored.folder}/sources", _sources(stored, tables["sources"]))
    return pinned


def _tags(stored: ExperimentTables, tables: Tables) -> Iterator[Finding]:
    """Examine the tags, and remember the files of the tagged versions."""
    if "tags" not in tables:
        return
    yield from counts.check_keys(tables["tags"], damage.newest_rows(stored.table("tags")))
    for name, table in tables.items():
        table.keep(tagged_versions(stored, name))


def _sources(stored: ExperimentTables, table: InspectedTable) -> Iterator[Finding]:
    yield from counts.check_keys(table, damage.newest_rows(stored.table("sources")))


def _orphans(tables: Tables, pinned: Snapshot | None, findings: Iterable[Finding]) -> Iterator[Finding]:
    """Yield the orphans, which are judged by all earlier findings."""
    damaged = any(each.severity == "problem" for each in findings)
    running = pinned is not None and any(each.state == "running" for each in pinned.assemblies)
    known = {each for table in tables.values() for each in table.lineage.assembly_ids}
    known |= {each.assembly_id for each in pinned.assemblies} if pinned else set()
    damaged |= any(foreign_partitions(table, known) for table in tables.values())
    for table in tables.values():
        yield from files.check_orphans(table, running=running, damaged=damaged, known=known)


def _deep(tables: Tables) -> Iterator[Finding]:
    for table in tables.values():
        fingerprints = Fingerprints(table)
        yield from _guarded("values", table.path, values.check_values(table, fingerprints))
        yield from counts.check_values_together(table, fingerprints)


def _pinned(stored: ExperimentTables, findings: list[Finding]) -> Snapshot | None:
    """Return the experiment as it is now; None, with a finding, if it cannot be read."""
    try:
        return pin(stored, NEWEST)
    except LakebatchError as error:
        what = str(error)
        if any(each.severity == "problem" for each in findings):
            what = "cannot be examined before the tables can be read"
        findings.append(Finding("assemblies", stored.folder, "problem", what))
        return None


def _has_data(tables: Tables) -> bool:
    """Whether any table has data; a run that is killed while it creates its tables leaves only logs."""
    return any(path.endswith(".parquet") for table in tables.values() for path in table.files)


def _table(stored: ExperimentTables, name: str) -> Iterator[Finding]:
    """Whether this lakebatch can open the table, and append to it."""
    table = stored.table(name).at()
    table.check_readable()
    table.check_columns()
    yield Finding("table", f"{stored.folder}/{name}", "ok", "can be read by this lakebatch")


def _assemblies(stored: ExperimentTables, pinned: Snapshot) -> Iterator[Finding]:
    table = InspectedTable(stored.storage, stored.folder, "assemblies", ())
    yield from counts.check_keys(table, damage.newest_rows(stored.table("assemblies")))
    for check in (
        assemblies.check_unfinished,
        assemblies.check_versions,
        assemblies.check_gaps,
        assemblies.check_mixtures,
        assemblies.check_unrecorded,
        assemblies.check_clock,
        purges.check_purges,
    ):
        yield from _guarded(check.__name__.removeprefix("check_"), stored.folder, check(stored, pinned))


def _files(stored: ExperimentTables, table: InspectedTable) -> Iterator[Finding]:
    yield from files.check_log(table)
    yield from files.check_data_files(table)
    yield from counts.check_rows(table)
    yield from foreign.check_foreign(table)
    yield from origin.check_mixture(table)
    yield from files.check_leftovers(table)
    yield from assemblies.check_duplicates(stored, table)


def _guarded(check: str, subject: str, findings: Iterable[Finding]) -> Iterator[Finding]:
    """Yield findings; an error that ends a check is a finding itself, unless this process cannot examine anything."""
    try:
        yield from findings
    except ForkError:
        raise
    except LakebatchError as error:
        yield Finding(check, subject, "problem", str(error))
