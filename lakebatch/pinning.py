"""Pins an experiment's tables at one moment."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Sequence
from datetime import datetime

import polars as pl

from lakebatch import damage
from lakebatch.delta import Commit, TableVersion
from lakebatch.errors import ConfigError, DamageError, DamageWarning, StorageError, UnknownNameError
from lakebatch.moment import NEWEST, Moment
from lakebatch.snapshot import Snapshot
from lakebatch.tables import DATA, ExperimentTables
from lakebatch.tags import Tag
from lakebatch.times import describe


def pin(tables: ExperimentTables, moment: Moment) -> Snapshot:
    """Return an experiment's rows and statuses at a moment.

    Raises
    ------
    ConfigError
        If there is no such version, or nothing had been recorded by then.
    UnknownNameError
        If there is no such tag.
    """
    if moment.tag is not None:
        return _tagged(tables, tables.tag_log.get(moment.tag))
    if moment.version is not None:
        return _at_version(tables, moment.version)
    return _newest(tables) if moment.time is None else _as_of(tables, moment.time)


def knows(tables: ExperimentTables, moment: Moment) -> bool:
    """Whether the experiment had begun at a time, or has a tag."""
    if moment.tag is not None:
        return any(each.tag == moment.tag for each in tables.tag_log.all())
    if moment.time is not None:
        return not tables.log.known().filter(pl.col("at") <= moment.time).is_empty()
    return True


def _newest(tables: ExperimentTables) -> Snapshot:
    events = tables.log.known()
    results = tables.results.at()
    newest = _pinned(tables, NEWEST, events, results.number, results)
    if newest.missing_versions:
        what = f"Rows are missing: {newest.missing_versions}. Look closer with: lakebatch doctor"
        warnings.warn(what, DamageWarning, stacklevel=3)
    return newest


def _at_version(tables: ExperimentTables, version: int) -> Snapshot:
    events = tables.log.known()
    newest = tables.results.at()
    if not 0 <= version <= newest.number:
        raise ConfigError(
            f"There is no version {version}. Expected 0 to {newest.number}; see: lakebatch history"
        )
    # whoever started at this very version has written nothing into it yet
    begun = (pl.col("results_version") < version) | (pl.col("status") != "started")
    past = events.filter((pl.col("results_version") <= version) & begun)
    return _pinned(tables, Moment(version=version), past, version, newest)


def _as_of(tables: ExperimentTables, time: datetime) -> Snapshot:
    """Return the state at a time, by the times and versions that the events recorded."""
    events = tables.log.known()
    past = events.filter(pl.col("at") <= time)
    if past.is_empty():
        raise ConfigError(
            f"Nothing was recorded by {describe(time)}. The first event is of {_first(events)}."
        )
    version = past["results_version"].max()
    assert isinstance(version, int)
    return _pinned(tables, Moment(time=time), past, version, tables.results.at())


def _first(events: pl.DataFrame) -> str:
    first = events["at"].min()
    return describe(first) if isinstance(first, datetime) else "no time"


def _tagged(tables: ExperimentTables, tag: Tag) -> Snapshot:
    if tag.assemblies_version is None:
        pinned = _at_version(tables, tag.results_version) if tag.as_of is None else _as_of(tables, tag.as_of)
        return _pinned(tables, Moment(tag=tag.tag), pinned.events, pinned.version, tables.results.at())
    events = tables.log.events(tag.assemblies_version)
    return _pinned(tables, Moment(tag=tag.tag), events, tag.results_version, tables.results.at())


def _pinned(
    tables: ExperimentTables, moment: Moment, events: pl.DataFrame, version: int, newest: TableVersion
) -> Snapshot:
    def open_table(name: str) -> TableVersion | None:
        if name not in DATA:
            raise UnknownNameError(f"Unknown table {name!r}. Known: {', '.join(DATA)}.")
        table = tables.table(name)
        return table.at() if table.exists() else None

    def find_parts(ids: Collection[str]) -> set[tuple[str, str]]:
        if version == newest.number:
            try:
                return _pairs(newest, ids)
            except DamageError:
                if tables.results.version() == version:  # else its files may have been merged and removed
                    raise
        try:
            return _pairs(tables.results.at(version), ids)
        except (
            StorageError,
            pl.exceptions.ComputeError,
        ):  # vacuum has removed its files, the log still says it
            return _pairs_by_log(tables.results.commits(), version, ids)

    return Snapshot(
        tables.folder,
        moment,
        events,
        version,
        results=newest,
        open_table=open_table,
        find_parts=find_parts,
        leases=tables.log.leases(),
    )


def _pairs(table: TableVersion, ids: Collection[str]) -> set[tuple[str, str]]:
    """Return which parts of some assemblies a table has."""
    pairs = table.scan(ids).select("assembly_id", "part").unique()
    return set(damage.rows(table, pairs, ids).iter_rows())


def _pairs_by_log(commits: Sequence[Commit], version: int, ids: Collection[str]) -> set[tuple[str, str]]:
    """Return which parts of some assemblies had been committed up to a version, by what the commits say of themselves."""
    return {
        (commit.metadata["lakebatch.assembly_id"], commit.metadata["lakebatch.part"])
        for commit in commits
        if commit.version <= version
        and "lakebatch.part" in commit.metadata
        and commit.metadata["lakebatch.assembly_id"] in ids
    }
