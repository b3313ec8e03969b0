"""Start of a new assembly, and resumption of an interrupted or failed one."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from lakebatch._secrets import holds_secret
from lakebatch.assembly import lease
from lakebatch.assembly.record import NOTHING_TO_RESUME, Assembly, Plan, choose_resumable, is_resumable
from lakebatch.assembly.shards import Shard
from lakebatch.errors import AssemblyError, ConfigError
from lakebatch.executor.base import Executor
from lakebatch.executor.local import Local
from lakebatch.experiment import registry
from lakebatch.experiment.plan import RunPlan
from lakebatch.experiment.presets import DEFAULT_PRESET
from lakebatch.experiment.registry import AnyExperiment
from lakebatch.ids import MAX_SEED, canonical_json, check_new_name
from lakebatch.lake.experiment import StoredExperiment
from lakebatch.lake.lake import Lake
from lakebatch.runner import share
from lakebatch.runner.assembly_run import AssemblyRun
from lakebatch.runner.progress import Progress
from lakebatch.runner.resume import check_unchanged, recorded_plan, warn_of_other_version
from lakebatch.storage.delta import omissions

logger = logging.getLogger(__name__)


def run(
    lake: Lake,
    name: str,
    *,
    preset: str = DEFAULT_PRESET,
    config: Path | None = None,
    settings: Iterable[str] = (),
    overrides: Mapping[str, Any] | None = None,
    seed: int | None = None,
    jobs: int | None = None,
    executor: Executor | None = None,
    shard: Shard | None = None,
    progress: Progress | None = None,
) -> Assembly:
    """Run a new assembly of an experiment and return it as it ended: completed, or failed.

    Parameters
    ----------
    preset, config, settings, overrides
        The layers of the config, see `lakebatch.experiment.config.resolve`.
    seed : int, optional
        The assembly's seed; without it every assembly is an independent replicate.
    jobs : int, optional
        Worker processes; all processors by default. The rows do not depend on it.
    executor : Executor, optional
        Where parts are computed, instead of in ``jobs`` worker processes, see `lakebatch.executor`.
    shard : Shard, optional
        The share of the parts that this process computes, see `lakebatch.assembly.shards`. The processes of an array
        compute one assembly: the first process starts it, the last one completes it.

    Raises
    ------
    LakebatchError
        If the experiment, the config or the lake cannot be used; no assembly has been started then.
    RunInterrupted
        If it was stopped; `resume` continues.
    """
    source = registry.get(name)
    check_new_name(source.name)
    plan = RunPlan.resolve(source, preset=preset, file=config, settings=settings, overrides=overrides)
    return _begin(lake, plan, seed, executor or Local.of(jobs), shard or Shard.whole(), progress)


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
    return _begin(lake, plan, assembly.seed, Local.of(jobs), Shard.whole(), progress)


def _begin(
    lake: Lake,
    plan: RunPlan,
    seed: int | None,
    executor: Executor,
    shard: Shard,
    progress: Progress | None,
) -> Assembly:
    """Check everything, start a new assembly and compute its parts."""
    record = _record(plan, _check_seed(seed))
    executor.check(plan.source)
    stored = _ensure(lake, plan)
    logger.info("tables of %s are ready, %d parts are planned", stored.folder, len(plan.parts))

    def check(begun: Assembly) -> None:
        check_unchanged(stored, begun, plan, record.environment, allow=False)

    with lease.hold(stored.storage, stored.folder) as held:
        leased = replace(record, environment={**record.environment, "lease": held})
        version = stored.table(plan.experiment.tables[-1]).version()
        assembly = share.begin(stored.log, leased, version, shard, check)
        return _compute(stored, plan, assembly, shard, executor, progress)


def _compute(
    stored: StoredExperiment,
    plan: RunPlan,
    assembly: Assembly,
    shard: Shard,
    executor: Executor,
    progress: Progress | None,
) -> Assembly:
    """Compute a share of an assembly, unless other processes have completed the assembly meanwhile."""
    if assembly.status == "completed":
        return assembly
    return AssemblyRun(stored, plan, assembly, shard, executor, progress or Progress()).execute()


def resume(
    lake: Lake,
    name: str,
    assembly_id: str | None = None,
    *,
    jobs: int | None = None,
    executor: Executor | None = None,
    shard: Shard | None = None,
    allow_changed: bool = False,
    progress: Progress | None = None,
) -> Assembly:
    """Continue an interrupted or failed assembly: compute only the missing parts.

    Without an id, this is the newest such assembly. A completed one is returned unchanged. The other parameters
    are those of `run`.

    Parameters
    ----------
    allow_changed : bool
        Continue although the experiment's source has changed, so that the assembly mixes rows of both sources.

    Raises
    ------
    AssemblyError
        If it is running or discarded, or the experiment's source or its planned parts have changed.
    """
    stored = lake[name]
    assembly = (
        choose_resumable(stored.snapshot().assemblies) if assembly_id is None else stored.log.get(assembly_id)
    )
    if assembly.status == "completed":
        return assembly
    shard = shard or Shard.whole()
    share.check_free(assembly, shard)
    plan = recorded_plan(stored, assembly)
    environment = plan.environment()
    check_unchanged(stored, assembly, plan, environment, allow=allow_changed)
    _check_secrets("", plan.keys)
    executor = executor or Local.of(jobs)
    executor.check(plan.source)
    _ensure(lake, plan, assembly.assembly_id)
    with lease.hold(stored.storage, stored.folder) as held:
        version = plan.code_version()
        warn_of_other_version(assembly, version)
        resumed = share.resume(stored.log, assembly, shard, version, {**environment, "lease": held})
        return _compute(stored, plan, resumed, shard, executor, progress)


def name_in_lake(lake: Lake, name: str) -> str:
    """Return the name that reads the runs of the installed code: NAME@v1 if the lake has a newer experiment version."""
    kind = registry.load(registry.get(name))
    folder = _folder(kind)
    return next((each.reference for each in lake.experiments() if each.folder == folder), kind.name)


def newest_resumable(lake: Lake) -> str:
    """Return the name of the experiment that has the newest resumable assembly of the lake.

    Raises
    ------
    AssemblyError
        If there is none.
    """
    found = []
    for stored in lake:
        with omissions.warn_and_skip(stored.reference):
            found += [
                (each.at, stored.reference) for each in stored.snapshot().assemblies if is_resumable(each)
            ]
    if not found:
        raise AssemblyError(NOTHING_TO_RESUME)
    return max(found)[1]


def _record(plan: RunPlan, seed: int | None) -> Plan:
    """Return the part of a plan that the first event of an assembly records."""
    config = plan.config.model_dump(mode="json")
    _check_secrets(canonical_json(config), plan.keys)
    return Plan(
        config=config,
        parts=plan.keys,
        base_seed=plan.experiment.base_seed(plan.config),
        pinned_seed=seed,
        known_gaps=tuple(plan.experiment.known_gaps(plan.config)),
        code_version=plan.code_version(),
        environment=plan.environment(),
    )


def _ensure(lake: Lake, plan: RunPlan, assembly_id: str | None = None) -> StoredExperiment:
    """Create missing tables of the experiment and refuse foreign ones, before any computation."""
    stored = StoredExperiment(lake.storage, _folder(plan.experiment))
    names = (*plan.experiment.tables, "assemblies")
    lake.storage.check_writable()
    stored.check_folders(names, assembly_id)
    for name in names:
        stored.table(name).ensure()
    return stored


def _folder(kind: AnyExperiment) -> str:
    return f"{kind.number}_{kind.version}_{kind.name}"


def _check_secrets(config: str, keys: tuple[str, ...]) -> None:
    """Refuse to record a secret, which would stay in the lake for ever."""
    for what, text in (("config", config), *(("key of a part", key) for key in keys)):
        if holds_secret(text):
            raise ConfigError(
                f"The {what} holds the value of a secret setting, and would be recorded: {text}. "
                "Take it out; an experiment can read it from the environment."
            )


def _check_seed(seed: int | None) -> int | None:
    if seed is not None and not 0 <= seed <= MAX_SEED:
        raise ConfigError(f"seed is {seed}. Expected 0 to {MAX_SEED}.")
    return seed
