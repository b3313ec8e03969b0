"""Snapshots of an experiment at a moment."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import polars as pl

from lakebatch.assembly import purges
from lakebatch.assembly.events import Events
from lakebatch.assembly.purges import Purge
from lakebatch.assembly.tables import PUBLISHED, RESULTS, ExperimentTables
from lakebatch.assembly.tags import Tag
from lakebatch.errors import ConfigError, DamageWarning, StorageError, UnknownNameError, warn
from lakebatch.snapshot.attempts import Attempts
from lakebatch.snapshot.gaps import imported
from lakebatch.snapshot.moment import NEWEST, Moment
from lakebatch.snapshot.selection import Selection
from lakebatch.snapshot.snapshot import Snapshot
from lakebatch.snapshot.tables import PinnedTables
from lakebatch.snapshot.times import describe
from lakebatch.storage.delta import damage
from lakebatch.storage.delta.damage import MAX_NAMED, Fault
from lakebatch.storage.delta.reader import Commit
from lakebatch.storage.delta.version import TableVersion


def pin(tables: ExperimentTables, moment: Moment) -> Snapshot:
    """Return an experiment's rows and statuses at a moment.

    Raises
    ------
    ConfigError
        If the version does not exist, or nothing had been recorded by then.
    UnknownNameError
        If the tag does not exist.
    """
    if moment.tag is not None:
        return pin_tag(tables, _tag(tables, moment.tag))
    if moment.version is not None:
        return _at_version(tables, moment.version)
    return _newest(tables) if moment.time is None else _as_of(tables, moment.time)


def existed_at(tables: ExperimentTables, moment: Moment) -> bool:
    """Whether the experiment had begun at a time, or has a tag."""
    if moment.tag is not None:
        return _has_tag(tables, moment.tag)
    if moment.time is not None:
        return not tables.log.read().rows.filter(pl.col("at") <= moment.time).is_empty()
    return True


def _newest(tables: ExperimentTables) -> Snapshot:
    events = tables.log.read()
    results = tables.results.at()
    if not events.lost and _without_event(results, events):
        events = tables.log.read()  # an assembly can have begun since they were read
        events = events._replace(uncertain=events.uncertain | _without_event(results, events))
    newest = _pinned(tables, NEWEST, events, results.number, results, purges.find(events.rows))
    if newest.missing_versions:
        what = f"Rows are missing: {newest.missing_versions}. Look closer with: lakebatch doctor"
        warn(what, DamageWarning)
    return newest


def _at_version(tables: ExperimentTables, version: int, moment: Moment | None = None) -> Snapshot:
    """Return the state at a version of the results; ``moment`` is its name if that is a tag."""
    events = tables.log.read()
    newest = tables.results.at()
    if not 0 <= version <= newest.number:
        raise ConfigError(
            f"There is no version {version}. Expected 0 to {newest.number}; see: lakebatch history"
        )
    # an assembly that started at this version has not yet written into it
    begun = (pl.col("results_version") < version) | (pl.col("status") != "started")
    past = events.rows.filter((pl.col("results_version") <= version) & begun)
    known = events._replace(rows=past)
    purged = purges.find(events.rows)
    return _pinned(tables, moment or Moment(version=version), known, version, newest, purged)


def _as_of(tables: ExperimentTables, time: datetime, moment: Moment | None = None) -> Snapshot:
    """Return the state at a time, from the times and versions in the events."""
    events = tables.log.read()
    past = events.rows.filter(pl.col("at") <= time)
    if past.is_empty():
        raise not_begun(Moment(time=time), [events.rows])
    version = past["results_version"].max()
    assert isinstance(version, int)
    known = events._replace(rows=past)
    purged = purges.find(events.rows)
    return _pinned(tables, moment or Moment(time=time), known, version, tables.results.at(), purged, time)


def not_begun(moment: Moment, events: Sequence[pl.DataFrame]) -> ConfigError:
    """Return the error for a time before the first of some events."""
    begun = [each["at"].min() for each in events if each.height]
    first = min((at for at in begun if isinstance(at, datetime)), default=None)
    since = f"The first event is of {describe(first)}" if first else "There is no event yet"
    return ConfigError(f"Nothing was recorded by {moment}. {since}.")


def _tag(tables: ExperimentTables, name: str) -> Tag:
    """Return a tag; the error names the other experiment versions that have it."""
    try:
        return tables.tag_log.get(name)
    except UnknownNameError:
        having = [each for each in tables.other_versions if _has_tag(tables.sibling(each), name)]
        if having:
            raise UnknownNameError(
                f"{tables.reference} has no tag {name!r} in its newest experiment version, "
                f"{tables.experiment_version}. Experiment versions with it: {', '.join(having)}."
            ) from None
        raise


def _has_tag(tables: ExperimentTables, name: str) -> bool:
    return any(each.tag == name for each in tables.tag_log.all())


def pin_tag(tables: ExperimentTables, tag: Tag) -> Snapshot:
    """Return the state that a tag names, also one that is not recorded yet."""
    moment = Moment(tag=tag.tag)
    if tag.assemblies_version is not None:
        events = tables.log.read(tag.assemblies_version)
        purged = purges.find(tables.log.read().rows)
        return _pinned(tables, moment, events, tag.results_version, tables.results.at(), purged)
    if tag.as_of is not None:
        return _as_of(tables, tag.as_of, moment)
    return _at_version(tables, tag.results_version, moment)


def _pinned(
    tables: ExperimentTables,
    moment: Moment,
    events: Events,
    version: int,
    newest: TableVersion,
    purged: Mapping[str, Purge],
    time: datetime | None = None,
) -> Snapshot:
    """Return a snapshot; parts that were recorded by a time belong to it also when the next event came later."""

    def open_table(name: str) -> TableVersion | None:
        table = tables.table(name)
        if not table.exists() and tables.storage.files(f"{tables.folder}/{name}"):
            return tables.table(name).newest()  # it raises the error of a lost log
        if not table.exists():
            return None
        return _as_then(tables, table.at(), version) if name == RESULTS else table.at()

    def open_published() -> TableVersion | None:
        table = tables.table(PUBLISHED)
        return table.at() if table.exists() else None

    def find_purges() -> dict[str, Purge]:
        return purges.find(tables.log.read().rows)

    def find_parts(ids: Collection[str]) -> set[tuple[str, str]]:
        return parts_at_version(ids) | (_pairs(newest, ids, time) if time else set())

    def parts_at_version(ids: Collection[str]) -> set[tuple[str, str]]:
        try:
            return _pairs(newest if version == newest.number else tables.results.at(version), ids)
        except (StorageError, pl.exceptions.ComputeError):
            if tables.results.version() == version:
                raise
            # a vacuum after a compaction has removed the files of this version; its log still names the parts
            return _pairs_by_log(tables.results.commits(), version, ids)

    lost = [_named(fault, events, newest) for fault in events.lost]
    return Snapshot(
        tables.folder,
        Selection(moment),
        events.rows,
        version,
        tables=PinnedTables(
            tables.folder,
            open_table,
            {RESULTS: _as_then(tables, newest, version)},
            lost,
            find_names=tables.data_tables,
            at_version=tables.results.at,
            purges=purged,
            find_purges=find_purges,
            open_published=open_published,
            not_published=_not_published(events.rows),
        ),
        uncertain=events.uncertain,
        find_parts=find_parts,
        leases=tables.log.leases(),
        other_versions=tables.other_versions,
        attempts=Attempts(tables.results.commits, events.rows, version),
        sources=tables.source_log,
        sweep_log=tables.sweep_log,
        lake_uri=tables.storage.uri,
        find_folders=tables.lake_folders,
    )


def _not_published(events: pl.DataFrame) -> set[str]:
    """Return the tables that are missing in publications from which assemblies were imported."""
    return {table for each in imported(events) for table in each.not_published}


def _as_then(tables: ExperimentTables, newest: TableVersion, version: int) -> TableVersion:
    """Return the newest results with the own columns that they had at a version."""
    if version == newest.number or not newest.has_own_columns:
        return newest
    try:
        return newest.showing(tables.results.at(version))
    except StorageError:  # an entry of the log is lost: the columns of now have every row of then
        return newest


def _named(fault: Fault, events: Events, results: TableVersion) -> Fault:
    """Return the fault of a file of events, with the known assemblies that lost events."""
    known = events.uncertain | _without_event(results, events)
    of = ", ".join(sorted(known)[:MAX_NAMED]) or "assemblies that have no rows"
    more = f" and {len(known) - MAX_NAMED} more" if len(known) > MAX_NAMED else ""
    return replace(fault, what=f"{fault.what}, and with it events of {of}{more}")


def _without_event(results: TableVersion, events: Events) -> set[str]:
    """Return the assemblies that have rows and no event."""
    return results.rows_by_assembly.keys() - set(events.rows["assembly_id"])


def _pairs(table: TableVersion, ids: Collection[str], time: datetime | None = None) -> set[tuple[str, str]]:
    """Return the parts of some assemblies in a table; with a time, those whose rows had been recorded by then."""
    rows = table.scan(ids)
    if time is not None:
        rows = rows.filter(pl.col("recorded_at") <= time)
    pairs = rows.select("assembly_id", "part").unique()
    return set(damage.read_rows(table, pairs, ids).iter_rows())


def _pairs_by_log(commits: Sequence[Commit], version: int, ids: Collection[str]) -> set[tuple[str, str]]:
    """Return the parts of some assemblies up to a version, from the metadata of the commits."""
    return {
        (commit.metadata["lakebatch.assembly_id"], commit.metadata["lakebatch.part"])
        for commit in commits
        if commit.version <= version
        and "lakebatch.part" in commit.metadata
        and commit.metadata["lakebatch.assembly_id"] in ids
    }
