"""The life of an assembly: started, completed, failed, discarded; kept as append-only events."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Literal, TypeAlias, get_args

import polars as pl

from lakebatch import _html
from lakebatch.assembly import dropped_samples, labels, missing_metrics, purges, replication
from lakebatch.assembly.dropped_samples import DroppedSamples
from lakebatch.assembly.lease import LEASE_TIMEOUT, Leases
from lakebatch.assembly.missing_metrics import MissingMetrics
from lakebatch.assembly.purges import Purge
from lakebatch.assembly.record_json import read_environment, read_tree, where
from lakebatch.assembly.replication import ReplicatePlace
from lakebatch.assembly.states import state_of
from lakebatch.assembly.workers import IDENTITY, Worker
from lakebatch.errors import AssemblyError
from lakebatch.ids import check_assembly_id

Status: TypeAlias = Literal["started", "completed", "failed", "discarded"]
Include: TypeAlias = Status | Collection[Status]
"""The type of an argument that chooses assemblies by status: one status, or several."""
EVERY_STATUS: tuple[Status, ...] = get_args(Status)
UNDECIDED: tuple[Status, ...] = ("started", "failed")
"""The statuses of an assembly that may still be completed."""
NOTHING_TO_RESUME = (
    "Nothing to resume: no assembly is interrupted or failed. One whose process died on another machine counts as "
    f"interrupted after {LEASE_TIMEOUT:.0f} s; see: lakebatch status"
)
DISCARDED = "{0} is discarded. Take it back first with: lakebatch restore NAME {0} --reason TEXT"
MADE_BY = "made_by"
"""Config key of an assembly that no experiment computed: the tool that wrote it."""
UNKNOWN_SEED = -1
"""The seed of an assembly that no experiment computed."""
COMMIT = "commit"
"""Environment key for the commit of the repository of the experiment's file."""
BEFORE_COMMIT = "+g"
"""What lakebatch 0.1 wrote between its version and the commit, in ``code_version``."""
WORKERS = "workers"
"""Environment key for the different versions of Dask workers that rows depend on, if any are not those of this process."""
IN_TABLES = ("assembly_id", "state", "at", "parts_done", "parts_planned", "rows", "seed", "error")
"""The fields that tables of assemblies in a notebook show."""
MORE = (
    "name",
    "note",
    "replicate",
    "missing_metrics",
    "dropped_samples",
    "user",
    "host",
    "code_version",
    "commit",
)
# what a notebook shows of one assembly beside these
SHARDS, ENDED = "shards", "ended"
"""Environment keys of an assembly that several processes share, see `lakebatch.assembly.shards`."""


class InUseError(AssemblyError):
    """An assembly that another process computes or, of a sweep, has computed."""


@dataclass(frozen=True)
class Plan:
    """What an assembly computes and with what: the content of its first event.

    ``assembly_id`` is set only for an assembly that began elsewhere and keeps its id.
    """

    config: Mapping[str, Any]
    parts: tuple[str, ...]
    base_seed: int
    pinned_seed: int | None
    known_gaps: tuple[str, ...]
    code_version: str
    environment: Mapping[str, Any]
    assembly_id: str | None = None
    note: str | None = None

    def seed(self, run_number: int) -> int:
        """Return the seed of the assembly with this running number."""
        # needs numpy, which reading does without
        from lakebatch.assembly.seeds import replicate_seed

        return replicate_seed(self.base_seed, run_number) if self.pinned_seed is None else self.pinned_seed


@dataclass(frozen=True, repr=False)
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

    def __repr__(self) -> str:
        named = f" {self.name}" if self.name else ""
        note = f"; {self.note}" if self.note else ""
        return _html.short(f"<Assembly {self.assembly_id}{named}: {self.summary()}{note}>")

    def summary(self) -> str:
        """Return status, parts and rows in one line, with the error if it failed."""
        failed = f"; failed: {self.error}" if self.error else ""
        return f"{self.state}, {self.parts_done} of {self.parts_planned} parts, {self.rows} rows{failed}"

    def row(self) -> dict[str, Any]:
        """Return the assembly as a row of a table."""
        return {name: getattr(self, name) for name in IN_TABLES}

    def _repr_html_(self) -> str:
        told = {name: getattr(self, name) for name in (*IN_TABLES[1:], *MORE)}
        config = json.dumps(self.settings, indent=1, ensure_ascii=False)
        return _html.facts(self.assembly_id, told) + _html.folded("config", config)

    @cached_property
    def settings(self) -> dict[str, Any]:
        """The config, as a tree."""
        return read_tree(self.config, self._where("config"))

    @cached_property
    def surroundings(self) -> dict[str, Any]:
        """The environment, as a tree."""
        return read_environment(self.environment, self._where("environment"))

    def computed_settings(self) -> dict[str, Any]:
        """Return the settings from which an experiment can compute the assembly again.

        Raises
        ------
        AssemblyError
            If no experiment computed the assembly.
        """
        if made_by := self.settings.get(MADE_BY):
            raise AssemblyError(
                f"The assembly comes from {made_by} and not from a run: "
                "it can be read, and not be computed or checked again."
            )
        return self.settings

    def _where(self, column: str) -> str:
        return where(column, self.assembly_id, self.event)

    @property
    def name(self) -> str | None:
        """The name that the assembly was given; None without one."""
        return self.surroundings.get(labels.LABEL)

    @property
    def user(self) -> str | None:
        """Who recorded the event; None if an older lakebatch did."""
        return self.surroundings.get(labels.USER)

    @property
    def started_from(self) -> str | None:
        """The id of the assembly whose config it took, as NAME@v1:ID if that has another experiment version."""
        return self.surroundings.get(labels.FROM)

    @property
    def software(self) -> dict[str, Any]:
        """The entries of the environment that rows can depend on, with the version of lakebatch and the commit."""
        counted = (missing_metrics.KEY, dropped_samples.KEY)
        aside = (*IDENTITY, *labels.ASIDE, SHARDS, labels.NOT_PUBLISHED, *counted, purges.KEY, "cpus")
        found = {name: value for name, value in self.surroundings.items() if name not in aside}
        return {"lakebatch": self.lakebatch_version, COMMIT: self.commit} | found if self.commit else found

    @property
    def lakebatch_version(self) -> str:
        """The version of lakebatch that recorded the event."""
        return self.code_version.partition(BEFORE_COMMIT)[0]

    @property
    def commit(self) -> str | None:
        """The commit of the repository of the experiment's file, with ``.dirty`` if it had changes; None without one."""
        return self.surroundings.get(COMMIT) or self.code_version.partition(BEFORE_COMMIT)[2] or None

    @cached_property
    def missing_metrics(self) -> MissingMetrics | None:
        """The rows without a metric when the assembly ended; None before, and if an older lakebatch ended it."""
        return missing_metrics.from_record(self.surroundings.get(missing_metrics.KEY))

    @cached_property
    def dropped_samples(self) -> DroppedSamples | None:
        """The samples that had been dropped when the assembly ended; None before, and without any."""
        record = self.surroundings.get(dropped_samples.KEY)
        return None if record is None else dropped_samples.from_record(record)

    @cached_property
    def replicate(self) -> ReplicatePlace | None:
        """The place in a set of replicates; None outside of any set."""
        record = self.surroundings.get(replication.KEY)
        return None if record is None else replication.from_record(record)

    @cached_property
    def purge(self) -> Purge | None:
        """The purge of its rows, also one that was not finished; None without one."""
        record = self.surroundings.get(purges.KEY)
        return None if record is None else purges.from_record(self.assembly_id, record)

    def check_not_purged(self) -> None:
        """Raise `AssemblyError` if its rows were removed for good."""
        if self.status == "discarded" and self.purge is not None:
            raise AssemblyError(f"{self.assembly_id} was {self.purge}. {purges.WAY_OUT.format(self.seed)}")

    @cached_property
    def failures(self) -> dict[str, str]:
        """The reasons of failed parts, by part key."""
        starts = "|".join(re.escape(part) for part in sorted(self.parts, key=len, reverse=True))
        pieces = re.split(f"(?:^|; )({starts}): ", self.error or "")[1:] if starts else []
        return dict(zip(pieces[::2], pieces[1::2], strict=True))

    @cached_property
    def shards(self) -> dict[str, Any]:
        """The processes of an array job and their shares; empty if one process computes all parts."""
        return dict(self.surroundings.get(SHARDS, {}))

    @property
    def sweep(self) -> dict[str, Any] | None:
        """Sweep, point and replicate of an assembly of a sweep; None for another."""
        return self.surroundings.get(labels.SWEEP)

    @property
    def not_published(self) -> tuple[str, ...]:
        """The tables of an imported assembly that its publication lacks."""
        return tuple(self.surroundings.get(labels.NOT_PUBLISHED, ()))

    @property
    def array(self) -> str | None:
        """The name of the array job that shares the parts, if there is one."""
        return self.shards.get("array")

    @property
    def workers(self) -> list[Worker]:
        """The processes that have begun and have not recorded their end."""
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
        """Whether a process works on the assembly; one on another machine without a lease is assumed to run."""
        return any(each.is_running() for each in self.workers)

    def worker_here(self) -> Worker | None:
        """Return a process on this machine that works on the assembly, if there is one."""
        return next((each for each in self.workers if each.is_here and each.is_running()), None)

    def worker_seen(self) -> Worker | None:
        """Return a process that is known, and not only assumed, to work on the assembly; None without one."""
        return next((each for each in self.workers if each.is_seen_running()), None)

    @property
    def present_status(self) -> str:
        """The status, or `interrupted` for a started assembly that no process works on: the word of data."""
        return "interrupted" if self.status == "started" and not self.is_worked_on() else self.status

    @property
    def state(self) -> str:
        """The word that people read: running, interrupted, completed, failed or discarded."""
        return state_of(self.present_status)


COLUMNS = tuple(name for name in Assembly.__dataclass_fields__ if name != "leases")


def latest(events: pl.DataFrame, leases: Leases | None = None) -> list[Assembly]:
    """Return each assembly with its last event, by running number."""
    return from_rows(last_events(events), leases)


def last_events(events: pl.DataFrame) -> pl.DataFrame:
    """Return the last event of each assembly, by running number."""
    in_order = events.sort("run_number", "event")
    return in_order.filter(in_order["assembly_id"].is_last_distinct())


def from_rows(rows: pl.DataFrame, leases: Leases | None = None) -> list[Assembly]:
    """Return the assemblies that rows of the table describe."""
    return [from_row(row, leases) for row in rows.iter_rows(named=True)]


def from_row(row: Mapping[str, Any], leases: Leases | None = None) -> Assembly:
    """Return the assembly that a row of the table describes; ``leases`` tell whether its processes elsewhere run."""
    fields = {name: row[name] for name in COLUMNS}
    lists = {name: tuple(row[name]) for name in ("parts", "known_gaps")}
    checked = check_assembly_id(row["assembly_id"])
    return Assembly(**{**fields, **lists, "assembly_id": checked, "leases": leases})


def choose_resumable(assemblies: list[Assembly]) -> Assembly:
    """Return the newest assembly that was interrupted or failed.

    Raises
    ------
    AssemblyError
        If there is no such assembly.
    """
    for assembly in reversed(assemblies):
        if is_resumable(assembly):
            return assembly
    raise AssemblyError(NOTHING_TO_RESUME)


def is_resumable(assembly: Assembly) -> bool:
    """Whether the assembly was interrupted or failed, and its experiment can continue it."""
    return assembly.state in ("interrupted", "failed") and MADE_BY not in assembly.settings


def join_failures(failures: Mapping[str, str]) -> str | None:
    """Return the reasons of failed parts as one string, which `Assembly.failures` parses; None without failures."""
    return "; ".join(f"{part}: {why}" for part, why in failures.items()) or None


def now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC)
