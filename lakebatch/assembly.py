"""The life of an assembly: started, completed, failed, discarded; kept as append-only events."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

import polars as pl

from lakebatch import damage, process
from lakebatch.damage import Fault
from lakebatch.delta import Table, TableVersion
from lakebatch.errors import AssemblyError, DamageError, StorageError, UnknownNameError
from lakebatch.hints import hint
from lakebatch.ids import ASSEMBLY_ID, canonical_json, check_assembly_id, content_hash
from lakebatch.ids import assembly_id as new_assembly_id
from lakebatch.lease import LIFE_SECONDS, Leases
from lakebatch.records import read_environment, read_tree, where
from lakebatch.redact import redacted
from lakebatch.schema import conform
from lakebatch.workers import Worker

Status: TypeAlias = Literal["started", "completed", "failed", "discarded"]
EVERY_STATUS: tuple[Status, ...] = get_args(Status)
UNDECIDED: tuple[Status, ...] = ("started", "failed")
"""The statuses of an assembly that may still be completed."""
NOTHING_TO_RESUME = (
    "Nothing to resume: no assembly is interrupted or failed. One whose process died on another machine counts as "
    f"interrupted after {LIFE_SECONDS:.0f} s; see: lakebatch status"
)
DISCARDED = "{} is discarded. Take it back first with: lakebatch restore"
RUN_NUMBER = "lakebatch.run_number"
MADE_BY = "made_by"
"""Key of the config of an assembly that no experiment computed; it says what wrote it instead."""
ALIKE = 0.9
"""How much of an id two have in common when one is taken for the other, mistyped in one or two places."""
UNKNOWN_SEED = -1
"""The seed of an assembly that no experiment computed."""
IS_ID = pl.col("assembly_id").str.contains(f"^{ASSEMBLY_ID.pattern}$")
LONGEST_SHOWN = 60
# characters of a foreign id that an error quotes
WRITTEN = ("error", "note", "known_gaps")
# what people and experiments write: it is redacted at once, so that an event equals what the table returns
SHARDS, ENDED = "shards", "ended"
"""Keys of the environment of an assembly that several processes share out, see `lakebatch.shards`."""


@dataclass(frozen=True)
class Plan:
    """What an assembly is to compute, and with what: everything its record says from the start.

    An id is given only to keep that of an assembly which was begun elsewhere.
    """

    config: Mapping[str, Any]
    parts: tuple[str, ...]
    base_seed: int
    pinned_seed: int | None
    known_gaps: tuple[str, ...]
    code_version: str
    environment: Mapping[str, Any]
    assembly_id: str | None = None

    def seed(self, run_number: int) -> int:
        """Return the seed of the assembly with this running number."""
        from lakebatch.seeds import replicate_seed  # needs numpy, and whoever only reads does without

        return replicate_seed(self.base_seed, run_number) if self.pinned_seed is None else self.pinned_seed


@dataclass(frozen=True)
class Assembly:
    """An assembly as its latest event describes it; the fields are the columns of ``assemblies``."""

    assembly_id: str
    run_number: int
    event: int
    status: Status
    at: datetime
    config: str
    config_hash: str
    seed: int
    parts_planned: int
    parts_done: int
    parts: tuple[str, ...]
    known_gaps: tuple[str, ...]
    rows: int
    results_version: int
    error: str | None
    note: str | None
    code_version: str
    environment: str
    host: str
    pid: int | None
    leases: Leases | None = field(default=None, compare=False, repr=False)

    @cached_property
    def settings(self) -> dict[str, Any]:
        """The config, as a tree."""
        return read_tree(self.config, self._where("config"))

    @cached_property
    def surroundings(self) -> dict[str, Any]:
        """The environment, as a tree."""
        return read_environment(self.environment, self._where("environment"))

    def _where(self, column: str) -> str:
        return where(column, self.assembly_id, self.event)

    @cached_property
    def failures(self) -> dict[str, str]:
        """Why parts failed, by their keys."""
        starts = "|".join(re.escape(part) for part in sorted(self.parts, key=len, reverse=True))
        pieces = re.split(f"(?:^|; )({starts}): ", self.error or "")[1:] if starts else []
        return dict(zip(pieces[::2], pieces[1::2], strict=True))

    @cached_property
    def shards(self) -> dict[str, Any]:
        """Who works on which share, where several processes share the parts; else empty."""
        return dict(self.surroundings.get(SHARDS, {}))

    @property
    def array(self) -> str | None:
        """The name of the array job that shares the parts, if one does."""
        return self.shards.get("array")

    @property
    def workers(self) -> list[Worker]:
        """The processes that have begun and not said that they ended."""
        if self.status != "started":
            return []
        if self.shards:
            members = [each for each in self.shards["members"].values() if each[ENDED] is None]
            return [self._worker(each["host"], each["pid"], each) for each in members]
        if self.pid is None:
            return []
        return [self._worker(self.host, self.pid, self.surroundings)]

    def _worker(self, host: str, pid: int, record: Mapping[str, Any]) -> Worker:
        since = datetime.fromisoformat(record["since"]) if "since" in record else self.at
        return Worker.of_record(host, pid, since, record, self.leases)

    def is_worked_on(self) -> bool:
        """Whether a process works on the assembly; one elsewhere of which nothing is known is assumed to."""
        return any(each.is_at_work() for each in self.workers)

    def worker_here(self) -> Worker | None:
        """Return a process of this machine that works on the assembly, if there is one."""
        return next((each for each in self.workers if each.is_here and each.is_at_work()), None)

    def worker_seen(self) -> Worker | None:
        """Return a process that is known, and not only assumed, to work on the assembly, if there is one."""
        return next((each for each in self.workers if each.is_seen_at_work()), None)

    @property
    def state(self) -> str:
        """The status, with `interrupted` for an assembly that was started and that nobody works on."""
        return "interrupted" if self.status == "started" and not self.is_worked_on() else self.status


COLUMNS = tuple(name for name in Assembly.__dataclass_fields__ if name != "leases")


class Events(NamedTuple):
    """The events that can be read, the files that cannot, and the assemblies that these have events of."""

    rows: pl.DataFrame
    lost: tuple[Fault, ...] = ()
    uncertain: frozenset[str] = frozenset()


class AssemblyLog:
    """The events of one experiment's assemblies, in the table ``assemblies``."""

    def __init__(self, table: Table) -> None:
        self.table = table

    def leases(self) -> Leases:
        """Return the leases of the experiment, to be looked at once."""
        return Leases(self.table.storage, self.table.path.rpartition("/")[0])

    def latest(self) -> list[Assembly]:
        """Return each assembly as it stands now, in the order of their running numbers."""
        return latest(self.events(), self.leases())

    def start(
        self,
        plan: Plan,
        results_version: int,
        *,
        unless: Callable[[list[Assembly]], Assembly | None] | None = None,
    ) -> Assembly:
        """Begin an assembly: take the next running number, by a commit that only one can win.

        Nothing is begun if ``unless`` finds, among the assemblies that there are at that moment, one that
        serves instead; it is returned.
        """
        attempts: list[Assembly] = []

        def event_after(last: int) -> pl.DataFrame | None:
            mine = [each for each in attempts if self._has(each)]  # any of them: S3 may act late
            if mine:
                attempts.append(mine[0])
                return None
            if unless and (found := unless(self.latest())):
                attempts.append(found)
                return None
            attempts.append(_first_event(plan, last + 1, results_version))
            return self._frame(attempts[-1])

        self.table.append_once(RUN_NUMBER, event_after, {"lakebatch.event": "started"})
        return attempts[-1]

    def record(
        self,
        assembly: Assembly,
        status: Status,
        *,
        after: Collection[Status] = UNDECIDED,
        **changes: Any,
    ) -> Assembly:
        """Append an event, unless the assembly has meanwhile got a status that it cannot follow.

        Parameters
        ----------
        after : statuses
            Which statuses the event may follow: by default neither completed nor discarded.

        Returns
        -------
        Assembly
            The assembly as it stands afterwards.
        """

        def event(latest: Assembly) -> tuple[Status, Mapping[str, Any]] | None:
            return (status, changes) if latest.status in after else None

        return self.follow(assembly, event, keeps=assembly)

    def follow(
        self,
        assembly: Assembly,
        event: Callable[[Assembly], tuple[Status, Mapping[str, Any]] | None],
        *,
        keeps: Assembly | None = None,
    ) -> Assembly:
        """Append the event that ``event`` makes of the assembly as it stands: a status and what changes with it.

        What does not change is as in ``keeps``, else as it stands. Nothing is appended where it makes none.

        Returns
        -------
        Assembly
            The assembly as it stands afterwards.
        """
        recorded: list[Assembly] = []
        metadata = {"lakebatch.assembly_id": assembly.assembly_id}

        def event_after(last: int) -> pl.DataFrame | None:
            latest = self.get(assembly.assembly_id)
            made = None if latest in recorded else event(latest)  # any of them: S3 may act late
            if made is None:
                recorded.append(latest)
                return None
            status, changes = made
            metadata["lakebatch.event"] = status
            recorded.append(_next_event(keeps or latest, status, last + 1, changes))
            return self._frame(recorded[-1])

        self.table.append_once(assembly.assembly_id, event_after, metadata)
        return recorded[-1]

    def get(self, assembly_id: str) -> Assembly:
        """Return an assembly as it stands now.

        Raises
        ------
        UnknownNameError
            If there is no such assembly.
        """
        check_assembly_id(assembly_id)
        rows = self.events().filter(pl.col("assembly_id") == assembly_id).sort("event")
        if rows.is_empty():
            known = self.events()["assembly_id"].unique().sort().to_list()
            raise UnknownNameError(
                f"There is no assembly {assembly_id}. {hint(assembly_id, known, ALIKE)}List them with: lakebatch status"
            )
        return from_row(rows.row(-1, named=True), self.leases())

    def events(self, version: int | None = None) -> pl.DataFrame:
        """Return every event at a version of the table, ordered by assembly and event; warn of damaged ones."""
        rows = damage.newest_rows(self.table) if version is None else self._events_at(version)
        return self._checked(rows).sort("run_number", "event")

    def read(self, version: int | None = None) -> Events:
        """Return the events that can be read, at a version of the table or now, and what cannot; warn of nothing.

        It is for readers: the same rows are returned again as long as the table is the same.
        """
        state = self.table.at(version)
        if state.known_rows is None:
            try:
                rows = damage.rows(state, state.scan())
            except StorageError:
                return self._read_damaged(None if version is None else state)
            state.known_rows = self._checked(rows).sort("run_number", "event")
        return Events(state.known_rows.clone())

    def _read_damaged(self, past: TableVersion | None) -> Events:
        """Return the events in the newest files, since those of a past version were perhaps merged and removed."""
        readable, lost = damage.newest_readable(self.table)
        rows = self._checked(readable)
        uncertain = _uncertain(rows, self.table.at()) if lost else frozenset()
        known = rows if past is None else _recorded_by(past, rows)
        return Events(known.sort("run_number", "event"), tuple(lost), uncertain)

    def known_latest(self, assembly_id: str) -> Assembly | None:
        """Return an assembly as `read` has it, None if it has it not: quick as long as the table is the same."""
        rows = self.read().rows.filter(pl.col("assembly_id") == assembly_id)
        return None if rows.is_empty() else from_row(rows.sort("event").row(-1, named=True), self.leases())

    def _events_at(self, version: int) -> pl.DataFrame:
        """Return the events of a past version, from the newest files where its own were merged and removed."""
        past = self.table.at(version)
        try:
            return damage.rows(past, past.scan())
        except DamageError:
            return _recorded_by(past, damage.newest_rows(self.table))

    def _checked(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return events unless one has an id of another form: refuse it, and name its file."""
        foreign = rows.filter(~IS_ID)["assembly_id"]
        if foreign.is_empty():
            return rows
        raise DamageError(
            f"{self._file_of(foreign[0])} holds an event of {foreign[0][:LONGEST_SHOWN]!r}, expected an id "
            "YYYYMMDD_HHMMSS_runNNN. Something else than lakebatch wrote it; put the table back from a backup."
        )

    def _file_of(self, assembly_id: str) -> str:
        """Return the file that holds an event; the table, where none can be named."""
        state = self.table.at()
        for file in state.data_files():
            with damage.named(state):
                if assembly_id in state.read_file(file)["assembly_id"]:
                    return f"{state.uri}/{file.path}"
        return state.uri

    def _has(self, assembly: Assembly) -> bool:
        try:
            return self.get(assembly.assembly_id) == assembly
        except UnknownNameError:
            return False

    def _frame(self, assembly: Assembly) -> pl.DataFrame:
        row = {column.name: getattr(assembly, column.name, None) for column in self.table.schema.columns}
        return conform(pl.DataFrame([row], schema=self.table.schema.polars), self.table.schema)


def _recorded_by(past: TableVersion, events: pl.DataFrame) -> pl.DataFrame:
    """Return those of the newest events that a past version had."""
    last = past.last_versions([*events["assembly_id"].unique(), RUN_NUMBER])
    known = pl.col("event") <= pl.col("assembly_id").replace_strict(last, default=0)
    return events.filter(known & (pl.col("run_number") <= last[RUN_NUMBER]))


def _uncertain(events: pl.DataFrame, table: TableVersion) -> frozenset[str]:
    """Return the assemblies of which the table had more events than could be read, by the numbers in its log."""
    counts = dict(events.group_by("assembly_id").agg(pl.col("event").n_unique()).iter_rows())
    last = table.last_versions(counts)
    return frozenset(each for each, count in counts.items() if count <= last[each])


def latest(events: pl.DataFrame, leases: Leases | None = None) -> list[Assembly]:
    """Return each assembly as its last event describes it, in the order of their running numbers."""
    return from_rows(last_events(events), leases)


def last_events(events: pl.DataFrame) -> pl.DataFrame:
    """Return the last event of each assembly, in the order of their running numbers."""
    in_order = events.sort("run_number", "event")
    return in_order.filter(in_order["assembly_id"].is_last_distinct())


def from_rows(rows: pl.DataFrame, leases: Leases | None = None) -> list[Assembly]:
    """Return the assemblies that rows of the table describe."""
    return [from_row(row, leases) for row in rows.iter_rows(named=True)]


def from_row(row: Mapping[str, Any], leases: Leases | None = None) -> Assembly:
    """Return the assembly that a row of the table describes; by the leases its processes elsewhere are judged."""
    fields = {name: row[name] for name in COLUMNS}
    lists = {name: tuple(row[name]) for name in ("parts", "known_gaps")}
    checked = check_assembly_id(row["assembly_id"])
    return Assembly(**{**fields, **lists, "assembly_id": checked, "leases": leases})


def choose_resumable(assemblies: list[Assembly]) -> Assembly:
    """Return the newest assembly that was interrupted or failed.

    Raises
    ------
    AssemblyError
        If there is none.
    """
    for assembly in reversed(assemblies):
        if is_resumable(assembly):
            return assembly
    raise AssemblyError(NOTHING_TO_RESUME)


def is_resumable(assembly: Assembly) -> bool:
    """Whether the assembly was interrupted or failed, and an experiment can go on with it."""
    return assembly.state in ("interrupted", "failed") and MADE_BY not in assembly.settings


def join_failures(failures: Mapping[str, str]) -> str | None:
    """Return why parts failed as one text, which `Assembly.failures` takes apart again; None if none did."""
    return "; ".join(f"{part}: {why}" for part, why in failures.items()) or None


def now() -> datetime:
    """Return the moment, in UTC."""
    return datetime.now(UTC)


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
        note=None,
        code_version=plan.code_version,
        environment=canonical_json(redacted(plan.environment)),
        host=process.host(),
        pid=os.getpid(),
    )


def _next_event(assembly: Assembly, status: Status, event: int, changes: Mapping[str, Any]) -> Assembly:
    fields = {name: getattr(assembly, name) for name in Assembly.__dataclass_fields__}
    fields |= {"error": None, "note": None, "pid": None, "host": process.host()} | dict(changes)
    fields |= {name: redacted(fields[name]) for name in WRITTEN}
    return Assembly(**(fields | {"status": status, "event": event, "at": now()}))
