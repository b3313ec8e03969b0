"""Sweeps: a plan of points in the lake, and the computation of what is missing of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

from lakebatch import _html
from lakebatch.assembly.labels import SWEEP
from lakebatch.assembly.record import Assembly, InUseError, now
from lakebatch.assembly.shards import Shard
from lakebatch.assembly.sweep_claims import MISSING, Replicate, assemblies_of, counts, replicates
from lakebatch.assembly.sweeps import Sweep, new_name
from lakebatch.errors import AssemblyError, ConfigError, RunInterrupted
from lakebatch.executor.base import Executor
from lakebatch.executor.local import kept
from lakebatch.experiment import registry
from lakebatch.experiment.plan import RunPlan
from lakebatch.experiment.registry import Source
from lakebatch.experiment.sweep_design import Design, Sweepable, shown
from lakebatch.ids import check_new_name
from lakebatch.lake.experiment import StoredExperiment
from lakebatch.lake.lake import Lake
from lakebatch.runner import run as runner
from lakebatch.runner.assembly_run import Progress
from lakebatch.runner.resume import accepted_changes, source_of
from lakebatch.runner.sweep_points import SweepRequest, plan_sweep
from lakebatch.snapshot.sweeps import point_table


class SweepProgress(Progress):
    """Hooks of a sweep, beside those of its assemblies; a subclass overrides those that it needs."""

    def sweep_started(self, experiment: str, sweep: Sweep, share: Sequence[Replicate], edit: str) -> None:
        """Called once, with what this process shall see to, and what an edit of the sweep changed."""

    def replicate_ended(self, replicate: Replicate, ended: Assembly | None, reason: str = "") -> None:
        """Called when an assembly has ended; without one if it is left to another process, or cannot be run."""


@dataclass(frozen=True, repr=False)
class SweepRun:
    """The outcome of a run or a resumption of a sweep.

    Attributes
    ----------
    computed : list of Assembly
        The assemblies that this process completed.
    failures : mapping
        The reason of each failure of this process, by assembly id or by point.
    counts : mapping
        The number of replicates of the sweep in each state, afterwards.
    points : frame
        One row per replicate of each point.
    """

    experiment: str
    sweep: Sweep
    computed: list[Assembly] = field(repr=False)
    failures: Mapping[str, str]
    counts: Mapping[str, int]
    points: pl.DataFrame = field(repr=False)

    @property
    def is_done(self) -> bool:
        """Whether every replicate of every point is completed."""
        return sum(self.counts.values()) == self.counts["done"]

    def __repr__(self) -> str:
        return _html.short(f"<SweepRun {self._summary()}; see .points, .failures>")

    def _repr_html_(self) -> str:
        reasons = {"assembly or point": list(self.failures), "failure": list(self.failures.values())}
        failed = _html.section("Failed", pl.DataFrame(reasons)) if self.failures else ""
        return _html.section(self._summary(), self.points) + failed

    def _summary(self) -> str:
        states = ", ".join(f"{count} {state}" for state, count in self.counts.items() if count)
        return f"{self.experiment}, sweep {self.sweep.name}: {states}"


def run_sweep(
    lake: Lake,
    name: str,
    sweep: Sweepable | Design | SweepRequest,
    *,
    sweep_name: str | None = None,
    jobs: int | None = None,
    executor: Executor | None = None,
    shard: Shard | None = None,
    accept_changes: bool = False,
    progress: Progress | None = None,
    **given: Any,
) -> SweepRun:
    """Record a sweep in the lake and compute it: an assembly for each replicate of each point.

    A sweep of the same name is edited: new points are added, missing ones dropped, and what is done stays.

    Parameters
    ----------
    sweep : mapping, strings, or a path
        The swept keys with their values, see `lakebatch.experiment.sweep_design`.
    sweep_name : str, optional
        The name of the sweep; by default a new one, or that of the shard's array.
    shard : Shard, optional
        The share of the assemblies that this process sees to.
    **given
        ``draws``, ``design`` and ``sweep_seed``: how keys with a distribution are drawn; ``replicates``: the number of
        assemblies of each point, 1 by default; and the layers of the config and the seed as for `lakebatch.run`, see
        `lakebatch.runner.sweep_points.plan_sweep`.

    The other parameters are those of `lakebatch.run`.

    Raises
    ------
    LakebatchError
        If the sweep, the config of any point, or the lake cannot be used; nothing has been started then.
    RunInterrupted
        If it was stopped; `resume` continues.
    """
    asked = plan_sweep(lake, name, sweep, **given)
    source = asked.source
    check_new_name(source.name)
    share = shard or Shard.whole()
    plan = asked.named(sweep_name or share.array or new_name(now()))
    _check_name_is_free(lake, plan.name)
    place = runner.place(executor, jobs)
    place.check(source, accept_changes=accept_changes)
    stored = runner.ensure(lake, asked.points[0].plan)
    recorded, before = stored.sweep_log.write(plan)
    work = _SweepWork(lake, stored, source, recorded, place, share, accept_changes, progress or Progress())
    return work.carry_out(_edit_text(recorded, before))


def resume_sweep(
    lake: Lake,
    name: str,
    sweep: str,
    *,
    jobs: int | None = None,
    executor: Executor | None = None,
    shard: Shard | None = None,
    accept_changes: bool = False,
    progress: Progress | None = None,
) -> SweepRun:
    """Compute what is missing of a sweep: points that have not begun, and those that were interrupted or failed.

    Several processes on several machines can do so at once; each assembly is computed by one of them.
    """
    stored = lake[name]
    recorded = stored.sweep_log.get(sweep)
    source = source_of(stored, f"The sweep {sweep}")
    place = runner.place(executor, jobs)
    place.check(source, accept_changes=accept_changes)
    share = shard or Shard.whole()
    work = _SweepWork(lake, stored, source, recorded, place, share, accept_changes, progress or Progress())
    return work.carry_out("")


def _check_name_is_free(lake: Lake, name: str) -> None:
    """Raise if a name is that of an experiment, since `resume` takes either."""
    if name in registry.find() or name in [each.name for each in lake.begun()]:
        raise ConfigError(
            f"{name!r} is the name of an experiment. Choose another sweep_name=NAME (--sweep-name)."
        )


def _edit_text(sweep: Sweep, before: Sweep | None) -> str:
    """Return what an edit has changed; nothing for a new or unchanged sweep."""
    if before is None or before.event == sweep.event:
        return ""
    was = {each.config_hash for each in before.planned}
    now_planned = {each.config_hash for each in sweep.planned}
    changes = [
        f"{len(now_planned - was)} points added" if now_planned - was else "",
        f"{len(was - now_planned)} dropped (their rows stay)" if was - now_planned else "",
        f"{before.replicates} to {sweep.replicates} replicates"
        if before.replicates != sweep.replicates
        else "",
    ]
    return ", ".join(filter(None, changes))


@dataclass
class _SweepWork:
    """What one process does of a sweep, one assembly after the other."""

    lake: Lake
    stored: StoredExperiment
    source: Source
    sweep: Sweep
    executor: Executor
    shard: Shard
    accept: bool
    progress: Progress
    computed: list[Assembly] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)

    def carry_out(self, edit: str) -> SweepRun:
        """Compute every replicate of this process's share that no other process computes or has computed."""
        with self._interrupts():
            found = self._replicates()
            share = list(_share(found, self.shard))
            if isinstance(self.progress, SweepProgress):
                self.progress.sweep_started(
                    self.stored.reference, self.sweep, [each for each, _ in share], edit
                )
            with kept(self.executor) as self.executor:
                for replicate, shard in share:
                    if self.progress.wants_to_stop():
                        raise KeyboardInterrupt
                    self._see_to(replicate, shard)
        return self._outcome()

    def _replicates(self) -> list[Replicate]:
        """Return the replicates of the sweep as they are now."""
        return replicates(self.sweep, self._assemblies())

    def _assemblies(self) -> list[Assembly]:
        return assemblies_of(self.sweep.name, self.stored.log.read().rows, self.stored.log.leases())

    def _see_to(self, replicate: Replicate, shard: Shard) -> None:
        """Compute one replicate, unless another process does; a failure is recorded, and the sweep goes on."""
        begun = self._assemblies()
        replicate = replace(replicate, assembly=replicate.claim.holder(begun))
        if replicate.state == MISSING:
            self._check_code(replicate, begun)
        ended, reason = None, ""
        try:
            is_shared = not shard.is_whole and replicate.state == "running"
            if replicate.may_begin or is_shared:
                ended = self._compute(replicate, shard)
        except InUseError:
            pass
        except RunInterrupted:
            raise
        except AssemblyError as error:
            reason = str(error)
            self.failures[_place(replicate)] = reason
        if ended is not None and ended.status == "completed":
            self.computed.append(ended)
        elif ended is not None and ended.status == "failed":
            reason = ended.error or "failed"
            self.failures[ended.assembly_id] = reason
        if isinstance(self.progress, SweepProgress):
            self.progress.replicate_ended(replicate, ended, reason)

    def _compute(self, replicate: Replicate, shard: Shard) -> Assembly:
        """Begin the assembly of a replicate, or resume it: its committed parts stay."""
        if replicate.assembly is not None and replicate.assembly.array != (shard.array or None):
            return self._resume(replicate.assembly, shard)
        if replicate.assembly is not None and shard.is_whole:
            return self._resume(replicate.assembly, shard)
        plan = RunPlan.from_record(self.source, replicate.point.config)
        return runner.begin(
            self.lake, plan, self.sweep.seed, self.executor, shard, self.progress,
            accept=self.accept, aside={SWEEP: replicate.claim.record()}, unless=replicate.claim.refuse_taken,
        )  # fmt: skip

    def _resume(self, assembly: Assembly, shard: Shard) -> Assembly:
        return runner.resume(
            self.lake, self.stored.reference, assembly.assembly_id, executor=self.executor,
            shard=None if shard.is_whole else shard, accept_changes=self.accept, progress=self.progress,
        )  # fmt: skip

    def _check_code(self, replicate: Replicate, begun: Iterable[Assembly]) -> None:
        """Raise unless a new assembly will be computed by the code of the last one, or changes are accepted."""
        kept = [each for each in begun if each.status != "discarded"]
        if not kept:
            return
        last = max(kept, key=lambda each: each.run_number)
        plan = RunPlan.from_record(self.source, replicate.point.config)
        try:
            accepted_changes(self.stored, last, plan, accept=self.accept)
        except AssemblyError as error:
            what = str(error).partition(". Put them back")[0]
            raise AssemblyError(
                f"{what}. Put them back, begin another sweep, or let this one have rows of both with: "
                f"lakebatch resume {self.stored.reference} {self.sweep.name} --accept-changes"
            ) from error

    @contextmanager
    def _interrupts(self) -> Iterator[None]:
        """Turn an interrupt into one that says how far the sweep is and how to go on."""
        try:
            yield
        except KeyboardInterrupt as interrupt:
            states = counts(self._replicates())
            option = "" if self.shard.is_whole else f" --shard {self.shard}"
            raise RunInterrupted(
                f"Interrupted with {states['done']} of {sum(states.values())} assemblies of the sweep done. "
                f"Continue with: lakebatch resume {self.stored.reference} {self.sweep.name}{option}"
            ) from interrupt

    def _outcome(self) -> SweepRun:
        found = self._replicates()
        return SweepRun(
            self.stored.reference, self.sweep, self.computed, self.failures, counts(found), point_table(found)
        )


def _place(replicate: Replicate) -> str:
    return f"point {replicate.point.number} ({shown(replicate.point.values)})"


def _share(found: Sequence[Replicate], shard: Shard) -> Iterator[tuple[Replicate, Shard]]:
    """Yield the replicates that a task of an array sees to, each with its share of the parts.

    With more tasks than replicates, several tasks share the parts of one assembly.
    """
    if shard.is_whole or shard.of <= len(found):
        yield from ((each, Shard.whole()) for each in shard.share(found))
        return
    if not found:
        return
    index, position = (shard.index - 1) % len(found), (shard.index - 1) // len(found)
    replicate = found[index]
    of = shard.of // len(found) + (index < shard.of % len(found))
    array = f"{shard.array}.{replicate.point.number}.{replicate.number}"
    yield replicate, Shard(position + 1, of, array) if of > 1 else Shard.whole()
