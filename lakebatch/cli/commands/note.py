"""Command ``note``: notes about assemblies."""

from __future__ import annotations

import click

from lakebatch.cli import completion
from lakebatch.cli.context import inform, of_assembly, open_lake


@click.command(epilog="Example: lakebatch note response-noise 20261123_142230_run001 'the pump was off'")
@click.argument("name", shell_complete=completion.stored)
@click.argument("assembly", shell_complete=completion.assemblies)
@click.argument("text", required=False)
@click.pass_context
def note(context: click.Context, name: str, assembly: str, text: str | None) -> None:
    """Record a note TEXT about an ASSEMBLY, by id or name; its status stays. NAME can be left out before an id.

    `history` shows each note with its time, `status NAME ASSEMBLY` all notes of an assembly.
    """
    if text is None:  # of two words the first is the assembly
        name, found = of_assembly(context, name, None)
        if found is None:
            raise click.UsageError("Missing argument 'TEXT'.", context)
        assembly, text = found, assembly
    noted = open_lake(context)[name].note(assembly, text)
    inform(f"Noted about {noted.assembly_id}.")
