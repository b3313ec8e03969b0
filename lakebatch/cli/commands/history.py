"""Command ``history``: events of an experiment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lakebatch.cli import completion
from lakebatch.cli.context import open_lake
from lakebatch.cli.options import (
    format_option,
)
from lakebatch.cli.output import show

if TYPE_CHECKING:
    pass


@click.command(epilog="Example: lakebatch history response-noise")
@click.argument("name", shell_complete=completion.stored)
@format_option
@click.pass_context
def history(context: click.Context, name: str, form: str) -> None:
    """Show the events of experiment NAME, oldest first, with the version after each."""
    show(open_lake(context)[name].history(), form)
