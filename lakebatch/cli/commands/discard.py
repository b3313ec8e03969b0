"""Commands ``discard`` and ``restore``: exclusion of an assembly from the dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lakebatch.cli import completion
from lakebatch.cli.context import open_lake, program

if TYPE_CHECKING:
    pass


@click.command(
    epilog="Example: lakebatch discard response-noise 20261123_142230_run001 --reason 'wrong dose'"
)
@click.argument("name", shell_complete=completion.stored)
@click.argument("assembly", shell_complete=completion.assemblies)
@click.option("--reason", required=True, metavar="TEXT", help="Reason; it is recorded.")
@click.pass_context
def discard(context: click.Context, name: str, assembly: str, reason: str) -> None:
    """Exclude an ASSEMBLY from the dataset; no row is deleted, and earlier versions still contain it."""
    open_lake(context)[name].discard(assembly, reason)
    undo = f"{program(context)} restore {name} {assembly} --reason TEXT"
    click.echo(f"{assembly} is discarded. Undo it with: {undo}", err=True)


@click.command(
    epilog="Example: lakebatch restore response-noise 20261123_142230_run001 --reason 'dose was right'"
)
@click.argument("name", shell_complete=completion.stored)
@click.argument("assembly", shell_complete=completion.assemblies)
@click.option("--reason", required=True, metavar="TEXT", help="Reason; it is recorded.")
@click.pass_context
def restore(context: click.Context, name: str, assembly: str, reason: str) -> None:
    """Include a discarded ASSEMBLY in the dataset again."""
    restored = open_lake(context)[name].restore(assembly, reason)
    click.echo(f"{assembly} is {restored.state} again.", err=True)
