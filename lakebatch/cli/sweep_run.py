"""What ``run`` and ``resume`` do for a sweep."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from lakebatch.cli.context import group_options, open_lake
from lakebatch.cli.execution_options import ExecutionOptions
from lakebatch.cli.sweep_options import SweepOptions

if TYPE_CHECKING:
    from lakebatch.lake.lake import Lake
    from lakebatch.runner.assembly_run import Progress
    from lakebatch.runner.sweep import SweepRun


def run_sweep(
    context: click.Context,
    name: str,
    sweep: SweepOptions,
    given: Mapping[str, Any],
    execution: ExecutionOptions,
    *,
    fail_on_missing: bool,
) -> None:
    """Run a sweep, or print its plan.

    Raises
    ------
    click.UsageError
        If a name or a note is given, which are of one assembly.
    """
    from lakebatch.cli.sweep_session import report_sweep, run_with_sweep_session
    from lakebatch.runner import sweep as sweeps

    layers = dict(given)
    for key, option in (("assembly_name", "--name"), ("note", "--note")):
        if layers.pop(key) is not None:
            raise click.UsageError(f"{option} is of one assembly, not of a sweep. Expected --sweep-name.")
    request, lake = sweep.request(), open_lake(context)
    if sweep.dry_run:
        _print_plan(lake, name, sweep, request, layers)
        return

    def work(progress: Progress) -> SweepRun:
        with execution.executor() as executor:
            return sweeps.run_sweep(
                lake, name, request, sweep_name=sweep.sweep_name, **layers, executor=executor,
                shard=execution.shard, accept_changes=execution.accept_changes, progress=progress,
            )  # fmt: skip

    report_sweep(run_with_sweep_session(lake, work), fail_on_missing=fail_on_missing)


def resume_sweep(
    lake: Lake, name: str, sweep: str, execution: ExecutionOptions, *, fail_on_missing: bool
) -> None:
    """Compute what is missing of a sweep."""
    from lakebatch.cli.sweep_session import report_sweep, run_with_sweep_session
    from lakebatch.runner import sweep as sweeps

    def work(progress: Progress) -> SweepRun:
        with execution.executor() as executor:
            return sweeps.resume_sweep(
                lake, name, sweep, executor=executor, shard=execution.shard,
                accept_changes=execution.accept_changes, progress=progress,
            )  # fmt: skip

    report_sweep(run_with_sweep_session(lake, work), fail_on_missing=fail_on_missing)


def _print_plan(lake: Lake, name: str, sweep: SweepOptions, request: Any, layers: Mapping[str, Any]) -> None:
    import polars as pl

    from lakebatch.cli.output import show
    from lakebatch.runner.sweep_preview import preview
    from lakebatch.snapshot.eta import duration

    plan = preview(lake, name, request, sweep_name=sweep.sweep_name, **layers)
    time = pl.col("seconds").map_elements(duration, pl.String).fill_null("unknown").alias("time")
    show(
        plan.points.with_columns(time).drop("seconds").rename({"work": plan.unit}),
        "table",
        all_rows="| cat after the command",
    )
    click.echo(plan.describe())


def sweep_script(
    context: click.Context,
    name: str,
    sweep: SweepOptions,
    layers: Mapping[str, Any],
    arguments: list[str],
    tasks: int | None,
) -> str:
    """Return the script of an array job for a sweep, after a check of all its configs.

    The largest useful number of tasks is that of the parts of all its assemblies.
    """
    from lakebatch.cli.slurm import sweep_batch_script
    from lakebatch.lake.lake import open_lake as open_
    from lakebatch.runner.sweep_points import plan_sweep

    lake = open_(group_options(context).lake)
    asked = plan_sweep(lake, name, sweep.request(), **layers)
    parts = sum(len(each.plan.parts) for each in asked.points) * asked.request.replicates
    assemblies = len(asked.points) * asked.request.replicates
    return sweep_batch_script(name, arguments, lake.storage, (assemblies, parts), tasks)
