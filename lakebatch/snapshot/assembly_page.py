"""Everything about one assembly, for a page: progress, durations, parts, config, failures and next commands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

import polars as pl

from lakebatch.assembly import labels
from lakebatch.assembly.logs import NAME as LOGS
from lakebatch.assembly.logs import LogTable, seconds_of_parts
from lakebatch.assembly.record import MADE_BY, Assembly, now
from lakebatch.assembly.tables import RESULTS, ExperimentTables
from lakebatch.errors import DamageWarning, LakebatchError, warn
from lakebatch.experiment.provenance import SOURCE_HASH
from lakebatch.snapshot.attempts import IS_BEGINNING
from lakebatch.snapshot.config_origin import ConfigOrigin, config_origin
from lakebatch.snapshot.eta import remaining_seconds
from lakebatch.snapshot.gaps import why_missing
from lakebatch.snapshot.moment import NEWEST, Moment
from lakebatch.snapshot.pin import pin
from lakebatch.snapshot.snapshot import Snapshot

ENDINGS = ("completed", "failed")
BY_ITSELF = (pl.col("event") == 0) | pl.col("note").is_null()
# selects what a run recorded, and not a decision, a verdict or a note of a user, which repeats the status
AT_WORK = ("running", "started")
"""The states of an assembly that is computed, now and at a past moment."""
Steps = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class PartRow:
    """One planned part.

    Attributes
    ----------
    state : str
        ``completed``, ``failed``; ``pending`` in a running assembly, in others ``missing``.
    rows : int
        Its committed rows.
    committed_at : datetime, optional
        When its last row was handed to the table, UTC.
    seconds : float, optional
        Seconds of computing, as its process logged them.
    error : str, optional
        Why it has no rows: its failure, a purge, damage, or the state of the assembly.
    process : str, optional
        Machine and process that committed it.
    """

    part: str
    state: str
    rows: int = 0
    committed_at: datetime | None = None
    seconds: float | None = None
    error: str | None = None
    process: str | None = None


@dataclass(frozen=True)
class Failure:
    """A failed part, its error, and the traceback in the log, if the log has one; no part for one of the whole run."""

    part: str
    error: str
    traceback: str | None = None


@dataclass(frozen=True)
class Note:
    """A note about the assembly: when, by whom, and its text."""

    at: datetime
    user: str | None
    text: str


@dataclass(frozen=True)
class AssemblyPage:
    """One assembly at a moment; times are UTC.

    Attributes
    ----------
    until : datetime
        The moment: now, or the time of a past state.
    log : frame
        The records of its log.
    experiment : str
        The experiment, as NAME@v1.
    reference : str
        How commands name the experiment.
    folder : str
        The folder of the experiment in the lake.
    user : str, optional
        Who began it.
    ended_at : datetime, optional
        When it was completed, failed or was last heard of; None while it runs.
    attempts : int
        Number of processes that began to compute it.
    eta_seconds : float, optional
        Estimated seconds until its end; None unless it runs and has committed a part since it began.
    """

    assembly: Assembly
    experiment: str
    reference: str
    folder: str
    state: str
    user: str | None
    started_at: datetime
    ended_at: datetime | None
    attempts: int
    eta_seconds: float | None
    parts: tuple[PartRow, ...]
    notes: tuple[Note, ...]
    failures: tuple[Failure, ...]
    until: datetime
    log: pl.DataFrame = field(repr=False)

    @cached_property
    def config(self) -> ConfigOrigin:
        """The config beside the nearest preset; every preset of the experiment is resolved for it."""
        return config_origin(self.experiment, self.assembly.settings)

    @property
    def rows(self) -> int:
        """The number of committed rows."""
        return sum(each.rows for each in self.parts)

    @property
    def seconds(self) -> float:
        """Seconds from its start to its end, or until the moment; pauses before a resume are included."""
        return ((self.ended_at or self.until) - self.started_at).total_seconds()

    @property
    def computing_seconds(self) -> float | None:
        """Seconds of computing, summed over the parts; None where no log has them."""
        known = [each.seconds for each in self.parts if each.seconds is not None]
        return sum(known) if known else None

    @property
    def counts(self) -> dict[str, int]:
        """The number of parts in each state, in the order of their first part."""
        states = [each.state for each in self.parts]
        return {state: states.count(state) for state in dict.fromkeys(states)}

    @property
    def place(self) -> str | None:
        """The place in a sweep or in a set of replicates, in words; None outside of both."""
        if sweep := self.assembly.sweep:
            return f"point {sweep['point']} of the sweep {sweep['id']}, replicate {sweep['replicate']}"
        return str(self.assembly.replicate) if self.assembly.replicate else None

    @property
    def software(self) -> str:
        """The version of lakebatch, of Python and the platform, in one line."""
        known = self.assembly.surroundings
        named = [f"lakebatch {self.assembly.lakebatch_version}", *_named(known, {"python": "Python "})]
        return ", ".join([*named, *_named(known, {"platform": ""})])

    @property
    def packages(self) -> dict[str, str]:
        """The versions of the packages that rows can depend on."""
        return dict(self.assembly.surroundings.get("packages", {}))

    @property
    def source_hash(self) -> str | None:
        """The hash of the source of the experiment; None where none is recorded."""
        return self.assembly.surroundings.get(SOURCE_HASH)

    @property
    def next_steps(self) -> Steps:
        """The commands that make sense next, without the program's name, each with its purpose."""
        return tuple(_next_steps(self))


def assembly_page(tables: ExperimentTables, assembly: str, moment: Moment = NEWEST) -> AssemblyPage:
    """Return everything about one assembly, by its id or its name; what cannot be read is left out with a warning.

    Of a past moment it is what was known by then.

    Raises
    ------
    UnknownNameError
        If there is no such assembly.
    """
    return page_at(pin(tables, moment), tables, assembly)


def page_at(snapshot: Snapshot, tables: ExperimentTables, assembly: str) -> AssemblyPage:
    """Return everything about one assembly in a snapshot of these tables, see `assembly_page`."""
    known = snapshot.assembly(assembly)
    events = snapshot.events.filter(assembly_id=known.assembly_id).sort("event")
    log = known_records(snapshot, LogTable(tables.table(LOGS)).read(known))
    parts = tuple(_parts(snapshot, known, log))
    return AssemblyPage(
        assembly=known,
        experiment=snapshot.qualified_name,
        reference=tables.reference,
        folder=tables.folder,
        state=snapshot.state(known),
        user=events.select(labels.recorded(labels.USER)).to_series()[0],
        started_at=events["at"][0],
        ended_at=_ended_at(known, snapshot.state(known), events, parts),
        attempts=events.filter(IS_BEGINNING & BY_ITSELF).height,
        eta_seconds=_eta(known, snapshot.state(known), parts),
        parts=parts,
        notes=tuple(_notes(events)),
        failures=tuple(_failures(known, log)),
        until=known_until(snapshot),
        log=log,
    )


def known_records(snapshot: Snapshot, log: pl.DataFrame) -> pl.DataFrame:
    """Return the records of a log up to the moment of a snapshot."""
    return log.filter(pl.col("at") <= known_until(snapshot)) if snapshot.moment.is_past else log


def known_until(snapshot: Snapshot) -> datetime:
    """Return the time of a snapshot: now, the past time that was asked for, or that of its last event."""
    if not snapshot.moment.is_past:
        return now()
    return snapshot.moment.time or _time(snapshot.events["at"].max())


def _parts(snapshot: Snapshot, known: Assembly, log: pl.DataFrame) -> Iterator[PartRow]:
    """Yield the planned parts in the order of the plan."""
    (counted, fault), seconds = _counted(snapshot, known), seconds_of_parts(log)
    processes, state = _processes(snapshot, known), snapshot.state(known)
    for part in known.parts:
        if part in counted:
            rows, at = counted[part]
            yield PartRow(part, "completed", rows, at, seconds.get(part), process=processes.get(part))
        elif part in known.failures and not fault:
            yield PartRow(part, "failed", error=known.failures[part])
        else:
            lacking = "pending" if state in AT_WORK else "missing"
            yield PartRow(part, lacking, error=fault or why_missing(known, state, part))


def _counted(snapshot: Snapshot, known: Assembly) -> tuple[dict[str, tuple[int, datetime]], str]:
    """Return the row count and the time of the last row of each committed part, and why they cannot be read."""
    if purge := snapshot.tables.purges.get(known.assembly_id):
        return {}, str(purge)
    if snapshot.table() is None:
        return {}, ""
    try:
        rows = snapshot.rows_of(snapshot.tables.existing(RESULTS), [known.assembly_id]).group_by("part")
        found = snapshot.computed(rows.agg(pl.len(), pl.col("recorded_at").max()), [known.assembly_id])
    except LakebatchError as error:
        warn(str(error), DamageWarning)
        return {}, str(error)
    return {part: (rows, at) for part, rows, at in found.iter_rows()}, ""


def _processes(snapshot: Snapshot, known: Assembly) -> dict[str, str]:
    """Return machine and process that committed each part, as far as the commits tell."""
    if snapshot.attempts is None:
        return {}
    begun = {
        event: f"{host}, process {pid}" if pid else str(host)
        for event, host, pid in snapshot.events.filter(assembly_id=known.assembly_id)
        .select("event", "host", "pid")
        .iter_rows()
    }
    by_event = snapshot.attempts.parts(known.assembly_id) or {}
    return {part: begun.get(event, "") for event, names in by_event.items() for part in names}


def _eta(known: Assembly, state: str, parts: tuple[PartRow, ...]) -> float | None:
    if state != "running":
        return None
    commits = [each.committed_at for each in parts if each.committed_at]
    return remaining_seconds(known.at, now(), commits, known.parts_planned)


def _ended_at(
    known: Assembly, state: str, events: pl.DataFrame, parts: tuple[PartRow, ...]
) -> datetime | None:
    """Return when the assembly was completed, failed or was last heard of."""
    if state in AT_WORK:
        return None
    endings = events.filter(pl.col("status").is_in(ENDINGS) & BY_ITSELF)["at"].to_list()
    if endings and known.status != "started":
        return _time(endings[-1] if known.status == "failed" else endings[0])
    began = events.filter((pl.col("status") == "started") & BY_ITSELF)["at"].to_list()
    return _time(max([*began, *(each.committed_at for each in parts if each.committed_at)]))


def _time(value: Any) -> datetime:
    assert isinstance(value, datetime)
    return value


def _notes(events: pl.DataFrame) -> Iterator[Note]:
    noted = events.filter(pl.col("note").is_not_null()).select("at", labels.recorded(labels.USER), "note")
    for at, user, text in noted.iter_rows():
        yield Note(at, user, text)


def _failures(known: Assembly, log: pl.DataFrame) -> Iterator[Failure]:
    errors = log.filter(level="ERROR")
    failures = known.failures or ({"": known.error} if known.error else {})
    for part, error in failures.items():
        messages = errors.filter(pl.col("part").fill_null("") == part)["message"].to_list()
        traced = [each for each in messages if "Traceback" in each]
        yield Failure(part, error, traced[-1].partition("\n")[2].rstrip() if traced else None)


def _named(known: Mapping[str, object], labels: Mapping[str, str]) -> list[str]:
    return [f"{label}{known[name]}" for name, label in labels.items() if known.get(name)]


def _next_steps(page: AssemblyPage) -> Iterator[tuple[str, str]]:
    name, assembly_id = page.reference, page.assembly.assembly_id
    which = f"{name} {assembly_id}"
    if page.state in AT_WORK:
        yield f"watch {name}", "watch its progress"
        yield f"logs {which} --follow", "what its processes do"
    elif page.state in ("interrupted", "failed"):
        if MADE_BY not in page.assembly.settings:
            yield f"resume {which}", "compute the missing parts"
        yield f"discard {which} --reason TEXT", "leave it out of the dataset"
    elif page.assembly.purge is not None and page.state == "discarded":
        yield f"run {name} --seed {page.assembly.seed}", "compute it again"
    elif page.state == "discarded":
        yield f"restore {which} --reason TEXT", "include it in the dataset again"
    else:
        yield f"reassemble {name} --assembly {assembly_id} -o FILE.parquet", "its rows in one file"
        yield f"plot {name} --assembly {assembly_id} -o FILE.png", "a picture"
        if MADE_BY not in page.assembly.settings:
            yield f"verify {which}", "compute it again and compare"
