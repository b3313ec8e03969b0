"""Command ``reassemble``: all completed assemblies as one dataset."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lakebatch.cli import completion
from lakebatch.cli.context import open_lake
from lakebatch.cli.options import (
    format_option,
    gap_option,
    output_option,
    selection_options,
)
from lakebatch.cli.output import check_output, save, show

if TYPE_CHECKING:
    from lakebatch.snapshot.selection import Selection


@click.command(epilog="Example: lakebatch reassemble response-noise --version 7 -o results.parquet")
@click.argument("name", shell_complete=completion.stored)
@selection_options
@gap_option
@click.option(
    "--table",
    metavar="TABLE",
    default="results",
    show_default=True,
    shell_complete=completion.tables,
    help="Table to read: results, samples, trajectories, artifacts, or one that the experiment declares.",
)
@output_option
@format_option
@click.pass_context
def reassemble(
    context: click.Context,
    name: str,
    selection: Selection,
    on_gap: Any,
    table: str,
    output: Path | None,
    form: str,
) -> None:
    """Read every completed assembly of experiment NAME as one dataset, now or at any past state."""
    check_output(output)
    lake = open_lake(context)
    pinned = lake[name].select(selection)
    if output is None:
        none = f"{pinned.describe()}, without a row in {table}. Start an assembly with: lakebatch run {pinned.name}"
        show(pinned.reassemble(table=table, on_gap=on_gap), form, none=none)
    else:
        from lakebatch.snapshot import file_origin

        pieces = pinned.pieces(table=table, on_gap=on_gap)
        described = pinned.tables.existing(table).arrow_schema()
        save(pieces, output, file_origin.of_dataset(pinned, str(lake.storage.uri)), described)
