"""Command ``check``: the contract of an experiment."""

from __future__ import annotations

import click

from lakebatch.cli import completion as completing
from lakebatch.cli.options import preset_option, settings_option
from lakebatch.cli.terminal import harmless


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
