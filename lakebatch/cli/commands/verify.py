"""Command ``verify``: an assembly computed again from its record."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from lakebatch.cli import completion as completing
from lakebatch.cli.context import open_lake
from lakebatch.cli.exit_codes import ERROR
from lakebatch.cli.options import format_option, jobs_option
from lakebatch.cli.output import show
from lakebatch.cli.terminal import say

if TYPE_CHECKING:
    pass


@click.command(epilog="Example: lakebatch verify response-noise 20261123_142230_run001")
@click.argument("name", shell_complete=completing.stored)
@click.argument("assembly", shell_complete=completing.assemblies)
@jobs_option
@format_option
@click.pass_context
def verify(context: click.Context, name: str, assembly: str, jobs: int | None, form: str) -> None:
    """Run an ASSEMBLY again from nothing but its record, and compare row by row; the verdict is recorded."""
    from lakebatch.cli.progress import terminal_progress
    from lakebatch.runner import verify as verification
    from lakebatch.snapshot import changes

    lake = open_lake(context)
    stored = lake[name]
    for change in changes.since(stored.name, stored.log.get(assembly)):
        say(f"Warning: {change}")
    verdict = verification.verify(lake, name, assembly, jobs=jobs, progress=terminal_progress())
    say(f"{assembly} {verdict}")
    if not verdict.reproduced:
        show(verdict.tables, form)
        sys.exit(ERROR)
