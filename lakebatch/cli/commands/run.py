"""Command ``run``: a new assembly."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lakebatch.cli import completion as completing
from lakebatch.cli.context import common, open_lake
from lakebatch.cli.execution_options import Where, where_options
from lakebatch.cli.options import config_option, preset_option, settings_option

if TYPE_CHECKING:
    from lakebatch.assembly.record import Assembly
    from lakebatch.runner.progress import Progress


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
@where_options
@click.option(
    "--print-slurm", is_flag=True, help="Print a batch script that runs it as an array job; run nothing."
)
@click.pass_context
def run(
    context: click.Context,
    /,
    name: str,
    preset: str,
    config_file: Path | None,
    settings: tuple[str, ...],
    levels: tuple[float, ...],
    seed: int | None,
    print_slurm: bool,
    **where: Any,
) -> None:
    """Run a new assembly of experiment NAME and append its rows to the lake.

    With --shard the tasks of an array job share one assembly: the first starts it, the last completes it.
    """
    from lakebatch.cli.run_session import conclude, run_with_session
    from lakebatch.runner import run as runner

    chosen = Where(**where)
    what: dict[str, Any] = {
        "preset": preset,
        "config": config_file,
        "settings": settings,
        "overrides": {"levels": list(levels)} if levels else None,
    }
    if print_slurm:
        click.echo(_batch_script(context, name, what, seed, chosen))
        return
    lake, shard = open_lake(context), chosen.shard

    def work(progress: Progress) -> Assembly:
        with chosen.executor() as executor:
            return runner.run(
                lake, name, **what, seed=seed, executor=executor, shard=shard, progress=progress
            )

    conclude(lake, name, run_with_session(name, lambda: lake[name].folder, work), shard)


def _batch_script(
    context: click.Context, name: str, what: Mapping[str, Any], seed: int | None, where: Where
) -> str:
    """Return the script of an array job that runs this, after checking that it could."""
    from lakebatch import storage
    from lakebatch.cli.slurm import batch_script
    from lakebatch.experiment import registry
    from lakebatch.experiment.config import resolve

    source = registry.get(name)
    experiment = registry.load(source)
    layers = {"preset": what["preset"], "settings": what["settings"], "overrides": what["overrides"]}
    parts = experiment.parts(resolve(source, experiment, file=what["config"], **layers).model)
    lake = storage.locate(common(context).lake)
    return batch_script(name, _arguments(name, what, seed), lake, len(parts), where.tasks)


def _arguments(name: str, what: Mapping[str, Any], seed: int | None) -> list[str]:
    """Return what has to follow ``lakebatch run`` so that it runs this, from any folder."""
    arguments = [name, "--preset", what["preset"]]
    if what["config"]:
        arguments += ["--config", str(what["config"].absolute())]
    for setting in what["settings"]:
        arguments += ["--set", setting]
    if what["overrides"]:
        arguments += ["--levels", *map(str, what["overrides"]["levels"])]
    return arguments if seed is None else [*arguments, "--seed", str(seed)]


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
