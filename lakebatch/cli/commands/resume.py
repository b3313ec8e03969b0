"""Command ``resume``: the missing parts of an assembly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from lakebatch.cli import completion
from lakebatch.cli.context import open_lake
from lakebatch.cli.execution_options import ExecutionOptions, execution_options
from lakebatch.cli.options import fail_on_missing_option
from lakebatch.cli.sweep_run import resume_sweep

if TYPE_CHECKING:
    from lakebatch.assembly.record import Assembly
    from lakebatch.runner.assembly_run import Progress


@click.command(epilog="Example: lakebatch resume response-noise 20261123_142230_run001")
@click.argument("name", required=False, shell_complete=completion.stored)
@click.argument("assembly", required=False, shell_complete=completion.unfinished)
@execution_options
@fail_on_missing_option
@click.pass_context
def resume(
    context: click.Context, /, name: str | None, assembly: str | None, fail_on_missing: bool, **options: Any
) -> None:
    """Compute the missing parts of an interrupted or failed ASSEMBLY, and the missing replicates of its set.

    The default is the newest such assembly of experiment NAME; without NAME, of the lake. With --shard, the tasks of
    an array job share the missing parts.

    NAME or ASSEMBLY can also be a sweep: compute what is missing of it.
    """
    from lakebatch.cli.run_session import report_end, run_with_session
    from lakebatch.runner import replicates as sets
    from lakebatch.runner import resumable

    for what, given in (("NAME", name), ("ASSEMBLY", assembly)):
        if given == "":
            raise click.UsageError(
                f"{what} is empty, perhaps from an unset variable. Leave it out to choose the newest."
            )
    execution = ExecutionOptions(**options)
    shard = execution.shard
    lake = open_lake(context)
    found = resumable.choose(lake, name, assembly)
    if found.sweep is not None and (shard is None or name is not None):
        resume_sweep(lake, found.experiment, found.sweep, execution, fail_on_missing=fail_on_missing)
        return
    if shard is not None and assembly is None:
        raise click.UsageError("--shard needs the assembly to share. Give NAME and ASSEMBLY.")

    def work(progress: Progress) -> Assembly:
        with execution.executor() as executor:
            return sets.resume(
                lake,
                found.experiment,
                found.assembly,
                executor=executor,
                shard=shard,
                accept_changes=execution.accept_changes,
                progress=progress,
            )

    name = found.experiment
    ended = run_with_session(name, lambda: lake[name].folder, work)
    report_end(lake[name], ended, shard, fail_on_missing=fail_on_missing)
