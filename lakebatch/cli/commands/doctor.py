"""Command ``doctor``: a search for damage."""

from __future__ import annotations

import sys

import click

from lakebatch.cli import completion
from lakebatch.cli.context import open_lake
from lakebatch.cli.exit_codes import ERROR
from lakebatch.cli.options import format_option
from lakebatch.cli.output import show_with_text


@click.command(epilog="Example: lakebatch doctor response-noise --deep")
@click.argument("name", required=False, shell_complete=completion.stored)
@click.option(
    "--deep", is_flag=True, help="Read every row, and compare it with the fingerprint of its commit."
)
@click.option("--read-only", is_flag=True, help="Skip the test of write access.")
@format_option
@click.pass_context
def doctor(context: click.Context, name: str | None, deep: bool, read_only: bool, form: str) -> None:
    """Search the lake, or experiment NAME, for damage, and suggest commands; nothing is changed.

    The table shows only problems and notes; the other formats list every check. Exit code 1 if there is a problem.
    """
    import polars as pl

    found = open_lake(context).doctor(name, deep=deep, read_only=read_only)
    findings = found.filter(pl.col("severity") != "ok")
    shown = findings if form == "table" else found
    if not shown.is_empty():
        show_with_text(shown, form, "{severity}: {subject}: {what}".format_map, "advice")
    problems = int((found["severity"] == "problem").sum())
    notes = findings.height - problems
    click.echo(f"{found.height} checks: {problems} problems, {notes} notes", err=True)
    if problems:
        sys.exit(ERROR)
