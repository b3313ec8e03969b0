"""The public functions that compute: run, resume, verify and check an experiment, by name or as a class."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl

from lakebatch._public import readable
from lakebatch.assembly.shards import Shard
from lakebatch.errors import ConfigError, ExperimentError, LakebatchError, RunInterrupted
from lakebatch.executor.base import Executor
from lakebatch.experiment import registry
from lakebatch.experiment.config import DEFAULT_PRESET
from lakebatch.experiment.registry import AnyExperiment
from lakebatch.experiment.sweep_design import Design, Sweepable
from lakebatch.lake.lake import Lake
from lakebatch.runner import check as checks
from lakebatch.runner import replicates as sets
from lakebatch.runner import resumable, sweep_preview
from lakebatch.runner import run as runner
from lakebatch.runner import sweep as sweeps
from lakebatch.runner import verify as verification
from lakebatch.runner.assembly_run import Progress
from lakebatch.session.display import checks_of, progress_of
from lakebatch.session.keywords import overrides_of, strings
from lakebatch.session.result import CheckResult, RunResult

COMMAND = re.compile(r"lakebatch resume \S+ (?P<assembly>\w+)(?P<accept> --accept-changes)?")
# a command that cannot be given for a class, which no file defines


@readable
def run(
    lake: Lake,
    name: str | type[AnyExperiment],
    *,
    preset: str | None = None,
    levels: Sequence[float] | None = None,
    overrides: Mapping[str, Any] | None = None,
    config: str | os.PathLike[str] | None = None,
    set: Mapping[str, Any] | str | Iterable[str] = (),
    settings: Iterable[str] = (),
    replicates: int | None = None,
    until: str | None = None,
    max_replicates: int | None = None,
    group: str | None = None,
    seed: int | None = None,
    jobs: int | None = None,
    executor: Executor | None = None,
    shard: Shard | None = None,
    accept_changes: bool = False,
    progress: bool | Progress | None = None,
    sweep: Sweepable | Design | None = None,
    dry_run: bool = False,
    **others: Any,
) -> Any:
    """Run a new assembly of an experiment, a set of replicates, or a sweep, and return it as it ended.

    Parameters
    ----------
    name : str or class
        The experiment: its name, or a subclass of `lakebatch.experiment.Experiment`, also one that was written in a cell of
        a notebook or in a script.
    preset : str, optional
        A set of values for the config, such as ``demo``.
    levels : sequence of float, optional
        The config's ``levels``.
    overrides : mapping, optional
        Values of the config, by dotted key or as a tree: ``{"cohort.n_samples": 60}`` is
        ``{"cohort": {"n_samples": 60}}``.
    config : path, optional
        A file with values of the config.
    set, settings : mapping, str or iterable of str, optional
        As ``overrides``, or strings as on the command line: ``"cohort.n_samples=60"``.
    replicates : int, optional
        Number of independent assemblies to run one after the other.
    until : str, optional
        Condition such as ``"ci(pearson_r) < 0.02"``: run independent assemblies until it holds in every group.
    max_replicates : int, optional
        Largest number of them; 100 by default.
    group : str, optional
        The groups that the condition is about, such as ``"feature_set=last,model=ridge"``.
    seed, jobs, executor, shard, accept_changes
        See `lakebatch.runner.run.run`. With several replicates, the seed of each derives from ``seed``.
    progress : bool, optional
        Whether to show the progress: in the output of the notebook's cell, where it is shown by default, or on standard
        error.
    sweep : mapping, strings, or a path, optional
        Swept keys with their values, such as ``{"cohort.n_samples": [50, 100]}``, see `lakebatch.runner.sweep.run_sweep`;
        ``replicates`` is then the number of assemblies of each point.
    dry_run : bool
        Only return the plan of the sweep, with an estimated time; nothing is recorded.
    **others
        Further arguments of `lakebatch.runner.run.run`, such as ``start_from`` and ``note``, and with a sweep of
        `lakebatch.runner.sweep.run_sweep`, such as ``sweep_name``.

    Returns
    -------
    RunResult
        The last assembly; of a sweep a `lakebatch.runner.sweep.SweepRun`, of a dry run its plan.

    Raises
    ------
    LakebatchError
        If the experiment, the config or the lake cannot be used; no assembly has been started then.
    RunInterrupted
        If it was stopped; `resume` continues.
    """
    source = registry.get(name)
    given: dict[str, Any] = {
        "preset": preset,
        "config": None if config is None else Path(config),
        "settings": [*strings(settings), *strings(set)],
        "overrides": overrides_of(overrides, set, levels),
        "seed": seed,
        **others,
    }
    where: dict[str, Any] = {
        "jobs": jobs,
        "executor": executor,
        "shard": shard,
        "accept_changes": accept_changes,
    }
    if sweep is None and dry_run:
        raise ConfigError("dry_run shows the plan of a sweep. Give sweep too.")
    if sweep is not None and (until, max_replicates, group) != (None, None, None):
        raise ConfigError("A sweep has a fixed number of replicates. Leave out until and what belongs to it.")
    with _in_python(name):
        if sweep is not None and dry_run:
            return sweep_preview.preview(lake, source.name, sweep, replicates=replicates, **given)
        shown = progress_of(progress, source.name)
        if sweep is not None:
            return sweeps.run_sweep(
                lake, source.name, sweep, replicates=replicates, **given, **where, progress=shown
            )
        first = sets.requested(replicates, until, max_replicates, group)
        ended = sets.run(lake, source.name, first, **given, **where, progress=shown)
    return RunResult.of(lake[runner.name_in_lake(lake, source.name)], ended)


@readable
def resume(
    lake: Lake,
    name: str | type[AnyExperiment],
    assembly_id: str | None = None,
    *,
    jobs: int | None = None,
    executor: Executor | None = None,
    shard: Shard | None = None,
    accept_changes: bool = False,
    progress: bool | Progress | None = None,
) -> Any:
    """Continue an interrupted or failed assembly, the set of replicates that it belongs to, or a sweep.

    Without an id, this is what is unfinished and had the newest event. ``name`` or ``assembly_id`` can also be a sweep;
    then a `lakebatch.runner.sweep.SweepRun` is returned. See `lakebatch.runner.run.resume`, and `run` for the
    arguments.
    """
    known = _name(lake, name)
    shown = progress_of(progress, known)
    with _in_python(name):
        found = resumable.choose(lake, known, assembly_id)
        where: dict[str, Any] = {
            "jobs": jobs,
            "executor": executor,
            "shard": shard,
            "accept_changes": accept_changes,
        }
        if found.sweep is not None:
            return sweeps.resume_sweep(lake, found.experiment, found.sweep, **where, progress=shown)
        ended = sets.resume(lake, found.experiment, found.assembly, **where, progress=shown)
    return RunResult.of(lake[found.experiment], ended)


@readable
def verify(
    lake: Lake,
    name: str | type[AnyExperiment],
    assembly_id: str,
    *,
    jobs: int | None = None,
    progress: bool | Progress | None = None,
) -> verification.Verdict:
    """Run an assembly again from its record, compare row by row, and record the verdict as an event.

    See `lakebatch.runner.verify.verify`.
    """
    known = _name(lake, name)
    shown = progress_of(progress, f"{known}, verification of {assembly_id}", has_ids=False)
    with _in_python(name):
        return verification.verify(lake, known, assembly_id, jobs=jobs, progress=shown)


@readable
def check(
    name: str | type[AnyExperiment],
    *,
    preset: str = DEFAULT_PRESET,
    levels: Sequence[float] | None = None,
    overrides: Mapping[str, Any] | None = None,
    config: str | os.PathLike[str] | None = None,
    set: Mapping[str, Any] | str | Iterable[str] = (),
    settings: Iterable[str] = (),
    progress: bool | None = None,
) -> CheckResult:
    """Check the contract of an experiment, and return one row per promise, with the fault if it is broken.

    The experiment runs several times in a temporary lake; a small config is enough. See `run` for the arguments.
    """
    source = registry.get(name)
    trial = checks.CheckConfig(
        source.name,
        preset,
        (*strings(settings), *strings(set)),
        None if config is None else Path(config),
        overrides_of(overrides, set, levels),
    )
    shown = checks_of(progress, source.name, len(checks.CHECKS))
    rows: list[tuple[str, str | None]] = []
    for each in checks.CHECKS:
        promise = (each.__doc__ or "").strip()
        shown.begin(promise)
        rows.append((promise, _fault(each, trial)))
        shown.end(rows[-1][1])
    return CheckResult(rows, schema={"promise": pl.String, "fault": pl.String}, orient="row")


def _fault(promise: Any, trial: checks.CheckConfig) -> str | None:
    try:
        promise(trial)
    except ExperimentError as error:
        return str(error)
    return None


def _name(lake: Lake, name: str | type[AnyExperiment]) -> str:
    """Return the name under which a lake has an experiment."""
    return name if isinstance(name, str) else runner.name_in_lake(lake, registry.get(name).name)


@contextmanager
def _in_python(name: str | type[AnyExperiment]) -> Iterator[None]:
    """Have errors name the call that continues an experiment given as a class, in place of the command."""
    try:
        yield
    except (LakebatchError, RunInterrupted) as error:
        if not isinstance(name, str) and registry.get(name).payload:
            text = str(error)

            def call(found: re.Match[str]) -> str:
                accept = ", accept_changes=True" if found["accept"] else ""
                return f'lakebatch.resume(lake, {name.__name__}, "{found["assembly"]}"{accept})'

            error.args = (COMMAND.sub(call, text),)
        raise
