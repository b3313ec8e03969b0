"""Computes what an assembly still lacks and commits it, part by part."""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import polars as pl

from lakebatch.assembly import shards
from lakebatch.assembly.part_writer import PartWriter, Rows, check_reasons, committed_parts
from lakebatch.assembly.record import UNDECIDED, Assembly, join_failures, now
from lakebatch.assembly.shards import End, Shard
from lakebatch.assembly.spool import count_rows
from lakebatch.assembly.tables import ExperimentTables
from lakebatch.errors import AssemblyError, ExperimentError, LakebatchError, RunInterrupted, SchemaError
from lakebatch.executor.base import Executor
from lakebatch.executor.counters import Counters
from lakebatch.executor.worker import Job, Outcome
from lakebatch.experiment.contract import ConfigModel, Part
from lakebatch.experiment.registry import AnyExperiment, Source
from lakebatch.maintenance import optimize
from lakebatch.runner.progress import Progress, Work
from lakebatch.storage.delta.read_again import read_latest
from lakebatch.storage.delta.version import TableVersion

logger = logging.getLogger(__name__)

CHECK_SECONDS = 15.0
"""How often a run looks, beside before each commit, whether its assembly was discarded or completed by somebody else."""


class _OvertakenError(Exception):
    """The assembly was discarded, or completed by another process, as its newest event says."""

    def __init__(self, newest: Assembly) -> None:
        super().__init__(newest.assembly_id)
        self.newest = newest


@dataclass(frozen=True)
class RunPlan:
    """An assembly with everything that is needed to work on it."""

    stored: ExperimentTables
    source: Source
    experiment: AnyExperiment
    config: ConfigModel
    parts: tuple[Part, ...]
    assembly: Assembly
    shard: Shard | None = None

    @property
    def share(self) -> list[Part]:
        """The parts that fall to this process: all of them, unless it is one of several."""
        return list(self.parts) if self.shard is None else self.shard.share(self.parts)


class AssemblyRun:
    """One process's work on one assembly: it is the only writer of its share."""

    def __init__(self, subject: RunPlan, executor: Executor, progress: Progress) -> None:
        self.subject = subject
        self.executor = executor
        self.progress = progress
        self.failures: dict[str, str] = {}
        self._is_new = subject.assembly.event == 0
        self._writers = {name: _writer(subject, name) for name in subject.experiment.tables}
        self._marker = self._writers[subject.experiment.tables[-1]]
        self._looked_at = time.monotonic()

    def carry_out(self) -> Assembly:
        """Compute and commit every pending part, and return the assembly as it ended.

        Raises
        ------
        RunInterrupted
            If it was stopped on request.
        AssemblyError
            If the assembly was discarded meanwhile.
        """
        done = set() if self._is_new else self._marker.committed()
        pending = [part for part in self.subject.share if part.key not in done]
        try:
            with tempfile.TemporaryDirectory(prefix="lakebatch-") as folder:
                self._compute(pending, Path(folder), len(self.subject.share) - len(pending))
            self._look()
        except _OvertakenError as overtaken:
            return self._overtaken(overtaken.newest)
        except KeyboardInterrupt as interrupt:
            raise self._interrupted() from interrupt
        except Exception:
            self._let_go()
            raise
        return self._kept(self._conclude())

    def _compute(self, pending: list[Part], scratch: Path, done: int) -> None:
        subject = self.subject
        job = Job(
            subject.assembly.assembly_id,
            subject.source,
            subject.assembly.settings,
            subject.assembly.seed,
            scratch,
            subject.assembly.surroundings.get("source_hash"),
        )
        amount = sum(subject.experiment.work(part, subject.config) for part in pending)
        work = Work(amount, subject.experiment.unit, parts=done + len(pending))
        with Counters.create(scratch, len(pending)) as counters:
            try:
                self.progress.started(subject.assembly, done, work, counters)
                taken = self._take_each(job, pending)
            finally:
                self.progress.ended()  # before the counters are closed, which a display reads
        if taken < len(pending):
            raise KeyboardInterrupt

    def _take_each(self, job: Job, pending: list[Part]) -> int:
        """Compute parts until none is left, or until it is asked to stop, and return how many have ended."""
        logger.info("computing %d parts in %s", len(pending), self.executor.describe())
        taken = 0
        for outcome in self.executor.execute(job, pending, self._wants_to_stop):
            self._take(outcome)
            taken += 1
        return taken

    def _wants_to_stop(self) -> bool:
        """Say whether no more parts are to be begun; raise where none is to be committed any more."""
        if time.monotonic() - self._looked_at > CHECK_SECONDS:
            self._look()
        return self.progress.wants_to_stop()

    def _look(self) -> None:
        """Raise `_OvertakenError` if the assembly needs no more parts; a look that fails decides nothing."""
        newest = None
        try:
            newest = self.subject.stored.log.cached_latest(self.subject.assembly.assembly_id)
        except LakebatchError as error:
            logger.info("could not look whether %s goes on: %s", self.subject.assembly.assembly_id, error)
        self._looked_at = time.monotonic()
        if newest is not None and newest.status not in UNDECIDED:
            raise _OvertakenError(newest)

    def _take(self, outcome: Outcome) -> None:
        """Commit the rows of a part, or note why there are none."""
        self._look()
        if outcome.error is None:
            outcome = self._commit(outcome)
        if outcome.error is not None:
            logger.debug("part %s failed:\n%s", outcome.part.key, outcome.trace)
            self.failures[outcome.part.key] = outcome.error
            self.progress.part_failed(outcome)

    def _commit(self, outcome: Outcome) -> Outcome:
        """Append the rows table by table, the marker last; rows that break the contract fail the part."""
        at, began = now(), time.perf_counter()
        try:
            self._check_tables(outcome)
            for name, writer in self._writers.items():
                if name in outcome.tables:
                    writer.append(outcome.part.key, outcome.tables[name], at)
        except (SchemaError, ExperimentError) as error:
            return Outcome(outcome.part, error=f"{type(error).__name__}: {error}")
        outcome = replace(outcome, version=self._marker.table.known_version)
        logger.info(
            "part %s: computed in %.2f s, committed in %.2f s as version %s",
            *(outcome.part.key, outcome.seconds, time.perf_counter() - began, outcome.version),
        )
        self.progress.part_committed(outcome, _height(outcome.tables[self._marker.table.schema.table]))
        return outcome

    def _check_tables(self, outcome: Outcome) -> None:
        declared = ", ".join(self._writers)
        unknown = sorted(set(outcome.tables) - set(self._writers))
        if unknown:
            raise ExperimentError(f"run() returned rows for {', '.join(unknown)}. Its tables are {declared}.")
        marker = self._marker.table.schema.table
        if not _height(outcome.tables.get(marker, pl.DataFrame())):
            raise ExperimentError(f"run() returned no row for {marker!r}, in which each part must have one.")
        for name, rows in outcome.tables.items():
            check_reasons(rows, self._writers[name].table.schema)

    def _overtaken(self, newest: Assembly) -> Assembly:
        if newest.status == "completed":
            level = (
                logging.WARNING if self.subject.shard is None else logging.INFO
            )  # shards complete one another
            logger.log(
                level, "%s was completed meanwhile by a process on %s.", newest.assembly_id, newest.host
            )
        return self._kept(newest)

    def _kept(self, ended: Assembly) -> Assembly:
        """Return the assembly as it ended; refuse one that was discarded meanwhile."""
        if ended.status == "discarded":
            which = f"{self.subject.stored.name} {ended.assembly_id}"
            why = (ended.note or ended.error or "no reason given").rstrip(".")
            raise AssemblyError(
                f"{ended.assembly_id} was discarded meanwhile on {ended.host}: {why}. This run has stopped. "
                f"Take it back with: lakebatch restore {which} --reason TEXT, then go on with: lakebatch resume {which}"
            )
        return ended

    def _interrupted(self) -> RunInterrupted:
        ended = self._kept(self._leave("interrupted"))
        shard = f" --shard {self.subject.shard}" if self.subject.shard else ""
        return RunInterrupted(
            f"Interrupted with {ended.parts_done} of {ended.parts_planned} parts done. "
            f"Continue with: lakebatch resume {self.subject.stored.name} {ended.assembly_id}{shard}"
        )

    def _let_go(self) -> None:
        """Say, if the lake still hears it, that this process no longer works on the assembly."""
        try:
            self._leave("interrupted")
        except LakebatchError as error:
            logger.warning("Could not record the interruption: %s", error)

    def _leave(self, end: End) -> Assembly:
        """Record how far the assembly is, and that this process no longer works on it."""
        subject, reached = self.subject, self._reached()
        if subject.shard is None:
            return self._record("started", reached)
        log = subject.stored.log
        return shards.leave(log, subject.assembly, subject.shard, end, reached, self.failures)

    def _conclude(self) -> Assembly:
        """Record how the assembly ended, if it has: of several processes, whoever finds that it has does so."""
        if self.subject.shard is not None:
            left = self._leave("done")
            if not shards.is_ended(left, self.subject.shard):
                return left
            self.subject = replace(self.subject, assembly=left)
            self.failures = left.failures
        reached = self._reached()
        if reached["parts_done"] < len(self.subject.parts):
            return self._record("failed", reached)
        self.failures = {}
        optimize.compact_assembly(
            self._marker.table, self.subject.stored.log.table, self.subject.assembly.assembly_id
        )
        # another event may have recorded the version of the last rows, also one of an earlier process
        self.subject.stored.claim_version(self.subject.assembly.assembly_id)
        return self._record("completed", reached | {"results_version": self._marker.table.version()})

    def _record(
        self, status: Literal["started", "completed", "failed"], reached: Mapping[str, Any]
    ) -> Assembly:
        """Record how far the assembly is, with the version of the table that says so."""
        error = join_failures(self.failures)
        return self.subject.stored.log.record(self.subject.assembly, status, **reached, error=error)

    def _reached(self) -> dict[str, Any]:
        return read_latest(self._marker.table, self._progress)

    def _progress(self, table: TableVersion) -> dict[str, Any]:
        assembly_id = self.subject.assembly.assembly_id
        return {
            "parts_done": len(committed_parts(table, assembly_id)),
            "rows": table.rows_by_assembly().get(assembly_id, 0),
            "results_version": table.number,
        }


def _writer(subject: RunPlan, table: str) -> PartWriter:
    metadata = {
        "lakebatch.experiment": subject.stored.folder,
        "lakebatch.config_hash": subject.assembly.config_hash,
        "lakebatch.code_version": subject.assembly.code_version,
    }
    assembly = subject.assembly
    return PartWriter(subject.stored.table(table), assembly.assembly_id, metadata, is_new=assembly.event == 0)


def _height(rows: Rows) -> int:
    return rows.height if isinstance(rows, pl.DataFrame) else count_rows(rows)
