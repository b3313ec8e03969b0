"""Command ``optimize``: merging of small files."""

from __future__ import annotations

import click

from lakebatch.cli import completion
from lakebatch.cli.context import experiments
from lakebatch.cli.dry_run import report_end, yes_option
from lakebatch.cli.options import format_option
from lakebatch.cli.output import show


@click.command(epilog="Example: lakebatch optimize response-noise --yes")
@click.argument("name", required=False, shell_complete=completion.stored)
@yes_option
@format_option
@click.pass_context
def optimize(context: click.Context, name: str | None, yes: bool, form: str) -> None:
    """Merge small files for faster reads, and bring the published table up to date; no row and no past state changes."""
    import polars as pl

    from lakebatch.assembly.tables import PUBLISHED
    from lakebatch.cli.render import with_sizes
    from lakebatch.maintenance import optimize as maintenance

    done = maintenance.optimize(experiments(context, name), dry_run=not yes)
    gaining = done.filter((pl.col("files") != pl.col("files_after")) | (pl.col("rewritten") > 0))
    if form != "table" or gaining.height:
        show(with_sizes(gaining) if form == "table" else done, form)
    merged, derived = done.filter(pl.col("table") != PUBLISHED), done.filter(pl.col("table") == PUBLISHED)
    saved, rewritten = int((merged["files"] - merged["files_after"]).sum()), int(merged["rewritten"].sum())
    behind = derived.filter(pl.col("rewritten") > 0)["experiment"].to_list()
    changes = [
        *([f"{saved} files fewer"] if saved else []),
        *([f"{rewritten} files in plain types for other engines"] if rewritten else []),
        *([f"the published table of {', '.join(behind)} brought up to date"] if behind else []),
    ]
    report_end(context, yes, ", ".join(changes), "optimize", name)
