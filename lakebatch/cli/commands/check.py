"""Command ``check``: the contract of an experiment."""

from __future__ import annotations

from pathlib import Path

import click

from lakebatch.cli import completion
from lakebatch.cli.configured import Configured, levels_option, overrides
from lakebatch.cli.options import config_option, preset_option, settings_option
from lakebatch.cli.stderr import sanitize


@click.command(cls=Configured, epilog="Example: lakebatch check response-noise --preset smoke")
@click.argument("name", shell_complete=completion.runnable)
@preset_option
@config_option
@settings_option
@levels_option
def check(
    name: str, preset: str, config_file: Path | None, settings: tuple[str, ...], levels: tuple[float, ...]
) -> None:
    """Check the contract of experiment NAME: the same rows with any worker count, resumable, and more.

    The experiment runs several times in a temporary lake; a small config is enough.
    """
    from lakebatch.errors import ExperimentError
    from lakebatch.runner.check import CHECKS, CheckConfig

    trial = CheckConfig(name, preset, settings, config_file, overrides(levels))
    faults = 0
    for each in CHECKS:
        promise = (each.__doc__ or "").strip()
        try:
            each(trial)
        except ExperimentError as error:
            faults += 1
            click.echo(sanitize(f"broken  {promise}\n        {error}"))
        else:
            click.echo(f"kept    {promise}")
    if faults:
        raise ExperimentError(f"{name} breaks {faults} of {len(CHECKS)} promises")
