"""The public `run` and `resume`: of one assembly, or of a sweep."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Literal, TypeVar, overload

from lakebatch.assembly.record import Assembly
from lakebatch.errors import ConfigError
from lakebatch.experiment.sweep_design import Design, Sweepable
from lakebatch.lake.lake import Lake
from lakebatch.runner import resumable, sweep_preview
from lakebatch.runner import run as runner
from lakebatch.runner.sweep import SweepRun, resume_sweep, run_sweep
from lakebatch.runner.sweep_preview import SweepPreview

Function = TypeVar("Function", bound=Callable[..., Any])


def _with_signature_of(*functions: Callable[..., Any]) -> Callable[[Function], Function]:
    """Show the keyword arguments of functions that a function hands its own to."""

    def decorate(function: Function) -> Function:
        signature = inspect.signature(function)
        own = {name: each for name, each in signature.parameters.items() if name != "options"}
        for handed in functions:
            for name, each in inspect.signature(handed).parameters.items():
                if each.kind is each.KEYWORD_ONLY:
                    own.setdefault(name, each)
        function.__signature__ = signature.replace(parameters=list(own.values()))  # type: ignore[attr-defined]
        return function

    return decorate


@overload
def run(lake: Lake, name: str, *, sweep: None = None, **options: Any) -> Assembly:
    """Run one assembly."""


@overload
def run(
    lake: Lake, name: str, *, sweep: Sweepable | Design, dry_run: Literal[False] = False, **options: Any
) -> SweepRun:
    """Run a sweep."""


@overload
def run(
    lake: Lake, name: str, *, sweep: Sweepable | Design, dry_run: Literal[True], **options: Any
) -> SweepPreview:
    """Return the plan of a sweep."""


@_with_signature_of(runner.run, run_sweep)
def run(
    lake: Lake,
    name: str,
    *,
    sweep: Sweepable | Design | None = None,
    dry_run: bool = False,
    **options: Any,
) -> Assembly | SweepRun | SweepPreview:
    """Run a new assembly of an experiment, or a sweep of assemblies, and return it as it ended.

    For example ``lakebatch.run(lake, "response-noise", sweep={"cohort.n_samples": [50, 100]}, replicates=3)``.

    Parameters
    ----------
    sweep : mapping, strings, or a path, optional
        The swept keys with their values, see `lakebatch.runner.sweep.run_sweep`.
    dry_run : bool
        Only return the plan of the sweep, with an estimated time; nothing is recorded.
    **options
        Those of `lakebatch.runner.run.run` and, with a sweep, of `lakebatch.runner.sweep.run_sweep`.

    Raises
    ------
    LakebatchError
        If the experiment, the config or the lake cannot be used; no assembly has been started then.
    RunInterrupted
        If it was stopped; `resume` continues.
    """
    if sweep is not None:
        how = sweep_preview.preview if dry_run else run_sweep
        return how(lake, name, sweep, **options)
    if dry_run:
        raise ConfigError("dry_run shows the plan of a sweep. Give sweep too.")
    return runner.run(lake, name, **options)


@_with_signature_of(runner.resume)
def resume(lake: Lake, name: str, which: str | None = None, **options: Any) -> Assembly | SweepRun:
    """Continue what was interrupted or failed: compute only what is missing.

    Parameters
    ----------
    name : str
        An experiment, or a sweep.
    which : str, optional
        An assembly or a sweep of the experiment; by default its newest unfinished one. A completed one is returned
        unchanged.
    **options
        Those of `lakebatch.runner.run.resume`.

    Raises
    ------
    AssemblyError
        If it is running or discarded, or the source, packages that rows depend on, or planned parts have changed.
    """
    found = resumable.choose(lake, name, which)
    if found.sweep is not None:
        return resume_sweep(lake, found.experiment, found.sweep, **options)
    return runner.resume(lake, found.experiment, found.assembly, **options)
