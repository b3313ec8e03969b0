"""Command ``repair``: repair of damage."""

from __future__ import annotations

import sys

import click

from lakebatch.cli import completion
from lakebatch.cli.context import open_lake, program
from lakebatch.cli.dry_run import yes_option
from lakebatch.cli.exit_codes import ERROR
from lakebatch.cli.options import format_option, jobs_option
from lakebatch.cli.output import show


@click.command(epilog="Example: lakebatch repair response-noise --yes")
@click.argument("name", required=False, shell_complete=completion.stored)
@yes_option
@jobs_option
@format_option
@click.pass_context
def repair(context: click.Context, name: str | None, yes: bool, jobs: int | None, form: str) -> None:
    """Repair damage in the lake, or in experiment NAME, where the result can be proven right.

    Lost and damaged data files are restored: from other files, from copies in the log, or by computing the rows again
    from the record of the assembly. Rows return only with the fingerprint that their commit recorded. Doubled rows
    are removed, and checkpoints are written again. Nothing else is changed. Exit code 1 if damage remains.
    """
    found = open_lake(context).repair(name, dry_run=not yes, jobs=jobs)
    if not found.is_empty() or form != "table":
        show(found, form)
    counts = {state: int((found["state"] == state).sum()) for state in found["state"].unique().sort()}
    click.echo(
        ", ".join(f"{count} {state}" for state, count in counts.items())
        or "Nothing to heal was found. See also: lakebatch doctor",
        err=True,
    )
    if counts.get("can be healed"):
        command = " ".join(filter(None, [program(context), "repair", name, "--yes"]))
        click.echo(f"Nothing was changed. Heal it with: {command}", err=True)
    if counts.keys() - {"healed"}:
        sys.exit(ERROR)
