"""The commands for those who write experiments: new, check."""

from __future__ import annotations

from pathlib import Path

import click

from lakebatch.cli.options import preset_option, settings_option
from lakebatch.cli.saying import harmless


@click.command(epilog="Example: lakebatch new batch-effect")
@click.argument("name")
def new(name: str) -> None:
    """Write a commented, working experiment NAME into ./experiments."""
    from lakebatch.scaffold import new_experiment

    file = new_experiment(name, Path.cwd())
    click.echo(
        f"Wrote {file.relative_to(Path.cwd())}. Try it with:\n"
        f"  lakebatch run {name} --preset smoke\n"
        f"  lakebatch check {name} --preset smoke"
    )


@click.command(epilog="Example: lakebatch check response-noise --preset smoke")
@click.argument("name")
@preset_option
@settings_option
def check(name: str, preset: str, settings: tuple[str, ...]) -> None:
    """Check that experiment NAME keeps its promises: the same rows for any number of workers, resumable, ...

    It runs several times, in a lake of its own that is removed afterwards; a small config is enough.
    """
    from lakebatch.contract import CHECKS, Trial
    from lakebatch.errors import ExperimentError

    trial = Trial(name, preset, settings)
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


COMMANDS = (new, check)
