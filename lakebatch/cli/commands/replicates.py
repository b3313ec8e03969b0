"""Command ``replicates``: assemblies of the same config."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from lakebatch.cli import completion
from lakebatch.cli.context import open_lake
from lakebatch.cli.options import damage_option, format_option, selection_options
from lakebatch.cli.output import show
from lakebatch.cli.stderr import print_stderr

if TYPE_CHECKING:
    import polars as pl

    from lakebatch.snapshot.selection import Selection

HASH_DIGITS = 8


@click.command(epilog="Example: lakebatch replicates response-noise")
@click.argument("name", shell_complete=completion.stored)
@selection_options
@damage_option
@format_option
@click.pass_context
def replicates(
    context: click.Context,
    name: str,
    selection: Selection,
    on_gap: Any,
    form: str,
) -> None:
    """Show the assemblies of experiment NAME that share a config, and whether those of one seed agree."""
    from lakebatch.snapshot.replicates import compare

    found = compare(open_lake(context)[name].select(selection), on_gap)
    none = f"No two assemblies share a config. Start another replicate with: lakebatch run {name}"
    show(_for_people(found) if form == "table" else found, form, none=none)
    if found.is_empty() and form != "table":
        print_stderr(none)


def _for_people(found: pl.DataFrame) -> pl.DataFrame:
    """Return the assemblies with the first digits of their config's hash."""
    import polars as pl

    return found.with_columns(pl.col("config_hash").str.head(HASH_DIGITS))
