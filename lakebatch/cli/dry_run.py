"""Commands that change nothing without ``--yes``."""

from __future__ import annotations

import click

from lakebatch.cli.context import program
from lakebatch.cli.stderr import print_stderr

yes_option = click.option("--yes", is_flag=True, help="Do it; without, only print the plan.")


def report_end(
    context: click.Context, done: bool, gain: str, verb: str, name: str | None, options: str = ""
) -> None:
    """Print the gain of a command; of a dry run, also the command that makes it real."""
    if not gain:
        click.echo(f"There is nothing to {verb}.", err=True)
    elif done:
        click.echo(f"{gain}.", err=True)
    else:
        command = " ".join(filter(None, [program(context), verb, name, options, "--yes"]))
        print_stderr(f"Nothing was done. It would be {gain}; do it with: {command}")
