"""Command ``du``: disk usage."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lakebatch.cli import completion
from lakebatch.cli.context import experiments
from lakebatch.cli.options import format_option
from lakebatch.cli.output import show
from lakebatch.cli.usage_errors import Choice

if TYPE_CHECKING:
    pass


@click.command(epilog="Example: lakebatch du --by table")
@click.argument("name", required=False, shell_complete=completion.stored)
@click.option(
    "--by",
    type=Choice(["experiment", "table", "assembly"]),
    default="table",
    show_default=True,
    help="Unit to sum sizes by.",
)
@format_option
@click.pass_context
def du(context: click.Context, name: str | None, by: str, form: str) -> None:
    """Show disk usage by experiment, table or assembly."""
    import polars as pl

    from lakebatch.cli.render import byte_size, with_sizes
    from lakebatch.maintenance import usage as maintenance

    found = maintenance.usage(experiments(context, name))
    keys = {"experiment": ["experiment"], "table": ["experiment", "table"]}.get(by)
    sums = pl.col("files", "rows", "bytes").sum()
    table = found if keys is None else found.group_by(keys, maintain_order=True).agg(sums)
    show(
        with_sizes(table) if form == "table" else table,
        form,
        none="There is no table in this lake yet. Start with: lakebatch run response-noise",
    )
    click.echo(f"{byte_size(int(found['bytes'].sum()))} in {found['files'].sum()} files", err=True)
    if "assembly_id" in table.columns and table["assembly_id"].null_count():
        click.echo(
            "Rows without an assembly: logs, files of past states only, and tables of several assemblies.",
            err=True,
        )
