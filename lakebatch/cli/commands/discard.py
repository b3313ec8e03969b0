"""Commands ``discard`` and ``restore``: an assembly out of the dataset and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lakebatch.cli import completion as completing
from lakebatch.cli.context import open_lake

if TYPE_CHECKING:
    pass


@click.command(
    epilog="Example: lakebatch discard response-noise 20261123_142230_run001 --reason 'wrong dose'"
)
@click.argument("name", shell_complete=completing.stored)
@click.argument("assembly", shell_complete=completing.assemblies)
@click.option("--reason", required=True, metavar="TEXT", help="Why; it is recorded.")
@click.pass_context
def discard(context: click.Context, name: str, assembly: str, reason: str) -> None:
    """Take an ASSEMBLY out of the dataset; nothing is removed, and earlier versions still have it."""
    open_lake(context)[name].discard(assembly, reason)
    click.echo(f"{assembly} is discarded. Take it back with: lakebatch restore {name} {assembly}", err=True)


@click.command(
    epilog="Example: lakebatch restore response-noise 20261123_142230_run001 --reason 'dose was right'"
)
@click.argument("name", shell_complete=completing.stored)
@click.argument("assembly", shell_complete=completing.assemblies)
@click.option("--reason", required=True, metavar="TEXT", help="Why; it is recorded.")
@click.pass_context
def restore(context: click.Context, name: str, assembly: str, reason: str) -> None:
    """Take back an ASSEMBLY that was discarded."""
    restored = open_lake(context)[name].restore(assembly, reason)
    click.echo(f"{assembly} is {restored.state} again.", err=True)
