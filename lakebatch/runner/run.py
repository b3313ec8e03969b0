"""Start of a new assembly, and resumption of an interrupted or failed one."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from lakebatch._version import __version__
from lakebatch.assembly import lease, logs, shards
from lakebatch.assembly.events import AssemblyLog
from lakebatch.assembly.labels import resumed_labels
from lakebatch.assembly.logs import RunLog
from lakebatch.assembly.record import (
    DISCARDED,
    WORKERS,
    Assembly,
    InUseError,
    Plan,
    Status,
    choose_resumable,
)
from lakebatch.assembly.shards import Shard
from lakebatch.errors import AssemblyError, ConfigError
from lakebatch.executor.base import Executor
from lakebatch.executor.declared import declared_schemas
from lakebatch.executor.local import Local
from lakebatch.experiment import registry
from lakebatch.experiment.plan import RunPlan
from lakebatch.experiment.registry import AnyExperiment
from lakebatch.ids import canonical_json, check_new_name, folder_name
from lakebatch.lake.experiment import StoredExperiment
from lakebatch.lake.lake import Lake
from lakebatch.runner import first_event
from lakebatch.runner import start_from as start_from_record
from lakebatch.runner.assembly_run import AssemblyRun, Progress
from lakebatch.runner.first_event import NO_LABELS, Labels
from lakebatch.runner.resume import (
    accepted_changes,
    recorded_plan,
    warn_of_changed_source,
    warn_of_other_lakebatch,
)

logger = logging.getLogger(__name__)


def run(
    lake: Lake,
    name: str,
    *,
    preset: str | None = None,
    start_from: str | None = None,
    config: Path | None = None,
    settings: Iterable[str] = (),
    overrides: Mapping[str, Any] | None = None,
    seed: int | None = None,
    same_seed: bool = False,
    assembly_name: str | None = None,
    note: str | None = None,
    jobs: int | None = None,
    executor: Executor | None = None,
    shard: Shard | None = None,
    accept_changes: bool = False,
    progress: Progress | None = None,
) -> Assembly:
    """Run a new assembly of an experiment and return it as it ended: completed, or failed.

    Parameters
    ----------
    preset, config, settings, overrides
        The layers of the config, see `lakebatch.experiment.config.resolve`.
    start_from : str, optional
        The id or name of an assembly of the experiment, whose config takes the place of the preset. NAME@v1:ID names one
        of another experiment version.
    seed : int, optional
        The assembly's seed; without it every assembly is an independent replicate.
    same_seed : bool
        Take the seed of the assembly to start from.
    assembly_name : str, optional
        A name for the assembly, which is accepted wherever its id is. No two assemblies of an experiment that are not
        discarded have the same.
    note : str, optional
        A note about the assembly, see `StoredExperiment.note`.
    jobs : int, optional
        Worker processes; all processors by default. The rows do not depend on it.
    executor : Executor, optional
        Where parts are computed, instead of in ``jobs`` worker processes, see `lakebatch.executor`.
    shard : Shard, optional
        The share of the parts that this process computes, see `lakebatch.assembly.shards`. The processes of an array
        compute one assembly: the first process starts it, the last one completes it.
    accept_changes : bool
        Compute although rows of the assembly will come from several codes: workers of a Dask cluster have other
        versions of packages, or the array began its assembly with another source or other packages.

    Raises
    ------
    LakebatchError
        If the experiment, the config or the lake cannot be used; no assembly has been started then.
    RunInterrupted
        If it was stopped; `resume` continues.
    """
    source = registry.get(name)
    check_new_name(source.name)
    layers = {"file": config, "settings": settings, "overrides": overrides}
    plan, origin = start_from_record.plan(lake, source, start_from, preset, **layers)
    seed = start_from_record.seed(origin, seed, same_seed=same_seed)
    labels = first_event.Labels.of(
        name=assembly_name, note=note, start_from=origin.reference if origin else None
    )
    where, share = place(executor, jobs), _share(shard)
    return begin(lake, plan, seed, where, share, progress, labels=labels, accept=accept_changes)


def repeat(
    lake: Lake,
    stored: StoredExperiment,
    assembly: Assembly,
    *,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> Assembly:
    """Run an assembly again from its record, with its seed, as a new assembly of another lake.

    Raises
    ------
    AssemblyError
        If the code has another experiment version, or plans other parts.
    """
    plan = recorded_plan(stored, assembly)
    return begin(lake, plan, assembly.seed, Local.of(jobs), Shard.whole(), progress)


def begin(
    lake: Lake,
    plan: RunPlan,
    seed: int | None,
    executor: Executor,
    shard: Shard,
    progress: Progress | None,
    *,
    labels: Labels = NO_LABELS,
    accept: bool = False,
    aside: Mapping[str, Any] | None = None,
    unless: Callable[[list[Assembly]], None] | None = None,
) -> Assembly:
    """Check everything, start a new assembly and compute its parts.

    Parameters
    ----------
    aside : mapping, optional
        Entries of the environment on which no row depends.
    unless : callable, optional
        Called with the assemblies that exist at the moment of the first commit; none is begun if it raises.
    """
    record = first_event.of(plan, seed, labels)
    environment = _with_workers(plan, executor, accept=accept)
    stored = ensure(lake, plan)
    logger.info("tables of %s are ready, %d parts are planned", stored.folder, len(plan.parts))

    def check(begun: Assembly) -> str | None:
        return accepted_changes(stored, begun, plan, accept=accept)

    notes = lease.Notes()
    with lease.hold(stored.storage, stored.folder, notes) as held:
        said = {**labels.environment(), **(aside or {})}
        leased = replace(record, environment={**environment, **said, "lease": held})
        version = stored.table(plan.marker).opened().number
        assembly = _begin_share(stored.log, leased, version, shard, check, unless)
        with logs.recorded(stored.table(logs.NAME), assembly, shard) as log:
            if assembly.event == 0 and assembly.run_number > 1:
                warn_of_changed_source(stored, plan, assembly)
            return _compute(stored, plan, assembly, shard, executor, progress, log, notes)


def _begin_share(
    log: AssemblyLog,
    plan: Plan,
    results_version: int,
    shard: Shard,
    check: Callable[[Assembly], str | None],
    unless: Callable[[list[Assembly]], None] | None,
) -> Assembly:
    """Return a new assembly; for a shard, the one that its array has begun, if ``check`` does not raise for it."""
    if shard.is_whole:
        return log.start(plan, results_version, unless=unless)
    return shards.begin(log, plan, results_version, shard, check=check, unless=unless)


def _compute(
    stored: StoredExperiment,
    plan: RunPlan,
    assembly: Assembly,
    shard: Shard,
    executor: Executor,
    progress: Progress | None,
    log: RunLog,
    notes: lease.Notes,
) -> Assembly:
    """Compute a share of an assembly, unless other processes have completed the assembly meanwhile."""
    if assembly.status == "completed":
        return assembly
    return AssemblyRun(stored, plan, assembly, shard, executor, progress or Progress(), log, notes).execute()


def resume(
    lake: Lake,
    name: str,
    assembly_id: str | None = None,
    *,
    jobs: int | None = None,
    executor: Executor | None = None,
    shard: Shard | None = None,
    accept_changes: bool = False,
    progress: Progress | None = None,
) -> Assembly:
    """Continue an interrupted or failed assembly: compute only the missing parts.

    Without an id, this is the newest such assembly. A completed one is returned unchanged. The other parameters
    are those of `run`.

    Parameters
    ----------
    accept_changes : bool
        Continue although the source or packages that rows depend on have changed, so that the assembly mixes rows of
        both. The event that resumes it says so.

    Raises
    ------
    AssemblyError
        If it is running or discarded, or the source, packages that rows depend on, or planned parts have changed.
    """
    stored = lake[name]
    assembly = (
        choose_resumable(stored.snapshot().assemblies) if assembly_id is None else stored.log.get(assembly_id)
    )
    if assembly.status == "completed":
        return assembly
    shard = _share(shard)
    _check_free(assembly, shard)
    plan = recorded_plan(stored, assembly)
    note = accepted_changes(stored, assembly, plan, accept=accept_changes)
    first_event.check_secrets("", plan.keys)
    executor = place(executor, jobs)
    environment = _with_workers(plan, executor, accept=accept_changes)
    stored = ensure(lake, plan, assembly.assembly_id)
    notes = lease.Notes()
    with lease.hold(stored.storage, stored.folder, notes) as held:
        record = {**environment, **resumed_labels(assembly.surroundings), "lease": held}
        resumed = _resume_share(stored.log, assembly, shard, record, note)
        with logs.recorded(stored.table(logs.NAME), resumed, shard) as log:
            warn_of_other_lakebatch(assembly)
            return _compute(stored, plan, resumed, shard, executor, progress, log, notes)


def _check_free(assembly: Assembly, shard: Shard) -> None:
    """Raise if the assembly is discarded, or a process outside of the shard's array is known to compute it."""
    if assembly.status == "discarded":
        assembly.check_not_purged()
        raise AssemblyError(DISCARDED.format(assembly.assembly_id))
    is_shared = not shard.is_whole and assembly.array == shard.array
    if not is_shared and (worker := assembly.worker_seen()):
        raise InUseError(
            f"{assembly.assembly_id} is being computed by {worker}. Wait for it, or stop it{worker.hint}."
        )


def _resume_share(
    log: AssemblyLog, assembly: Assembly, shard: Shard, environment: Mapping[str, Any], note: str | None
) -> Assembly:
    """Record that this process continues its share, unless the assembly is completed meanwhile."""
    if not shard.is_whole:
        return shards.join(log, assembly, shard, code_version=__version__, environment=environment, note=note)
    changed = {
        "pid": os.getpid(),
        "code_version": __version__,
        "environment": canonical_json(environment),
        "note": note,
    }

    def event(latest: Assembly) -> tuple[Status, Mapping[str, Any]] | None:
        if latest.status == "completed":
            return None
        _check_free(latest, shard)  # again: another process may have resumed it since the first check
        return "started", changed

    return log.follow(assembly, event)


def folder_in_lake(name: str) -> str:
    """Return the folder in a lake for the runs of the installed code."""
    return _folder(registry.load(registry.get(name)))


def name_in_lake(lake: Lake, name: str) -> str:
    """Return the name that reads the runs of the installed code: NAME@v1 if the lake has a newer experiment version."""
    folder = folder_in_lake(name)
    found = (each.reference for each in lake.experiments() if each.folder == folder)
    return next(found, registry.load(registry.get(name)).name)


def _with_workers(plan: RunPlan, executor: Executor, *, accept: bool) -> dict[str, Any]:
    """Return the environment of this process, with the versions of workers that differ and are accepted."""
    workers = executor.check(plan.source, accept_changes=accept)
    return plan.environment | ({WORKERS: workers} if workers else {})


def ensure(lake: Lake, plan: RunPlan, assembly_id: str | None = None) -> StoredExperiment:
    """Create missing tables of the experiment and refuse foreign ones, before any computation."""
    stored = lake.to_write(_folder(plan.experiment))
    stored.declare(declared_schemas(plan.experiment, plan.config))
    names = (*plan.tables, "assemblies", "sources")
    lake.storage.check_writable(stored.folder)
    stored.check_folders(names, assembly_id)
    for name in names:
        stored.table(name).ensure()
    stored.source_log.record(plan.source_state)
    return stored


def _folder(kind: AnyExperiment) -> str:
    return folder_name(kind.number, kind.version, kind.name)


def place(executor: Executor | None, jobs: int | None) -> Executor:
    """Return where parts are computed: worker processes of this machine if no executor is given."""
    if executor is not None and not hasattr(executor, "describe"):
        raise ConfigError(f"executor is {executor!r}. Expected an Executor, see: lakebatch help clusters")
    return executor or Local.of(jobs)


def _share(shard: Shard | None) -> Shard:
    """Return the share of the parts that this process computes: all of them if none is given."""
    if shard is not None and not isinstance(shard, Shard):
        raise ConfigError(f"shard is {shard!r}. Expected a Shard, see: lakebatch help clusters")
    return shard or Shard.whole()
