"""Starts an assembly or takes one up again: checks everything first, then has the pending parts carried out."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from lakebatch._secrets import holds_secret
from lakebatch.assembly import lease, shards
from lakebatch.assembly.record import NOTHING_TO_RESUME, Assembly, Plan, choose_resumable, is_resumable
from lakebatch.assembly.shards import Shard
from lakebatch.errors import AssemblyError, ConfigError, ExperimentError
from lakebatch.executor.base import Executor
from lakebatch.executor.local import Local
from lakebatch.experiment import provenance, registry
from lakebatch.experiment.config import from_record, importable, resolve
from lakebatch.experiment.contract import ConfigModel, Part
from lakebatch.experiment.presets import DEFAULT_PRESET
from lakebatch.experiment.registry import AnyExperiment, Source
from lakebatch.ids import MAX_SEED, canonical_json, check_new_name
from lakebatch.lake.experiment import StoredExperiment
from lakebatch.lake.lake import Lake
from lakebatch.runner import resume as resuming
from lakebatch.runner.assembly_run import AssemblyRun, RunPlan
from lakebatch.runner.progress import Progress
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
    """Run a new assembly of an experiment and return it as it ended: completed, or failed in some parts.

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
        The share of the parts that this process computes, see `lakebatch.assembly.shards`. The processes of one array
        work on one assembly, which the first of them starts and the last completes.

    Raises
    ------
    LakebatchError
        If the experiment, the config or the lake cannot be used; nothing has been started then.
    RunInterrupted
        If it was stopped; `resume` continues.
    """
    source = registry.get(name)
    check_new_name(source.name)
    experiment = registry.load(source)
    model = resolve(
        source, experiment, preset=preset, file=config, settings=settings, overrides=overrides
    ).model
    return _begin(
        lake,
        source,
        experiment,
        model,
        seed=seed,
        executor=executor or Local.of(jobs),
        shard=shard,
        progress=progress,
    )


def repeat(
    lake: Lake,
    stored: StoredExperiment,
    assembly: Assembly,
    *,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> Assembly:
    """Run an assembly again from its record alone, with its seed, as a new assembly of another lake.

    Raises
    ------
    AssemblyError
        If the experiment has another version now, or would plan other parts.
    """
    source = registry.get(stored.name)
    experiment = registry.load(source)
    resuming.check_version(stored, assembly, experiment)
    model = from_record(experiment.config_model, assembly.computed_settings(), imports=importable(source))
    resuming.check_plan(assembly, _parts(experiment, model))
    return _begin(
        lake, source, experiment, model, seed=assembly.seed, executor=Local.of(jobs), progress=progress
    )


def _begin(
    lake: Lake,
    source: Source,
    experiment: AnyExperiment,
    model: ConfigModel,
    *,
    seed: int | None,
    executor: Executor,
    shard: Shard | None = None,
    progress: Progress | None,
) -> Assembly:
    """Check everything, start a new assembly and carry it out."""
    parts = _parts(experiment, model)
    plan = _plan(experiment, model, parts, _check_seed(seed))
    executor.check(source, experiment)
    stored = _ensure(lake, experiment)
    logger.info("tables of %s are ready, %d parts are planned", stored.folder, len(parts))
    with lease.hold(stored.storage, stored.folder) as held:
        assembly = _start(stored, experiment, _with_lease(plan, held), shard)
        if assembly.status == "completed":  # by the other shards, which have also done what this one left
            return assembly
        subject = RunPlan(stored, source, experiment, model, parts, assembly, shard)
        return AssemblyRun(subject, executor, progress or Progress()).carry_out()


def _start(stored: StoredExperiment, experiment: AnyExperiment, plan: Plan, shard: Shard | None) -> Assembly:
    version = stored.table(experiment.tables[-1]).version()
    if shard is None:
        return stored.log.start(plan, version)

    def check(begun: Assembly) -> None:
        resuming.check_unchanged(stored, begun, experiment, plan.environment, allow=False)

    return shards.begin(stored.log, plan, version, shard, check=check)


def _with_lease(plan: Plan, held: str | None) -> Plan:
    return replace(plan, environment={**plan.environment, "lease": held})


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
    """Continue an assembly that was interrupted or failed: only the parts that are missing.

    Without an id, the newest such assembly. A completed one is returned as it is. The other parameters are
    those of `run`.

    Parameters
    ----------
    allow_changed : bool
        Go on also where the experiment's source has changed since, so that the assembly has rows of both.

    Raises
    ------
    AssemblyError
        If it is running or discarded, the experiment's source has changed, or it would now plan other parts.
    """
    stored = lake[name]
    assembly = (
        choose_resumable(stored.snapshot().assemblies) if assembly_id is None else stored.log.get(assembly_id)
    )
    if assembly.status == "completed":
        return assembly
    resuming.check_resumable(assembly, shard)
    source = registry.get(stored.name)
    experiment = registry.load(source)
    resuming.check_version(stored, assembly, experiment)
    model = from_record(experiment.config_model, assembly.computed_settings(), imports=importable(source))
    parts = _parts(experiment, model)
    resuming.check_plan(assembly, parts)
    environment = _environment(experiment)
    resuming.check_unchanged(stored, assembly, experiment, environment, allow=allow_changed)
    _check_secrets("", parts)
    executor = executor or Local.of(jobs)
    executor.check(source, experiment)
    _ensure(lake, experiment, assembly.assembly_id)
    with lease.hold(stored.storage, stored.folder) as held:
        reopened = resuming.reopen(stored, assembly, experiment, {**environment, "lease": held}, shard)
        if reopened.status == "completed":
            return reopened
        subject = RunPlan(stored, source, experiment, model, parts, reopened, shard)
        return AssemblyRun(subject, executor, progress or Progress()).carry_out()


def newest_resumable(lake: Lake) -> str:
    """Return the name of the experiment whose resumable assembly is the newest of the lake.

    Raises
    ------
    AssemblyError
        If there is none.
    """
    found = []
    for stored in lake:
        with omissions.warn_and_skip(stored.name):
            found += [(each.at, stored.name) for each in stored.snapshot().assemblies if is_resumable(each)]
    if not found:
        raise AssemblyError(NOTHING_TO_RESUME)
    return max(found)[1]


def _plan(experiment: AnyExperiment, config: ConfigModel, parts: tuple[Part, ...], seed: int | None) -> Plan:
    source = registry.source_file(experiment)
    record = config.model_dump(mode="json")
    _check_secrets(canonical_json(record), parts)
    return Plan(
        config=record,
        parts=tuple(part.key for part in parts),
        base_seed=experiment.base_seed(config),
        pinned_seed=seed,
        known_gaps=tuple(experiment.known_gaps(config)),
        code_version=provenance.code_version(source),
        environment=_environment(experiment),
    )


def _parts(experiment: AnyExperiment, config: ConfigModel) -> tuple[Part, ...]:
    parts = tuple(experiment.parts(config))
    keys = [part.key for part in parts]
    twice = sorted({key for key in keys if keys.count(key) > 1})
    if twice or not keys:
        what = f"gives the key {twice[0]!r} to two parts" if twice else "plans no part"
        raise ExperimentError(
            f"{experiment.name}.parts() {what}. Expected one part or more, each with its own key."
        )
    return parts


def _ensure(lake: Lake, experiment: AnyExperiment, assembly_id: str | None = None) -> StoredExperiment:
    """Create the experiment's tables where they are missing, and refuse foreign ones, before any computing."""
    stored = StoredExperiment(lake.storage, f"{experiment.number}_{experiment.version}_{experiment.name}")
    names = (*experiment.tables, "assemblies")
    lake.storage.check_writable()
    stored.check_folders(names, assembly_id)
    for name in names:
        stored.table(name).ensure()
    return stored


def _environment(experiment: AnyExperiment) -> dict[str, Any]:
    return provenance.environment(registry.source_file(experiment), experiment.version)


def _check_secrets(config: str, parts: tuple[Part, ...]) -> None:
    """Refuse to record a secret of the environment, which would stay in the lake for ever."""
    for what, text in (("config", config), *(("key of a part", part.key) for part in parts)):
        if holds_secret(text):
            raise ConfigError(
                f"The {what} holds the value of a secret setting, and would be recorded: {text}. "
                "Take it out; an experiment can read it from the environment."
            )


def _check_seed(seed: int | None) -> int | None:
    if seed is not None and not 0 <= seed <= MAX_SEED:
        raise ConfigError(f"seed is {seed}. Expected 0 to {MAX_SEED}.")
    return seed
