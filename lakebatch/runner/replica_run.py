"""Computation of the replicates that a set lacks, and the decision when to end it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import polars as pl

from lakebatch.analysis import condition, precision
from lakebatch.assembly import decisions, replica_sets, replication
from lakebatch.assembly.record import UNDECIDED, Assembly, is_resumable
from lakebatch.assembly.replication import ReplicatePlace
from lakebatch.assembly.seeds import replicate_seed
from lakebatch.assembly.shards import Shard
from lakebatch.errors import AssemblyError, RunInterrupted
from lakebatch.executor.base import Executor
from lakebatch.experiment.plan import RunPlan
from lakebatch.ids import canonical_json
from lakebatch.lake.experiment import StoredExperiment
from lakebatch.lake.lake import Lake
from lakebatch.runner import run as runner
from lakebatch.runner.assembly_run import Progress
from lakebatch.runner.first_event import NO_LABELS, Labels
from lakebatch.runner.resume import accepted_changes

logger = logging.getLogger(__name__)

MAX_FAILED = 3
# replicates in a row that fail before a set stops: the experiment is at fault then


class _TakenError(Exception):
    """Another process has begun the replicate."""


class ReplicaRun:
    """Computes what is missing of one set; other processes may do so at the same time."""

    def __init__(
        self,
        lake: Lake,
        stored: StoredExperiment,
        plan: RunPlan,
        place: ReplicatePlace,
        executor: Executor,
        progress: Progress | None,
        *,
        accept: bool,
        labels: Labels = NO_LABELS,
    ) -> None:
        self.lake = lake
        self.stored = stored
        self.plan = plan
        self.place = place
        self.executor = executor
        self.progress = progress or Progress()
        self.accept = accept
        self.labels = labels
        self.condition = None if place.until is None else condition.parse(place.until)
        self.group = {} if place.group is None else condition.parse_group(place.group)
        self._tried: set[str] = set()  # so that a replicate that failed is tried once per process
        self._failed = 0  # replicates in a row
        self._current = place
        self._means: dict[str, pl.DataFrame] = {}  # of completed replicates, which do not change
        if self.condition is not None:
            precision.check(self.condition, self.group, stored.snapshot().roles)

    def complete(self) -> Assembly:
        """Compute replicates until the set is ended, and return the last one."""
        while True:
            with self._interruptible():
                ended = self._next()
            if ended is not None:
                return ended

    def _next(self) -> Assembly | None:
        """Compute one replicate; return the last one if the set needs no more, and record why."""
        members = self._members()
        if (left := self._resumable(members)) and self._failed < MAX_FAILED:
            self._resume(left)
            return None
        if members and (reason := self._reason_to_stop(members)):
            return self._record(members, reason)
        if members and (self._failed >= MAX_FAILED or not self._lacks(members)):
            return self._left_open(members)
        self._begin(members)
        return None

    def _members(self) -> list[Assembly]:
        return replica_sets.members(self.stored.log.latest(), self.place.set)

    def _resumable(self, members: list[Assembly]) -> Assembly | None:
        """Return a replicate that was interrupted or failed, and that this process has not tried."""
        return next(
            (each for each in members if each.assembly_id not in self._tried and is_resumable(each)), None
        )

    def _resume(self, member: Assembly) -> None:
        self._tried.add(member.assembly_id)
        self._current = member.replicate or self.place
        try:
            ended = runner.resume(
                self.lake,
                self.stored.reference,
                member.assembly_id,
                executor=self.executor,
                accept_changes=self.accept,
                progress=self.progress,
            )
        except AssemblyError:
            if not self.stored.log.get(member.assembly_id).is_worked_on():
                raise
            return  # another process was first
        self._note(ended)

    def _begin(self, members: list[Assembly]) -> None:
        """Begin and compute the next replicate, unless another process has begun it."""
        index = max((each.replicate.index for each in members if each.replicate), default=0) + 1
        place = self._current = self.place.at(index)

        def refuse_if_taken(assemblies: list[Assembly]) -> None:
            newest = replica_sets.members(assemblies, place.set)
            if any(each.replicate is not None and each.replicate.index >= index for each in newest):
                raise _TakenError

        note = accepted_changes(self.stored, members[0], self.plan, accept=self.accept) if members else None
        try:
            ended = runner.begin(
                self.lake,
                self.plan,
                None if place.seed is None else replicate_seed(place.seed, index),
                self.executor,
                Shard.whole(),
                self.progress,
                accept=self.accept,
                aside={replication.KEY: place.record()},
                labels=replace(self.labels, note=note or self.labels.note),
                unless=refuse_if_taken,
            )
        except _TakenError:
            return
        self._tried.add(ended.assembly_id)
        self._note(ended)

    def _note(self, ended: Assembly) -> None:
        self._failed = self._failed + 1 if ended.status == "failed" else 0

    def _lacks(self, members: list[Assembly]) -> bool:
        """Whether one more replicate is to be begun: those that run elsewhere, or failed, are not replaced."""
        return self._begun(members) < self.place.of

    def _begun(self, members: list[Assembly]) -> int:
        return replica_sets.count(members, "completed", *UNDECIDED)

    def _reason_to_stop(self, members: list[Assembly]) -> str:
        """Return why the set needs no more replicates, in one sentence; empty if it needs some."""
        done = [each for each in members if each.status == "completed"]
        if self.condition is None:
            enough = len(done) >= self.place.of
            return (
                f"{len(done)} of {self.place.of} replicates are completed{self._omitted(members)}"
                if enough
                else ""
            )
        if not done:
            return ""
        found = self._precisions([each.assembly_id for each in done])
        widest = f"{precision.widest(found, self.condition)}{self._omitted(members)}"
        remarks = [precision.lacking(found, self.condition, len(done)), precision.without_spread(found)]
        ending = "".join(f"; {each}" for each in (widest, *filter(None, remarks))).removeprefix("; ")
        if precision.narrow_enough(found, self.condition):
            return f"stopped after {len(done)} replicates: {ending}"
        if len(done) >= precision.MIN_REPLICATES and any(each.n == 0 for each in found):
            return f"stopped after {len(done)} replicates, since a group has no {self.condition.metric}: {ending}"
        is_last = self._begun(members) >= self.place.of and not any(each.is_worked_on() for each in members)
        if is_last and replica_sets.count(members, "started") == 0:
            return f"stopped at --max-replicates {self.place.of}, not {self.condition}: {ending}"
        return ""

    def _precisions(self, ids: list[str]) -> list[precision.Precision]:
        assert self.condition is not None
        metric, snapshot = self.condition.metric, self.stored.snapshot()
        if new := [each for each in ids if each not in self._means]:
            read = snapshot.collected(
                None, lambda rows: precision.unit_means(rows, metric, snapshot.roles), only=new
            )
            self._means |= {each: read.filter(assembly_id=each) for each in new}
        means = pl.concat([self._means[each] for each in ids])
        return precision.precisions(means, self.condition, snapshot.roles, self.group)

    def _omitted(self, members: list[Assembly]) -> str:
        """Return how many replicates are not counted, in words; empty if all are."""
        counts = [(each, replica_sets.count(members, each)) for each in ("failed", "discarded")]
        named = ", ".join(f"{count} {status}" for status, count in counts if count)
        return f"; not counted: {named}" if named else ""

    def _record(self, members: list[Assembly], reason: str) -> Assembly:
        """Record why the set has ended as an event of its last completed replicate, and return that one."""
        last = [each for each in members if each.status == "completed"][-1]
        if replica_sets.decision(members) != reason:
            assert last.replicate is not None
            place = replace(last.replicate, decision=reason)
            environment = {**last.surroundings, replication.KEY: place.record()}
            last = decisions.note(self.stored, last, reason, environment=canonical_json(environment))
        logger.info("replicates of %s: %s", self.stored.reference, reason)
        return last

    def _left_open(self, members: list[Assembly]) -> Assembly:
        """Return the newest replicate of a set that others still compute, or that has failed ones."""
        failed = [each.assembly_id for each in members if each.status == "failed"]
        if failed:
            logger.warning(
                "%d of %d replicates failed: %s. Try them again with: lakebatch resume %s %s",
                *(len(failed), len(members), ", ".join(failed), self.stored.reference, failed[-1]),
            )
        return next(each for each in reversed(members) if not failed or each.status == "failed")

    @contextmanager
    def _interruptible(self) -> Iterator[None]:
        """Name the command that continues the set after Ctrl-C."""
        try:
            if self.progress.wants_to_stop():
                raise KeyboardInterrupt
            yield
        except RunInterrupted as interrupt:
            text = str(interrupt).replace("Interrupted with", f"Interrupted in {self._current} with", 1)
            raise RunInterrupted(text) from interrupt
        except KeyboardInterrupt as interrupt:
            members = self._members()
            if not members:
                raise
            done = replica_sets.count(members, "completed")
            of = f"up to {self.place.of}" if self.place.until else str(self.place.of)
            raise RunInterrupted(
                f"Interrupted with {done} of {of} replicates completed. "
                f"Continue with: lakebatch resume {self.stored.reference} {members[-1].assembly_id}"
            ) from interrupt
