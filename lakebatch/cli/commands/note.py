"""Command ``note``: notes about assemblies."""

from __future__ import annotations

import click

from lakebatch.cli import completion
from lakebatch.cli.context import inform, open_lake


@click.command(epilog="Example: lakebatch note response-noise 20261123_142230_run001 'the pump was off'")
@click.argument("name", shell_complete=completion.stored)
@click.argument("assembly", shell_complete=completion.assemblies)
@click.argument("text")
@click.pass_context
def note(context: click.Context, name: str, assembly: str, text: str) -> None:
    """Record a note TEXT about an ASSEMBLY, by id or name; its status stays.

    `history` shows each note with its time, `status NAME ASSEMBLY` all notes of an assembly.
    """
    noted = open_lake(context)[name].note(assembly, text)
    inform(f"Noted about {noted.assembly_id}.")
