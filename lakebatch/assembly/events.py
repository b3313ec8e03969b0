"""The append-only log of assembly events, readable at any version of its table."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import polars as pl

from lakebatch import _process as process
from lakebatch._text import excerpt, hint, redacted
from lakebatch.assembly import labels
from lakebatch.assembly.lease import Leases
from lakebatch.assembly.record import UNDECIDED, Assembly, Plan, Status, from_row, last_events, latest, now
from lakebatch.errors import DamageError, DamageWarning, StorageError, UnknownNameError, warn
from lakebatch.ids import ASSEMBLY_ID, ExperimentName, canonical_json, content_hash
from lakebatch.ids import assembly_id as new_assembly_id
from lakebatch.storage.delta import damage
from lakebatch.storage.delta.damage import Fault
from lakebatch.storage.delta.schema import conform
from lakebatch.storage.delta.table import Table
from lakebatch.storage.delta.version import TableVersion

RUN_NUMBER = "lakebatch.run_number"
# Similarity from which an unknown id counts as a known one with one or two typing errors
MIN_SIMILARITY = 0.9
IS_ID = pl.col("assembly_id").str.contains(f"^{ASSEMBLY_ID.pattern}$")
# Characters of a foreign id that an error quotes
MAX_SHOWN = 60
# Columns that people and experiments write. They are redacted before the commit, so an event equals its row in the table.
FREE_TEXT = ("error", "note", "known_gaps")


class Events(NamedTuple):
    """The readable events, the faults of unreadable files, and the assemblies that may have events in such files."""

    rows: pl.DataFrame
    lost: tuple[Fault, ...] = ()
    uncertain: frozenset[str] = frozenset()


class AssemblyLog:
    """The events of one experiment's assemblies, in the table ``assemblies``."""

    def __init__(self, table: Table) -> None:
        self.table = table

    def leases(self) -> Leases:
        """Return the leases of the experiment; they are read once, when the first age is asked for."""
        return Leases(self.table.storage, self.table.path.rpartition("/")[0])

    def latest(self) -> list[Assembly]:
        """Return the latest event of each assembly, by running number."""
        return latest(self.events(), self.leases())

    def start(
        self,
        plan: Plan,
        results_version: int,
        *,
        unless: Callable[[list[Assembly]], Assembly | None] | None = None,
    ) -> Assembly:
        """Begin an assembly: take the next running number in a commit that only one process can win.

        ``unless`` is called with the assemblies that exist at that moment. If it returns one, that one is returned and
        none is begun.

        Raises
        ------
        NameClashError
            If another assembly that is not discarded has its name at that moment.
        """
        attempts: list[Assembly] = []

        def event_after(state: TableVersion, last: int) -> pl.DataFrame | None:
            name = plan.environment.get(labels.LABEL)
            must_look = bool(attempts or unless or name)
            assemblies = latest(self._newest(state), self.leases()) if must_look else []
            committed = [each for each in attempts if each in assemblies]  # any of them: S3 may act late
            if committed:
                attempts.append(committed[0])
                return None
            if unless and (found := unless(assemblies)):
                attempts.append(found)
                return None
            if name:
                labels.check_free(name, kept_names(assemblies))
            attempts.append(_first_event(plan, last + 1, results_version))
            return self._frame(attempts[-1])

        self.table.append_once(RUN_NUMBER, event_after, {"lakebatch.event": "started"})
        return attempts[-1]

    def copy(self, event: Assembly) -> None:
        """Append an event that another lake recorded, exactly once; the first one takes the next running number here."""
        is_first = event.event == 0

        def event_after(state: TableVersion, last: int) -> pl.DataFrame | None:
            rows = self._newest(state).filter(assembly_id=event.assembly_id)
            if not rows.filter(event=event.event).is_empty():
                return None
            number = last + 1 if is_first else rows["run_number"][0]
            return self._frame(replace(event, run_number=number))

        metadata = {"lakebatch.assembly_id": event.assembly_id, "lakebatch.event": event.status}
        self.table.append_once(RUN_NUMBER if is_first else event.assembly_id, event_after, metadata)

    def record(
        self,
        assembly: Assembly,
        status: Status,
        *,
        after: Collection[Status] = UNDECIDED,
        **changes: Any,
    ) -> Assembly:
        """Append an event, unless another process has given the assembly a status that the event cannot follow.

        Parameters
        ----------
        after : statuses
            Statuses that the event may follow; by default all but completed and discarded.

        Returns
        -------
        Assembly
            The assembly with its latest event.
        """

        def event(latest: Assembly) -> tuple[Status, Mapping[str, Any]] | None:
            return (status, changes) if latest.status in after else None

        return self.follow(assembly, event, base=assembly)

    def follow(
        self,
        assembly: Assembly,
        event: Callable[[Assembly], tuple[Status, Mapping[str, Any]] | None],
        *,
        base: Assembly | None = None,
    ) -> Assembly:
        """Append the event that ``event`` derives from the latest one: a status and the changed fields.

        The other fields are those of ``base``, by default of the latest event. If ``event`` returns None, nothing is
        appended.

        Returns
        -------
        Assembly
            The assembly with its latest event.
        """
        recorded: list[Assembly] = []
        metadata = {"lakebatch.assembly_id": assembly.assembly_id}

        def event_after(state: TableVersion, last: int) -> pl.DataFrame | None:
            latest = self._get(assembly.assembly_id, self._newest(state))
            made = None if latest in recorded else event(latest)  # any of them: S3 may act late
            if made is None:
                recorded.append(latest)
                return None
            status, changes = made
            metadata["lakebatch.event"] = status
            recorded.append(_next_event(base or latest, status, last + 1, changes))
            return self._frame(recorded[-1])

        self.table.append_once(assembly.assembly_id, event_after, metadata)
        return recorded[-1]

    def get(self, assembly_id: str) -> Assembly:
        """Return an assembly, by its id or its name, with its latest event.

        Raises
        ------
        UnknownNameError
            If there is no such assembly.
        AssemblyError
            If several have the name.
        """
        labels.check_reference(assembly_id)
        events = self._newest()
        return self._get(labels.find(last_events(events), assembly_id), events)

    def newest(self) -> Assembly:
        """Return the assembly that was begun last.

        Raises
        ------
        UnknownNameError
            If none was begun.
        """
        for each in reversed(self.latest()):
            return each
        raise UnknownNameError("No assembly was begun here. List the assemblies with: lakebatch status")

    def _get(self, assembly_id: str, events: pl.DataFrame) -> Assembly:
        rows = events.filter(pl.col("assembly_id") == assembly_id).sort("event")
        if rows.is_empty():
            known = events["assembly_id"].unique().sort().to_list()
            raise UnknownNameError(
                f"There is no assembly {assembly_id}. {hint(assembly_id, known, MIN_SIMILARITY)}"
                "List them with: lakebatch status"
            )
        return from_row(rows.row(-1, named=True), self.leases())

    def events(self, version: int | None = None) -> pl.DataFrame:
        """Return every event at a version of the table, ordered by assembly and event; warn of damaged files."""
        if version is None:
            return self._newest()
        found = self.read(version)
        damage.warn_of_lost(found.lost)
        return found.rows

    def _newest(self, state: TableVersion | None = None) -> pl.DataFrame:
        """Return every event in a state of the table or a later one, by default the newest."""
        return self._in_order(damage.newest_rows(self.table, state))

    def _in_order(self, rows: pl.DataFrame) -> pl.DataFrame:
        return self._checked(rows).sort("run_number", "event")

    def read(self, version: int | None = None) -> Events:
        """Return the readable events at a version of the table, and the faults, without a warning.

        The rows are cached while the table does not change.
        """
        state = self.table.at(version)
        if state.cached_rows is None:
            try:
                rows = damage.all_rows(self.table, state)
            except StorageError:
                return self._read_damaged(None if version is None else state)
            state.cached_rows = self._in_order(rows)
        return Events(state.cached_rows.clone())

    def _read_damaged(self, past: TableVersion | None) -> Events:
        """Return the events in the newest files: those of a past version may have been merged and removed."""
        readable, lost = damage.newest_readable(self.table)
        rows = self._checked(readable)
        uncertain = _uncertain(rows, self.table.at()) if lost else frozenset()
        known = rows if past is None else _recorded_by(past, rows)
        return Events(known.sort("run_number", "event"), tuple(lost), uncertain)

    def cached_latest(self, assembly_id: str) -> Assembly | None:
        """Return an assembly from the cached events of `read`; None if it has no event."""
        rows = self.read().rows.filter(pl.col("assembly_id") == assembly_id)
        return None if rows.is_empty() else from_row(rows.sort("event").row(-1, named=True), self.leases())

    def _checked(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return the events, each once, or raise an error that names the file of one with an id of another form."""
        foreign = rows.filter(~IS_ID)["assembly_id"]
        if foreign.is_empty():
            return self._each_once(rows)
        raise DamageError(
            f"{self._file_of(foreign[0])} holds an event of {excerpt(foreign[0], MAX_SHOWN)!r}, expected an id "
            "YYYYMMDD_HHMMSS_runNNN. Something else than lakebatch wrote it; put the table back from a backup."
        )

    def _each_once(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return the events without repetitions, which other tools can append, and warn of them."""
        if not rows.select("assembly_id", "event").is_duplicated().any():
            return rows
        once = rows.unique(maintain_order=True)
        if once.height < rows.height:
            name = ExperimentName.parse(self.table.path.partition("/")[0])
            warn(
                f"{self.table.uri} has {rows.height} events, {once.height} of them distinct. Each is read once; remove the "
                f"repetitions with: lakebatch repair {name}",
                DamageWarning,
            )
        return once

    def _file_of(self, assembly_id: str) -> str:
        """Return the file that holds an event of an assembly; the table if there is no such file."""
        state = self.table.at()
        for file in state.data_files():
            with damage.translate_read_errors(state):
                if assembly_id in state.read_file(file)["assembly_id"]:
                    return f"{state.uri}/{file.path}"
        return state.uri

    def _frame(self, assembly: Assembly) -> pl.DataFrame:
        row = {column.name: getattr(assembly, column.name, None) for column in self.table.schema.columns}
        return conform(pl.DataFrame([row], schema=self.table.schema.polars), self.table.schema)


def kept_names(assemblies: Collection[Assembly]) -> list[tuple[str, str | None]]:
    """Return id and name of each assembly that is not discarded."""
    return [(each.assembly_id, each.name) for each in assemblies if each.status != "discarded"]


def _recorded_by(past: TableVersion, events: pl.DataFrame) -> pl.DataFrame:
    """Return the events that a past version had, out of the newest ones."""
    last = past.last_versions([*events["assembly_id"].unique(), RUN_NUMBER])
    known = pl.col("event") <= pl.col("assembly_id").replace_strict(last, default=0)
    return events.filter(known & (pl.col("run_number") <= last[RUN_NUMBER]))


def _uncertain(events: pl.DataFrame, table: TableVersion) -> frozenset[str]:
    """Return the assemblies that have fewer readable events than the log counts."""
    counts = dict(events.group_by("assembly_id").agg(pl.col("event").n_unique()).iter_rows())
    last = table.last_versions(counts)
    return frozenset(each for each, count in counts.items() if count <= last[each])


def _first_event(plan: Plan, run_number: int, results_version: int) -> Assembly:
    at = now()
    config = canonical_json(plan.config)
    return Assembly(
        assembly_id=plan.assembly_id or new_assembly_id(at, run_number),
        run_number=run_number,
        event=0,
        status="started",
        at=at,
        config=config,
        config_hash=content_hash(config),
        seed=plan.seed(run_number),
        parts_planned=len(plan.parts),
        parts_done=0,
        parts=plan.parts,
        known_gaps=redacted(plan.known_gaps),
        rows=0,
        results_version=results_version,
        error=None,
        note=redacted(plan.note),
        code_version=plan.code_version,
        environment=canonical_json(redacted(plan.environment)),
        host=process.host(),
        pid=os.getpid(),
    )


def _next_event(assembly: Assembly, status: Status, event: int, changes: Mapping[str, Any]) -> Assembly:
    fields = {name: getattr(assembly, name) for name in Assembly.__dataclass_fields__}
    fields |= {"error": None, "note": None, "pid": None, "host": process.host()} | dict(changes)
    fields |= {name: redacted(fields[name]) for name in FREE_TEXT}
    return Assembly(**(fields | {"status": status, "event": event, "at": now()}))
