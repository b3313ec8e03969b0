"""Command ``history``: events of an experiment."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from lakebatch._text import to_second
from lakebatch.cli import completion
from lakebatch.cli.context import open_lake
from lakebatch.cli.options import format_option
from lakebatch.cli.output import MAX_ROWS, echo, is_narrow, show, wrap
from lakebatch.cli.stderr import sanitize

if TYPE_CHECKING:
    import polars as pl

LONG = ("error", "note")
# columns that are lines below the table on a narrow terminal


@click.command(epilog="Example: lakebatch history response-noise")
@click.argument("name", shell_complete=completion.stored)
@format_option
@click.pass_context
def history(context: click.Context, name: str, form: str) -> None:
    """Show the events of experiment NAME, oldest first, with the version after each."""
    events = open_lake(context)[name].history()
    show(_for_people(events) if form == "table" else events, form, keep="last")
    if form == "table" and is_narrow():
        for line in _lines(events.tail(MAX_ROWS)):
            echo(wrap(sanitize(line)))


def _for_people(events: pl.DataFrame) -> pl.DataFrame:
    """Return the events with the parts in one column, and the version of lakebatch under its name."""
    import polars as pl

    parts = pl.format("{}/{}", "parts_done", "parts_planned").alias("parts")
    told = events.insert_column(events.get_column_index("parts_done"), events.select(parts)["parts"])
    less = LONG if is_narrow() else ()
    return told.drop("parts_done", "parts_planned", *less).rename({"code_version": "lakebatch"})


def _lines(events: pl.DataFrame) -> Iterator[str]:
    """Yield a line for each error and each note."""
    for row in events.select("assembly_id", "at", *LONG).iter_rows(named=True):
        for column in LONG:
            if row[column]:
                yield f"{row['assembly_id']}, {to_second(row['at'])}: {row[column]}"
