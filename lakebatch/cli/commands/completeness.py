"""Command ``completeness``: missing parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from lakebatch.cli import completion
from lakebatch.cli.context import open_lake
from lakebatch.cli.options import damage_option, format_option, selection_options
from lakebatch.cli.output import show
from lakebatch.cli.stderr import print_stderr

if TYPE_CHECKING:
    from lakebatch.snapshot.selection import Selection


@click.command(epilog="Example: lakebatch completeness response-noise")
@click.argument("name", shell_complete=completion.stored)
@click.option("--all", "everything", is_flag=True, help="List the committed parts too.")
@selection_options
@damage_option
@format_option
@click.pass_context
def completeness(
    context: click.Context,
    name: str,
    everything: bool,
    selection: Selection,
    on_gap: Any,
    form: str,
) -> None:
    """Show the missing parts of experiment NAME, and why; count rows without a metric and dropped samples."""
    import polars as pl

    from lakebatch.assembly.missing_metrics import MissingMetrics
    from lakebatch.assembly.record import EVERY_STATUS
    from lakebatch.snapshot.summary import with_states

    snapshot = open_lake(context)[name].select(selection)
    parts = snapshot.completeness(on_gap)
    missing = parts.filter(~pl.col("present"))
    shown = parts if everything else missing
    if form != "table" or shown.height:
        show(with_states(shown) if form == "table" else shown, form)
    print_stderr(
        f"{missing.height} of {parts.height} planned parts are missing."
        if parts.height
        else f"There is no assembly of {name} yet. Start one with: lakebatch run {name}"
    )
    for assembly_id, rows, lacking, why in snapshot.missing_metrics(on_gap=on_gap).rows():
        if lacking:
            print_stderr(f"{assembly_id}: {MissingMetrics(lacking, rows, why)}")
    for assembly_id, dropped in snapshot.dropped_samples(EVERY_STATUS, on_gap).items():
        print_stderr(f"{assembly_id}: {dropped}")
