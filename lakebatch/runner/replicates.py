"""Sets of replicates: assemblies of one config, one after the other, a given number or until a mean is precise enough.

Each replicate is an ordinary assembly whose events name its place in the set. A place is taken in the commit that begins
the assembly, so that no two processes compute the same one; whatever goes on later is derived from the events alone.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import replace
from numbers import Integral
from pathlib import Path
from typing import Any

from lakebatch.analysis import condition, precision
from lakebatch.assembly.record import Assembly
from lakebatch.assembly.replication import ReplicatePlace
from lakebatch.assembly.shards import Shard
from lakebatch.errors import AssemblyError, ConfigError
from lakebatch.executor.base import Executor
from lakebatch.experiment import registry
from lakebatch.experiment.plan import RunPlan
from lakebatch.ids import check_new_name
from lakebatch.lake.lake import Lake
from lakebatch.runner import first_event
from lakebatch.runner import run as runner
from lakebatch.runner import start_from as start_from_record
from lakebatch.runner.assembly_run import Progress
from lakebatch.runner.first_event import Labels
from lakebatch.runner.replica_run import ReplicaRun
from lakebatch.runner.resume import recorded_plan

MAX_REPLICATES = 100
"""Largest number of replicates of a set with a condition, unless another one is given."""
MAX_COUNT = 100_000
SHARED = "The tasks of an array share the parts of one assembly, and replicates are several. Leave out one of both."


def requested(
    replicates: int | None = None,
    until: str | None = None,
    max_replicates: int | None = None,
    group: str | None = None,
) -> ReplicatePlace | None:
    """Return the first place of a set of replicates that arguments ask for; None if they ask for a single assembly.

    Raises
    ------
    ConfigError
        If a number is out of range, a condition cannot be read, or arguments exclude each other.
    """
    if until is None:
        if lone := [
            name
            for name, value in (("max_replicates", max_replicates), ("group", group))
            if value is not None
        ]:
            raise ConfigError(
                f"{lone[0]} belongs to a condition. Give until too, such as {condition.EXAMPLES}."
            )
        if replicates is None:
            return None
        return ReplicatePlace(secrets.token_hex(6), 1, _number("replicates", replicates, 1))
    if replicates is not None:
        raise ConfigError(
            "replicates and until exclude each other. For at most N replicates give max_replicates."
        )
    limit = MAX_REPLICATES if max_replicates is None else max_replicates
    of = _number("max_replicates", limit, precision.MIN_REPLICATES)
    if group is not None:
        group = ",".join(f"{name}={value}" for name, value in condition.parse_group(group).items())
    return ReplicatePlace(secrets.token_hex(6), 1, of, str(condition.parse(until)), group)


def run(
    lake: Lake,
    name: str,
    first: ReplicatePlace | None = None,
    *,
    seed: int | None = None,
    jobs: int | None = None,
    executor: Executor | None = None,
    shard: Shard | None = None,
    accept_changes: bool = False,
    progress: Progress | None = None,
    **given: Any,
) -> Assembly:
    """Run a new assembly or a set of replicates, and return the last assembly as it ended.

    Parameters
    ----------
    first : ReplicatePlace, optional
        The first place of the set, see `requested`; a single assembly without it.
    seed : int, optional
        Seed of the assembly; that of each replicate of a set derives from it.
    **given
        The layers of the config and what is said of the assembly, see `lakebatch.runner.run.run`.

    Raises
    ------
    LakebatchError
        If the experiment, the config or the condition cannot be used; nothing has been started then.
    RunInterrupted
        If it was stopped; `resume` continues.
    """
    if first is None:
        return runner.run(
            lake, name, **given, seed=seed, jobs=jobs, executor=executor, shard=shard,
            accept_changes=accept_changes, progress=progress,
        )  # fmt: skip
    if shard is not None:
        raise ConfigError(SHARED)
    plan, labels = _plan(lake, name, **given)
    place = replace(first, seed=first_event.check_seed(seed))
    where = runner.place(executor, jobs)
    stored = runner.ensure(lake, plan)
    return ReplicaRun(
        lake, stored, plan, place, where, progress, accept=accept_changes, labels=labels
    ).complete()


def _plan(
    lake: Lake,
    name: str,
    *,
    preset: str | None = None,
    start_from: str | None = None,
    config: Path | None = None,
    settings: Iterable[str] = (),
    overrides: Mapping[str, Any] | None = None,
    same_seed: bool = False,
    assembly_name: str | None = None,
    note: str | None = None,
) -> tuple[RunPlan, Labels]:
    """Return the plan of every replicate of a new set, and what a user says of it.

    Raises
    ------
    ConfigError
        If the config cannot be used, or what is said is of one assembly only.
    """
    if same_seed or assembly_name is not None:
        what = "same_seed is the seed" if same_seed else "assembly_name is the name"
        raise ConfigError(f"{what} of one assembly, and replicates are several. Leave it out.")
    source = registry.get(name)
    check_new_name(source.name)
    layers = {"file": config, "settings": settings, "overrides": overrides}
    planned, origin = start_from_record.plan(lake, source, start_from, preset, **layers)
    return planned, Labels.of(name=None, note=note, start_from=origin.reference if origin else None)


def resume(
    lake: Lake,
    name: str,
    assembly_id: str,
    *,
    jobs: int | None = None,
    executor: Executor | None = None,
    shard: Shard | None = None,
    accept_changes: bool = False,
    progress: Progress | None = None,
) -> Assembly:
    """Continue an assembly and, if it belongs to a set of replicates, the set; return the last assembly as it ended.

    A task of an array continues its share of the assembly alone.

    Raises
    ------
    AssemblyError
        See `lakebatch.runner.run.resume`.
    """
    stored = lake[name]
    chosen = stored.log.get(assembly_id)
    if shard is not None or chosen.replicate is None:
        return runner.resume(
            lake, name, assembly_id, jobs=jobs, executor=executor, shard=shard,
            accept_changes=accept_changes, progress=progress,
        )  # fmt: skip
    if worker := chosen.worker_seen():
        raise AssemblyError(
            f"{chosen.assembly_id} is being computed by {worker}. Wait for it, or stop it{worker.hint}."
        )
    plan = recorded_plan(stored, chosen)
    place, where = chosen.replicate.at(chosen.replicate.index), runner.place(executor, jobs)
    return ReplicaRun(lake, stored, plan, place, where, progress, accept=accept_changes).complete()


def _number(name: str, value: int, minimum: int) -> int:
    if isinstance(value, bool) or not isinstance(value, Integral) or not minimum <= value <= MAX_COUNT:
        why = ": the rule does not stop before" if minimum > 1 else ""
        raise ConfigError(f"{name} is {value!r}. Expected {minimum} to {MAX_COUNT}{why}.")
    return int(value)
