"""Command ``queries``: the named queries."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lakebatch.cli.options import (
    format_option,
)
from lakebatch.cli.output import show_with_text

if TYPE_CHECKING:
    pass


@click.command("queries", epilog="Example: lakebatch queries")
@format_option
def queries_(form: str) -> None:
    """List the named queries for: lakebatch sql --query NAME

    Pass parameters with --param NAME=VALUE; those in brackets are optional.
    """
    import polars as pl

    from lakebatch.sql import named as named_queries

    rows = [
        {"name": each.name, "parameters": each.describe_parameters(), "help": each.help}
        for each in named_queries.find().values()
    ]
    show_with_text(pl.DataFrame(rows), form, "{name}  {parameters}".format_map, "help")
