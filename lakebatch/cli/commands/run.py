"""Command ``run``: a new assembly."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lakebatch.cli import completion, sweep_run
from lakebatch.cli.configured import Configured, levels_option, overrides
from lakebatch.cli.context import group_options, open_lake
from lakebatch.cli.execution_options import ExecutionOptions, execution_options
from lakebatch.cli.options import (
    config_option,
    fail_on_missing_option,
    label_options,
    preset_option,
    settings_option,
    start_options,
)
from lakebatch.cli.replicate_options import ReplicateOptions, replicate_options
from lakebatch.cli.sweep_options import SweepOptions, sweep_options

if TYPE_CHECKING:
    from lakebatch.assembly.record import Assembly
    from lakebatch.runner.assembly_run import Progress


@click.command(
    cls=Configured, epilog="Example: lakebatch run response-noise --preset demo --levels 0 0.1 --jobs 2"
)
@click.argument("name", shell_complete=completion.runnable)
@preset_option
@start_options
@config_option
@settings_option
@levels_option
@click.option(
    "--seed",
    type=int,
    metavar="N",
    help="Seed of the assembly; with --replicates or --until, the seeds derive from it.  "
    "[default: a new one per run, for independent replicates]",
)
@click.option(
    "--same-seed", is_flag=True, help="Take the seed of the assembly of --from, to draw the same numbers."
)
@label_options
@replicate_options
@sweep_options
@execution_options
@fail_on_missing_option
@click.option(
    "--print-slurm", is_flag=True, help="Print a SLURM script for an array job of this run, and run nothing."
)
@click.pass_context
def run(
    context: click.Context,
    /,
    name: str,
    preset: str,
    start_from: str | None,
    config_file: Path | None,
    settings: tuple[str, ...],
    levels: tuple[float, ...],
    seed: int | None,
    same_seed: bool,
    assembly_name: str | None,
    note: str | None,
    fail_on_missing: bool,
    print_slurm: bool,
    **options: Any,
) -> None:
    """Run a new assembly of experiment NAME and append its rows to the lake.

    With --from, the config is that of an earlier assembly, changed by --config, --set and --levels. With --shard, the
    tasks of an array job share one assembly: the first starts it, the last completes it. With --replicates or --until,
    several assemblies are run one after the other, each an independent replicate.

    With --sweep, run an assembly for each point of a grid or a design; the tasks of an array job share them.
    """
    from lakebatch.cli.run_session import report_end, run_with_session
    from lakebatch.runner import replicates as sets
    from lakebatch.runner import run as runner

    asked = ReplicateOptions.take(options)
    sweep = SweepOptions.take(options, asked.replicates)
    execution = ExecutionOptions(**options)
    is_typed = context.get_parameter_source("preset") is click.core.ParameterSource.COMMANDLINE
    layers: dict[str, Any] = {
        "preset": preset if is_typed or start_from is None else None,
        "start_from": start_from,
        "config": config_file,
        "settings": settings,
        "overrides": overrides(levels),
    }
    if sweep.is_given:
        asked.refuse_condition()
        first = None
    else:
        first = asked.first(is_shared=print_slurm or execution.shard_text is not None)
    labels: dict[str, Any] = {
        "seed": seed,
        "same_seed": same_seed,
        "assembly_name": assembly_name,
        "note": note,
    }
    if print_slurm:
        flags = {
            "--same-seed": same_seed,
            "--fail-on-missing": fail_on_missing,
            "--accept-changes": execution.accept_changes,
        }
        arguments = [
            *_arguments(name, layers, labels),
            *(flag for flag, is_given in flags.items() if is_given),
        ]
        if sweep.is_given:
            words = [*arguments, *sweep.arguments()]
            click.echo(sweep_run.sweep_script(context, name, sweep, layers, words, execution.tasks))
        else:
            click.echo(_slurm_script(context, name, layers, arguments, execution))
        return
    if sweep.is_given:
        sweep_run.run_sweep(
            context, name, sweep, {**layers, **labels}, execution, fail_on_missing=fail_on_missing
        )
        return
    lake, shard = open_lake(context), execution.shard

    def work(progress: Progress) -> Assembly:
        with execution.executor() as executor:
            return sets.run(
                lake,
                name,
                first,
                **layers,
                **labels,
                executor=executor,
                shard=shard,
                accept_changes=execution.accept_changes,
                progress=progress,
            )

    assembly = run_with_session(name, lambda: runner.folder_in_lake(name), work)
    stored = lake[runner.folder_in_lake(name)]
    report_end(stored, assembly, shard, fail_on_missing=fail_on_missing)


def _slurm_script(
    context: click.Context,
    name: str,
    layers: Mapping[str, Any],
    arguments: list[str],
    execution: ExecutionOptions,
) -> str:
    """Return the script of an array job for this run, after a check of its config."""
    from lakebatch.cli.slurm import batch_script
    from lakebatch.experiment import registry
    from lakebatch.lake.lake import open_lake as open_
    from lakebatch.runner import start_from

    lake = open_(group_options(context).lake)
    others = {"file": layers["config"], **{key: layers[key] for key in ("settings", "overrides")}}
    plan, _ = start_from.plan(lake, registry.get(name), layers["start_from"], layers["preset"], **others)
    return batch_script(name, arguments, lake.storage, len(plan.parts), execution.tasks)


def _arguments(name: str, layers: Mapping[str, Any], labels: Mapping[str, Any]) -> list[str]:
    """Return the arguments of ``lakebatch run`` for this run, valid in any folder."""
    given = {
        "--preset": layers["preset"],
        "--from": layers["start_from"],
        "--config": layers["config"] and layers["config"].absolute(),
    }
    after = {"--seed": labels["seed"], "--name": labels["assembly_name"], "--note": labels["note"]}
    arguments = [name, *_words(given)]
    for setting in layers["settings"]:
        arguments += ["--set", setting]
    if layers["overrides"]:
        arguments += ["--levels", *map(str, layers["overrides"]["levels"])]
    return [*arguments, *_words(after)]


def _words(options: Mapping[str, Any]) -> list[str]:
    """Return the options that have a value, each with its value."""
    given = {option: str(value) for option, value in options.items() if value is not None}
    return [word for pair in given.items() for word in pair]
