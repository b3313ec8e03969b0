"""A consistent view of an experiment's rows and statuses: now, at a version, or at a time."""

from __future__ import annotations

import warnings
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from datetime import time as time_of_day
from functools import cached_property
from typing import Literal, TypeAlias

import polars as pl

from lakebatch import assembly, damage
from lakebatch.assembly import Assembly, Status
from lakebatch.delta import Table, TableVersion
from lakebatch.errors import ConfigError, DamageError, DamageWarning, IncompleteError
from lakebatch.parts import committed_parts

OnGap: TypeAlias = Literal["warn", "refuse", "ignore"]
MOST_GAPS = 10
END_OF_DAY = time_of_day(23, 59, 59, 999_999)
COMPLETED: tuple[Status, ...] = ("completed",)


@dataclass(frozen=True)
class Gap:
    """Something that a dataset lacks, and why."""

    assembly_id: str
    what: str

    def __str__(self) -> str:
        return f"{self.assembly_id}: {self.what}"


class IncompleteWarning(UserWarning):
    """A dataset with a gap; the message names it."""


class Snapshot:
    """One experiment's tables, pinned at one moment.

    Statuses are read before rows, and ``completed`` is recorded after the last row: so a snapshot that
    knows an assembly as completed holds all of its rows.
    """

    def __init__(self, events: pl.DataFrame, results: TableVersion, *, is_past: bool = False) -> None:
        self.events = events
        self.results = results
        self.is_past = is_past

    @property
    def version(self) -> int:
        """The version of the results table."""
        return self.results.number

    @cached_property
    def assemblies(self) -> list[Assembly]:
        """Each assembly as it stood, in the order of their running numbers."""
        return assembly.latest(self.events)

    @property
    def missing_versions(self) -> str | None:
        """What to say if the results lack versions that events saw, as after the loss of the newest log entries."""
        seen = self.events["results_version"].max() if self.events.height else 0
        if not isinstance(seen, int) or seen <= self.results.number:
            return None
        return f"an event saw version {seen} of {self.results.uri}, whose newest is {self.results.number}"

    def state(self, each: Assembly) -> str:
        """Return an assembly's state; in the past, its status, since whether it was still worked on is not known."""
        return each.status if self.is_past else each.state

    def ids(self, include: Collection[Status] = COMPLETED) -> list[str]:
        """Return the ids of the assemblies with one of these statuses."""
        return [each.assembly_id for each in self.assemblies if each.status in include]

    def scan(self, include: Collection[Status] = COMPLETED) -> pl.LazyFrame:
        """Return the rows of the assemblies with one of these statuses, lazily.

        Raises
        ------
        DamageError
            If a file of one of them is missing or cut off.
        """
        ids = self.ids(include)
        damage.check(self.results, ids)
        return self.results.scan().filter(pl.col("assembly_id").is_in(ids))

    def parts_done(self, assembly_id: str) -> list[str]:
        """Return the planned parts of an assembly that have rows, in the order of the plan."""
        done = committed_parts(self.results, assembly_id)
        planned = next(each.parts for each in self.assemblies if each.assembly_id == assembly_id)
        return [part for part in planned if part in done]

    def gaps(self, include: Collection[Status] = COMPLETED) -> list[Gap]:
        """Return what the dataset of these assemblies lacks: whole assemblies, planned parts, baselines."""
        rows = self.results.rows_by_assembly()
        return [
            Gap(each.assembly_id, what)
            for each in self.assemblies
            for what in self._lacks(each, rows.get(each.assembly_id, 0), each.status in include)
        ]

    def _lacks(self, each: Assembly, rows: int, included: bool) -> list[str]:
        if each.status == "discarded" and not included:
            return []
        if each.status == "completed" and rows == each.rows:
            return list(each.known_gaps)
        try:
            done = self.parts_done(each.assembly_id)
        except DamageError as error:
            if included:
                raise
            return [f"left out, {self.state(each)}, its parts cannot be counted: {error}"]
        if not included:
            why = f": {each.error}" if each.error else ""
            return [f"left out, {self.state(each)} with {len(done)} of {each.parts_planned} parts done{why}"]
        missing = [f"{self.state(each)}, no rows of part {part}" for part in each.parts if part not in done]
        return [*missing, *_count_fault(each, rows), *each.known_gaps]


def latest(log: assembly.AssemblyLog, results: Table) -> Snapshot:
    """Return the newest snapshot."""
    events = log.events()
    newest = Snapshot(events, results.at())
    if newest.missing_versions:
        warnings.warn(
            f"Rows are missing: {newest.missing_versions}. Look closer with: lakebatch doctor",
            DamageWarning,
            stacklevel=3,
        )
    return newest


def at_version(log: assembly.AssemblyLog, results: Table, version: int) -> Snapshot:
    """Return the snapshot at a version of the results table.

    Raises
    ------
    ConfigError
        If there is no such version.
    """
    events = log.events()
    newest = results.version()
    if not 0 <= version <= newest:
        raise ConfigError(f"There is no version {version}. Expected 0 to {newest}; see: lakebatch history")
    # whoever started at this very version has written nothing into it yet
    begun = (pl.col("results_version") < version) | (pl.col("status") != "started")
    return Snapshot(
        events.filter((pl.col("results_version") <= version) & begun), results.at(version), is_past=True
    )


def as_of(log: assembly.AssemblyLog, results: Table, time: datetime) -> Snapshot:
    """Return the snapshot at a moment, by the times and versions that the events recorded.

    Raises
    ------
    ConfigError
        If nothing had been recorded by then.
    """
    events = log.events()
    past = events.filter(pl.col("at") <= time)
    if past.is_empty():
        first = events["at"].min()
        raise ConfigError(
            f"Nothing was recorded by {time:%Y-%m-%d %H:%M:%S %Z}. The first event is of {first!s}."
        )
    version = past["results_version"].max()
    assert isinstance(version, int)
    return Snapshot(past, results.at(version), is_past=True)


def to_time(value: str | datetime) -> datetime:
    """Return a moment from a datetime or ISO 8601 text; local time unless it says otherwise, a date alone is its end.

    >>> to_time("2026-11-20T12:00:00+00:00").isoformat()
    '2026-11-20T12:00:00+00:00'
    """
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    try:
        time = datetime.fromisoformat(value.strip())
    except ValueError as error:
        raise ConfigError(
            f"{value!r} is not a time. Expected e.g. 2026-11-20, '2026-11-20 12:00' or 2026-11-20T12:00Z."
        ) from error
    if len(value.strip()) == len("2026-11-20"):
        time = datetime.combine(time, END_OF_DAY)
    return time.astimezone(UTC)


def _count_fault(each: Assembly, rows: int) -> list[str]:
    if each.status != "completed" or rows == each.rows:
        return []
    return [f"completed with {each.rows} rows, {rows} are there"]


def report_gaps(gaps: list[Gap], on_gap: OnGap) -> None:
    """Warn of, refuse or ignore the gaps of a dataset."""
    if not gaps or on_gap == "ignore":
        return
    named = "; ".join(str(gap).rstrip(".") for gap in gaps[:MOST_GAPS])
    more = f"; and {len(gaps) - MOST_GAPS} more, see: lakebatch status" if len(gaps) > MOST_GAPS else ""
    message = f"The dataset is incomplete: {named}{more}."
    if on_gap == "refuse":
        raise IncompleteError(message)
    warnings.warn(message, IncompleteWarning, stacklevel=3)
