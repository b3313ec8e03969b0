"""Command ``doctor``: a search for damage."""

from __future__ import annotations

import sys

import click

from lakebatch.cli import completion as completing
from lakebatch.cli.context import open_lake
from lakebatch.cli.exit_codes import ERROR
from lakebatch.cli.options import format_option
from lakebatch.cli.output import show


@click.command(epilog="Example: lakebatch doctor response-noise --deep")
@click.argument("name", required=False, shell_complete=completing.stored)
@click.option("--deep", is_flag=True, help="Read every row, and compare it with what was committed.")
@click.option("--read-only", is_flag=True, help="Do not try whether the lake can be written to.")
@format_option
@click.pass_context
def doctor(context: click.Context, name: str | None, deep: bool, read_only: bool, form: str) -> None:
    """Look for damage in the lake, or in experiment NAME, and say what to run; nothing is changed.

    As a table only what needs a look is shown; the other formats list every check. Exit code 1 if there is
    a problem.
    """
    import polars as pl

    found = open_lake(context).doctor(name, deep=deep, read_only=read_only)
    worth_a_look = found.filter(pl.col("severity") != "ok")
    shown = worth_a_look if form == "table" else found
    if not shown.is_empty():
        show(shown, form)
    problems = int((found["severity"] == "problem").sum())
    notes = worth_a_look.height - problems
    click.echo(f"{found.height} checks: {problems} problems, {notes} notes", err=True)
    if problems:
        sys.exit(ERROR)
