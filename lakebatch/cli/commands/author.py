"""The commands for those who begin, and who write experiments: init, new, check."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from lakebatch.cli import completion as completing
from lakebatch.cli.options import preset_option, settings_option
from lakebatch.cli.terminal import harmless
from lakebatch.settings import is_source_tree, require_working_folder


@click.command(epilog="Example: lakebatch init study")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=".")
def init(folder: Path) -> None:
    """Make FOLDER, the current one by default, a place to work in; what is there already stays as it is.

    It gets lakebatch.toml (where the lake is), small.toml (a config), an example experiment, an example query
    and a notebook that walks through all of it.
    """
    from lakebatch.experiment.scaffold import EXAMPLE, new_folder

    if is_source_tree(folder):
        raise click.UsageError(
            "This is the source of lakebatch. Name a folder of your own: lakebatch init FOLDER"
        )
    written, kept = new_folder(folder)
    for verb, files in (("wrote", written), ("kept", kept)):
        for file in files:
            click.echo(f"{verb:<6} {file}", err=True)
    go = "" if folder.resolve() == Path.cwd() else f"  cd {shlex.quote(str(folder))}\n"
    click.echo(
        f"Go on with:\n{go}"
        "  lakebatch run response-noise --preset smoke   a whole run in seconds\n"
        f"  lakebatch run {EXAMPLE} --preset smoke     the example experiment, experiments/batch_effect.py\n"
        "  lakebatch                                     what to do next, at any time\n"
        "  jupyter lab first-steps.ipynb                 all of it step by step; needs jupyterlab and lakebatch[plots]"
    )


@click.command(epilog="Example: lakebatch new batch-effect")
@click.argument("name")
def new(name: str) -> None:
    """Write a commented, working experiment NAME into ./experiments."""
    from lakebatch.experiment.scaffold import new_experiment

    folder = require_working_folder()
    file = new_experiment(name, folder)
    click.echo(
        f"Wrote {file.relative_to(folder)}. Try it with:\n"
        f"  lakebatch run {name} --preset smoke\n"
        f"  lakebatch check {name} --preset smoke"
    )


@click.command(epilog="Example: lakebatch check response-noise --preset smoke")
@click.argument("name", shell_complete=completing.runnable)
@preset_option
@settings_option
def check(name: str, preset: str, settings: tuple[str, ...]) -> None:
    """Check that experiment NAME keeps its promises: the same rows for any number of workers, resumable, ...

    It runs several times, in a lake of its own that is removed afterwards; a small config is enough.
    """
    from lakebatch.errors import ExperimentError
    from lakebatch.runner.check import CHECKS, CheckConfig

    trial = CheckConfig(name, preset, settings)
    faults = 0
    for each in CHECKS:
        promise = (each.__doc__ or "").strip()
        try:
            each(trial)
        except ExperimentError as error:
            faults += 1
            click.echo(harmless(f"broken  {promise}\n        {error}"))
        else:
            click.echo(f"kept    {promise}")
    if faults:
        raise ExperimentError(f"{name} breaks {faults} of {len(CHECKS)} promises")


COMMANDS = (init, new, check)
