"""Computation and commits of the pending parts of one assembly, and hooks for its progress."""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from lakebatch.assembly import dropped_samples, missing_metrics, shards
from lakebatch.assembly.events import AssemblyLog
from lakebatch.assembly.lease import Notes
from lakebatch.assembly.log_capture import AS_LEVEL, of_part
from lakebatch.assembly.logs import COMMITTED, RunLog
from lakebatch.assembly.part_writer import (
    PartWriter,
    committed_parts,
    count_dropped_samples,
    count_missing_metrics,
)
from lakebatch.assembly.record import UNDECIDED, Assembly, join_failures
from lakebatch.assembly.shards import Shard
from lakebatch.assembly.tables import RESULTS, SAMPLES, ExperimentTables
from lakebatch.errors import AssemblyError, LakebatchError, RunInterrupted, SchemaError
from lakebatch.executor.base import Executor
from lakebatch.executor.progress import Counters
from lakebatch.executor.worker import Job, Outcome
from lakebatch.experiment.contract import Part
from lakebatch.experiment.plan import RunPlan
from lakebatch.ids import canonical_json
from lakebatch.maintenance import optimize, published
from lakebatch.runner.throughput import note_taker
from lakebatch.storage.delta.engine import ATTEMPT
from lakebatch.storage.delta.reader import read_latest
from lakebatch.storage.delta.version import TableVersion

logger = logging.getLogger(__name__)

CHECK_SECONDS = 15.0
# between two checks of the assembly's status while no part is committed; each commit checks it too


@dataclass(frozen=True)
class Work:
    """Amount of pending work, its unit, and the number of parts, including those done before."""

    amount: int
    unit: str
    parts: int


class Progress:
    """Hooks of a run; a subclass overrides those that it needs."""

    def started(self, assembly: Assembly, done: int, work: Work, counters: Counters) -> None:
        """Called when an assembly starts or resumes, with the number of parts done before and the pending work."""

    def part_committed(self, outcome: Outcome, rows: int) -> None:
        """Called when the rows of a part are committed."""

    def part_failed(self, outcome: Outcome) -> None:
        """Called when a part has failed."""

    def wants_to_stop(self) -> bool:
        """Return whether to start no more parts; parts in progress are still committed."""
        return False

    def ended(self) -> None:
        """Called after the last part."""


class _OvertakenError(Exception):
    """The assembly was discarded, or completed by another process."""

    def __init__(self, newest: Assembly) -> None:
        super().__init__(newest.assembly_id)
        self.newest = newest


class AssemblyRun:
    """Computes and commits one process's share of an assembly; no other process writes that share."""

    def __init__(
        self,
        stored: ExperimentTables,
        plan: RunPlan,
        assembly: Assembly,
        shard: Shard,
        executor: Executor,
        progress: Progress,
        log: RunLog,
        notes: Notes,
    ) -> None:
        self.stored = stored
        self.name = stored.reference  # for the advice in errors, when the lake may be out of reach
        self.plan = plan
        self.assembly = assembly
        self.shard = shard
        self.executor = executor
        self.progress = progress
        self.log = log
        self.notes = notes
        self.failures: dict[str, str] = {}
        self._is_new = assembly.event == 0
        self._writers = {name: self._writer(name) for name in plan.tables}
        self._marker = self._writers[plan.marker]
        self._checked_at = time.monotonic()

    def _writer(self, table: str) -> PartWriter:
        metadata = {
            "lakebatch.experiment": self.stored.folder,
            "lakebatch.config_hash": self.assembly.config_hash,
            "lakebatch.code_version": self.assembly.code_version,
            ATTEMPT: str(self.assembly.event),
        }
        assembly_id = self.assembly.assembly_id
        return PartWriter(self.stored.table(table), assembly_id, metadata, is_new=self._is_new)

    def execute(self) -> Assembly:
        """Compute and commit every pending part, and return the assembly as it ended.

        Raises
        ------
        RunInterrupted
            If it was stopped by Ctrl-C or by `Progress.wants_to_stop`.
        AssemblyError
            If the assembly has been discarded during the run.
        """
        done = set() if self._is_new else self._marker.committed()
        own = self.shard.share(self.plan.parts)
        pending = [part for part in own if part.key not in done]
        try:
            with tempfile.TemporaryDirectory(prefix="lakebatch-") as folder:
                self._compute(pending, Path(folder), len(own) - len(pending))
            self._check_status()
        except _OvertakenError as overtaken:
            return self._overtaken(overtaken.newest)
        except KeyboardInterrupt as interrupt:
            raise self._interrupted() from interrupt
        except Exception:
            self._release()
            raise
        return self._refuse_discarded(self._conclude())

    def _compute(self, pending: list[Part], scratch: Path, done: int) -> None:
        job = Job(
            self.assembly.assembly_id,
            self.plan.source,
            self.assembly.settings,
            self.assembly.seed,
            scratch,
            tuple(writer.table.schema for writer in self._writers.values()),
            self.assembly.surroundings.get("source_hash"),
        )
        work = Work(self.plan.work(pending), unit=self.plan.experiment.unit, parts=done + len(pending))
        with Counters.create(scratch, len(pending)) as counters:
            try:
                self.progress.started(self.assembly, done, work, counters)
                self.notes.source = note_taker(counters, work.amount, work.unit)
                ended = self._commit_each(job, pending)
            finally:
                self.notes.source = None
                self.progress.ended()  # the display reads the counters until then
        if ended < len(pending):
            raise KeyboardInterrupt

    def _commit_each(self, job: Job, pending: list[Part]) -> int:
        """Compute parts until none is left or a stop is requested, and return how many have ended."""
        logger.info("computing %d parts in %s", len(pending), self.executor.describe())
        ended = 0
        for outcome in self.executor.execute(job, pending, self._wants_to_stop):
            with of_part(outcome.part.key):
                self._accept(outcome)
            ended += 1
        return ended

    def _wants_to_stop(self) -> bool:
        """Return whether to start no more parts; raise if none may be committed any more."""
        if time.monotonic() - self._checked_at > CHECK_SECONDS:
            self._check_status()
        self.log.write_if_due()
        return self.progress.wants_to_stop()

    def _check_status(self) -> None:
        """Raise `_OvertakenError` if the assembly needs no more parts; a read error is only logged."""
        newest = None
        try:
            newest = self.stored.log.cached_latest(self.assembly.assembly_id)
        except LakebatchError as error:
            logger.info("could not check the status of %s: %s", self.assembly.assembly_id, error)
        self._checked_at = time.monotonic()
        if newest is not None and newest.status not in UNDECIDED:
            raise _OvertakenError(newest)

    def _accept(self, outcome: Outcome) -> None:
        """Commit the rows of a part, or record why it failed."""
        self._check_status()
        if outcome.error is None:
            outcome = self._commit(outcome)
        if outcome.error is not None:
            trace = outcome.trace or outcome.error
            logger.debug("part %s failed:\n%s", outcome.part.key, trace, extra={AS_LEVEL: "ERROR"})
            self.failures[outcome.part.key] = outcome.error
            self.progress.part_failed(outcome)

    def _commit(self, outcome: Outcome) -> Outcome:
        """Append the rows table by table, the marker last; rows that break a constraint fail the part."""
        began = time.perf_counter()
        try:
            for name, writer in self._writers.items():
                if name in outcome.tables:
                    writer.append_spooled(outcome.part.key, outcome.tables[name])
        except SchemaError as error:
            return Outcome(outcome.part, error=f"{type(error).__name__}: {error}")
        outcome = replace(outcome, version=self._marker.table.known_version)
        logger.info(
            COMMITTED,
            *(outcome.part.key, outcome.seconds, time.perf_counter() - began, outcome.version),
        )
        self.progress.part_committed(outcome, outcome.tables[self._marker.table.schema.table].rows)
        return outcome

    def _overtaken(self, newest: Assembly) -> Assembly:
        if newest.status == "completed":
            # the shards of an array complete one another
            level = logging.WARNING if self.shard.is_whole else logging.INFO
            logger.log(
                level, "%s was completed meanwhile by a process on %s.", newest.assembly_id, newest.host
            )
        return self._refuse_discarded(newest)

    def _refuse_discarded(self, ended: Assembly) -> Assembly:
        """Return the assembly as it ended; raise if it has been discarded."""
        if ended.status == "discarded":
            which = f"{self.name} {ended.assembly_id}"
            why = (ended.note or ended.error or "no reason given").rstrip(".")
            raise AssemblyError(
                f"{ended.assembly_id} was discarded meanwhile on {ended.host}: {why}. This run has stopped. "
                f"Take it back with: lakebatch restore {which} --reason TEXT, then go on with: lakebatch resume {which}"
            )
        return ended

    def _interrupted(self) -> RunInterrupted:
        ended = self._refuse_discarded(self._interrupt())
        option = "" if self.shard.is_whole else f" --shard {self.shard}"
        return RunInterrupted(
            f"Interrupted with {ended.parts_done} of {ended.parts_planned} parts done. "
            f"Continue with: lakebatch resume {self.name} {ended.assembly_id}{option}"
        )

    def _release(self) -> None:
        """Record that this process no longer works on the assembly, if the lake can still be written."""
        try:
            self._interrupt()
        except LakebatchError as error:
            logger.warning("Could not record the interruption: %s", error)

    def _interrupt(self) -> Assembly:
        return _record_interruption(
            self.stored.log, self.assembly, self.shard, self._reached(), self.failures
        )

    def _conclude(self) -> Assembly:
        """Hand in this share; the process that hands in the last one records how the assembly ended."""
        self.assembly = _hand_in(self.stored.log, self.assembly, self.shard, self._reached, self.failures)
        if not _is_last(self.assembly, self.shard):
            return self.assembly
        self.failures = self.assembly.failures | self.failures
        reached = self._reached() | self._count_omissions()
        if reached["parts_done"] < len(self.plan.parts):
            return self._record("failed", reached)
        self.failures = {}
        optimize.compact_assembly(self._marker.table, self.stored.log.table, self.assembly.assembly_id)
        # an earlier event, also of another process, may have recorded the version of the last rows
        version = self.stored.claim_version(self.assembly.assembly_id)
        if self._marker.table is not self.stored.results:
            version = self._marker.table.version()
        ended = self._record("completed", reached | {"results_version": version})
        published.bring_up_to_date(self.stored)
        return ended

    def _record(
        self, status: Literal["started", "completed", "failed"], reached: Mapping[str, Any]
    ) -> Assembly:
        """Record a status and how far the assembly is."""
        error = join_failures(self.failures)
        ended = self.stored.log.record(self.assembly, status, **reached, error=error)
        done = (ended.parts_done, ended.parts_planned, ended.rows)
        logger.info("%s is %s: %d of %d parts, %d rows", ended.assembly_id, ended.status, *done)
        return ended

    def _reached(self) -> dict[str, Any]:
        return read_latest(self._marker.table, self._progress)

    def _count_omissions(self) -> dict[str, Any]:
        """Return the environment of the last event, with the counts of rows without a metric and of dropped samples."""
        if RESULTS not in self._writers:
            return {}
        found = count_missing_metrics(self.stored.results, self.assembly.assembly_id)
        environment = {**self.assembly.surroundings, missing_metrics.KEY: found.record()}
        environment.pop(dropped_samples.KEY, None)
        if SAMPLES in self._writers:
            samples = self._writers[SAMPLES].table
            dropped = count_dropped_samples(samples, self.stored.results, self.assembly.assembly_id)
            environment |= {dropped_samples.KEY: dropped.record()} if dropped else {}
        return {"environment": canonical_json(environment)}

    def _progress(self, table: TableVersion) -> dict[str, Any]:
        assembly_id = self.assembly.assembly_id
        return {
            "parts_done": len(committed_parts(table, assembly_id)),
            "rows": table.rows_by_assembly.get(assembly_id, 0),
            "results_version": table.number,
        }


def _record_interruption(
    log: AssemblyLog,
    assembly: Assembly,
    shard: Shard,
    reached: Mapping[str, Any],
    failures: Mapping[str, str],
) -> Assembly:
    """Record how far the assembly is, and that this process has stopped early."""
    if shard.is_whole:
        return log.record(assembly, "started", **reached, error=join_failures(failures))
    return shards.leave(log, assembly, shard, "interrupted", reached, failures)


def _hand_in(
    log: AssemblyLog,
    assembly: Assembly,
    shard: Shard,
    reached: Callable[[], Mapping[str, Any]],
    failures: Mapping[str, str],
) -> Assembly:
    """Record that a shard is done; a process outside of any array records nothing, because it concludes at once."""
    return assembly if shard.is_whole else shards.leave(log, assembly, shard, "done", reached(), failures)


def _is_last(assembly: Assembly, shard: Shard) -> bool:
    """Whether all shares are handed in, so that this process concludes the assembly."""
    return shard.is_whole or shards.is_ended(assembly, shard)
