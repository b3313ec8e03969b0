"""Command ``resume``: the missing parts of an assembly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from lakebatch.cli import completion as completing
from lakebatch.cli.context import open_lake
from lakebatch.cli.execution_options import Where, where_options

if TYPE_CHECKING:
    from lakebatch.assembly.record import Assembly
    from lakebatch.runner.progress import Progress


@click.command(epilog="Example: lakebatch resume response-noise 20261123_142230_run001")
@click.argument("name", required=False, shell_complete=completing.stored)
@click.argument("assembly", required=False, shell_complete=completing.assemblies)
@where_options
@click.option(
    "--allow-changed",
    is_flag=True,
    help="Go on though the experiment's source has changed since: the assembly then has rows of both.",
)
@click.pass_context
def resume(
    context: click.Context, /, name: str | None, assembly: str | None, allow_changed: bool, **where: Any
) -> None:
    """Continue what was interrupted or failed: only the parts that are missing.

    Without ASSEMBLY the newest such one of experiment NAME; without NAME the newest of the lake. With --shard
    the tasks of an array job share what is missing of an ASSEMBLY.
    """
    from lakebatch.cli.run_session import conclude, run_with_session
    from lakebatch.runner import run as runner

    for what, given in (("NAME", name), ("ASSEMBLY", assembly)):
        if given == "":
            raise click.UsageError(
                f"{what} is empty, as from a variable that is not set. Leave it out to choose the newest."
            )
    at = Where(**where)
    shard = at.shard
    if shard is not None and assembly is None:
        raise click.UsageError("--shard needs to know which assembly is shared. Give NAME and ASSEMBLY.")
    lake = open_lake(context)
    chosen = runner.newest_resumable(lake) if name is None else name

    def work(progress: Progress) -> Assembly:
        with at.executor() as executor:
            return runner.resume(
                lake,
                chosen,
                assembly,
                executor=executor,
                shard=shard,
                allow_changed=allow_changed,
                progress=progress,
            )

    conclude(lake, chosen, run_with_session(chosen, lambda: lake[chosen].folder, work), shard)
