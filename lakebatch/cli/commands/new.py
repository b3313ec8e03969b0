"""Command ``new``: an experiment to start from."""

from __future__ import annotations

import click

from lakebatch.settings import require_working_folder


@click.command(epilog="Example: lakebatch new batch-effect")
@click.argument("name")
def new(name: str) -> None:
    """Write a commented, working experiment NAME into ./experiments."""
    from lakebatch.experiment.scaffold import new_experiment

    folder = require_working_folder()
    file = new_experiment(name, folder)
    click.echo(
        f"Wrote {file.relative_to(folder)}. Try it with:\n"
        f"  lakebatch run {name} --preset demo\n"
        f"  lakebatch check {name} --preset smoke"
    )
