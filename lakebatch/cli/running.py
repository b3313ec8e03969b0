"""The commands that compute: run, resume."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lakebatch.cli import completing
from lakebatch.cli.common import common
from lakebatch.cli.options import (
    config_option,
    jobs_option,
    open_lake,
    preset_option,
    program,
    settings_option,
)
from lakebatch.cli.saying import say

if TYPE_CHECKING:
    from lakebatch.assembly import Assembly
    from lakebatch.lake import Lake
    from lakebatch.progress import Progress

FAILED_PARTS = 3


class Levels(click.Command):
    """A command whose ``--levels`` takes every value up to the next option."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(context, _repeated(args, "--levels"))


@click.command(
    cls=Levels, epilog="Example: lakebatch run response-noise --preset smoke --levels 0 0.1 --jobs 2"
)
@click.argument("name", shell_complete=completing.runnable)
@preset_option
@config_option
@settings_option
@click.option("--levels", type=float, multiple=True, metavar="L...", help="Levels of the perturbation.")
@click.option(
    "--seed", type=int, metavar="N", help="The assembly's seed.  [default: a new replicate each time]"
)
@jobs_option
@click.pass_context
def run(
    context: click.Context,
    name: str,
    preset: str,
    config_file: Path | None,
    settings: tuple[str, ...],
    levels: tuple[float, ...],
    seed: int | None,
    jobs: int | None,
) -> None:
    """Run a new assembly of experiment NAME and append its rows to the lake."""
    from lakebatch import runner
    from lakebatch.cli.attending import attended

    lake = open_lake(context)

    def work(progress: Progress) -> Assembly:
        return runner.run(
            lake,
            name,
            preset=preset,
            config=config_file,
            settings=settings,
            overrides={"levels": list(levels)} if levels else None,
            seed=seed,
            jobs=jobs,
            progress=progress,
        )

    _conclude(lake, name, attended(name, lambda: lake[name].folder, work))


@click.command(epilog="Example: lakebatch resume response-noise 20261123_142230_run001")
@click.argument("name", required=False, shell_complete=completing.stored)
@click.argument("assembly", required=False, shell_complete=completing.assemblies)
@jobs_option
@click.pass_context
def resume(context: click.Context, name: str | None, assembly: str | None, jobs: int | None) -> None:
    """Continue what was interrupted or failed: only the parts that are missing.

    Without ASSEMBLY the newest such one of experiment NAME; without NAME the newest of the lake.
    """
    from lakebatch import runner
    from lakebatch.cli.attending import attended

    lake = open_lake(context)
    chosen = name or runner.newest_resumable(lake)

    def work(progress: Progress) -> Assembly:
        return runner.resume(lake, chosen, assembly, jobs=jobs, progress=progress)

    _conclude(lake, chosen, attended(chosen, lambda: lake[chosen].folder, work))


COMMANDS = (run, resume)


def _conclude(lake: Lake, name: str, assembly: Assembly) -> None:
    """Say how it ended and where to look next."""
    if assembly.status == "failed":
        say(
            f"{assembly.assembly_id} has {assembly.parts_done} of {assembly.parts_planned} parts; failed: {assembly.error}\n"
            f"Try the rest again with: {program(click.get_current_context())} resume {name} {assembly.assembly_id}"
        )
        sys.exit(FAILED_PARTS)
    if common(click.get_current_context()).quiet:
        return
    stored, command = lake[name], program(click.get_current_context())
    where = stored.results.uri.removeprefix(f"{Path.cwd()}/")
    click.echo(
        f"{assembly.assembly_id} is completed: {assembly.rows} rows in {where}, version {assembly.results_version}\n"
        "Look at it with:\n"
        f"  {command} plot {name} -o {name}.png\n"
        f"  {command} report {name}\n"
        f"  {command} reassemble {name} -o {name}.parquet\n"
        f"  {command} sql --query summary --param experiment={name}"
    )
    for gap in assembly.known_gaps:
        say(f"Warning: {gap}")


def _repeated(arguments: list[str], option: str) -> list[str]:
    """Return the arguments with the option repeated before each of its values."""
    result: list[str] = []
    inside = False
    for argument in arguments:
        if inside and _is_number(argument):
            result += [argument] if result[-1] == option else [option, argument]
            continue
        inside = argument == option
        result.append(argument)
    return result


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
