"""Command ``vacuum``: removal of unused files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lakebatch.cli import completion
from lakebatch.cli.context import experiments
from lakebatch.cli.dry_run import report_end, yes_option
from lakebatch.cli.options import format_option
from lakebatch.cli.output import show

if TYPE_CHECKING:
    pass


@click.command(epilog="Example: lakebatch vacuum response-noise --keep-days 30 --yes")
@click.argument("name", required=False, shell_complete=completion.stored)
@click.option(
    "--keep-days",
    type=int,
    default=7,
    show_default=True,
    metavar="N",
    help="Keep files that were still in use within N days, for readers of earlier states.",
)
@yes_option
@format_option
@click.pass_context
def vacuum(context: click.Context, name: str | None, keep_days: int, yes: bool, form: str) -> None:
    """Remove unused files: merged ones and leftovers of crashes, but no file of a tagged state.

    lakebatch can still read every past state; other programs can read the newest version and the tagged ones. Files
    that are in no commit and younger than a day always stay: a writer may be about to commit them.
    """
    import polars as pl

    from lakebatch.cli.render import byte_size, with_sizes
    from lakebatch.maintenance import vacuum as maintenance

    done = maintenance.vacuum(experiments(context, name), keep_days=keep_days, dry_run=not yes)
    removed = done.filter(pl.col("files") > 0)
    if form != "table" or removed.height:
        show(with_sizes(removed) if form == "table" else done, form)
    files = done["files"].sum()
    gain = f"{files} files, {byte_size(int(done['bytes'].sum()))} freed" if files else ""
    report_end(context, yes, gain, "vacuum", name, "" if keep_days == 7 else f"--keep-days {keep_days}")
