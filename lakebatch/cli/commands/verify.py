"""Command ``verify``: an assembly computed again from its record."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from lakebatch.cli import completion
from lakebatch.cli.context import open_lake
from lakebatch.cli.exit_codes import ERROR
from lakebatch.cli.options import format_option, jobs_option
from lakebatch.cli.output import show
from lakebatch.cli.stderr import print_stderr

if TYPE_CHECKING:
    pass


@click.command(epilog="Example: lakebatch verify response-noise 20261123_142230_run001")
@click.argument("name", shell_complete=completion.stored)
@click.argument("assembly", shell_complete=completion.assemblies)
@jobs_option
@format_option
@click.pass_context
def verify(context: click.Context, name: str, assembly: str, jobs: int | None, form: str) -> None:
    """Run an ASSEMBLY again from its record alone, and compare row by row; the verdict is recorded."""
    from lakebatch.cli.progress import terminal_progress
    from lakebatch.runner import verify as verification

    lake = open_lake(context)
    stored = lake[name]
    changes, source = verification.changes_since(stored, stored.log.get(assembly))
    for change in changes:
        print_stderr(f"Warning: {change}")
    if source:
        print_stderr(source.expandtabs())
    verdict = verification.verify(lake, name, assembly, jobs=jobs, progress=terminal_progress())
    print_stderr(f"{assembly} {verdict}")
    if not verdict.reproduced:
        show(verdict.tables, form)
        sys.exit(ERROR)
