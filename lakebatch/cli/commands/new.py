"""Command ``new``: an experiment to start from."""

from __future__ import annotations

import click

from lakebatch.settings import project_folder, require_working_folder


@click.command(epilog="Example: lakebatch new batch-effect")
@click.argument("name")
def new(name: str) -> None:
    """Write a commented, working experiment NAME into the project's folder experiments.

    Its method perturb is an example: replace it by what a level of NAME does to the measurement.
    """
    from lakebatch.experiment.scaffold import new_experiment

    folder = require_working_folder()
    file = new_experiment(name, project_folder())
    shown = file.relative_to(folder) if file.is_relative_to(folder) else file
    click.echo(
        f"Wrote {shown}. Try it with:\n"
        f"  lakebatch run {name} --preset demo\n"
        f"  lakebatch check {name} --preset smoke"
    )
