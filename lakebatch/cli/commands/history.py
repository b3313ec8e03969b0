"""Command ``history``: events of an experiment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lakebatch.cli import completion
from lakebatch.cli.context import open_lake
from lakebatch.cli.options import format_option
from lakebatch.cli.output import is_narrow, show

if TYPE_CHECKING:
    import polars as pl

LESS = ("code_version", "commit", "name", "user", "started_from")
# columns that a narrow terminal does not show


@click.command(epilog="Example: lakebatch history response-noise")
@click.argument("name", shell_complete=completion.stored)
@format_option
@click.pass_context
def history(context: click.Context, name: str, form: str) -> None:
    """Show the events of experiment NAME, oldest first, with the version after each."""
    events = open_lake(context)[name].history()
    show(_for_people(events) if form == "table" else events, form)


def _for_people(events: pl.DataFrame) -> pl.DataFrame:
    """Return the events with the parts in one column, and on a narrow terminal without code and origin."""
    import polars as pl

    parts = pl.format("{}/{}", "parts_done", "parts_planned").alias("parts")
    told = events.insert_column(events.get_column_index("parts_done"), events.select(parts)["parts"])
    return told.drop("parts_done", "parts_planned", *(LESS if is_narrow() else ()))
