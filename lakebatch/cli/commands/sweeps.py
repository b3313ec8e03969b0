"""Command ``sweeps``: sweeps and their points."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lakebatch.cli import completion
from lakebatch.cli.context import open_lake
from lakebatch.cli.options import format_option
from lakebatch.cli.output import show
from lakebatch.cli.stderr import print_stderr

if TYPE_CHECKING:
    import polars as pl


@click.command(epilog="Example: lakebatch sweeps response-noise")
@click.argument("name", required=False, shell_complete=completion.stored)
@click.argument("sweep", required=False, shell_complete=completion.sweeps)
@format_option
@click.pass_context
def sweeps(context: click.Context, name: str | None, sweep: str | None, form: str) -> None:
    """Show the sweeps of the lake or of experiment NAME, or each point of one SWEEP.

    A point is done when it has all its replicates, each a completed assembly.
    """
    from lakebatch.cli.status_table import brief_sweeps

    lake = open_lake(context)
    if sweep is not None and name is not None:
        points = lake[name].sweep(sweep)
        show(_brief(points) if form == "table" else points, form)
        return
    found = lake.sweeps() if name is None else lake[name].sweeps()
    if found.is_empty():
        print_stderr("There is no sweep yet. Start one with: lakebatch run NAME --sweep KEY=VALUES")
        return
    show(brief_sweeps(found) if form == "table" else found, form)


def _brief(points: pl.DataFrame) -> pl.DataFrame:
    """Return what fits a terminal: without the sweep's name, which is asked for, and the hash."""
    return points.drop("sweep", "config_hash")
