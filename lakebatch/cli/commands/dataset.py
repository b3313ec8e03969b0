"""Command ``dataset``: the rows that models were trained on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lakebatch.cli import completion
from lakebatch.cli.context import open_lake
from lakebatch.cli.options import (
    format_option,
    moment_options,
    output_option,
)
from lakebatch.cli.output import check_output, show_or_save

if TYPE_CHECKING:
    from lakebatch.snapshot.moment import Moment


@click.command(
    epilog="Example: lakebatch dataset response-noise 20261123_142230_run001 --level 0.1 --features dynamic -o x.csv"
)
@click.argument("name", shell_complete=completion.stored)
@click.argument("assembly", shell_complete=completion.assemblies)
@click.option("--level", type=float, required=True, metavar="L", help="Level of the perturbation.")
@click.option("--features", required=True, metavar="SET", help="Name of the feature set, e.g. dynamic.")
@moment_options
@output_option
@format_option
@click.pass_context
def dataset(
    context: click.Context,
    name: str,
    assembly: str,
    level: float,
    features: str,
    moment: Moment,
    output: Path | None,
    form: str,
) -> None:
    """Return the rows that models of one ASSEMBLY were trained on: features, and the target as last column."""
    check_output(output)
    from lakebatch.assembly.record import EVERY_STATUS
    from lakebatch.snapshot import file_origin
    from lakebatch.snapshot.dataset import load
    from lakebatch.snapshot.selection import selection

    lake = open_lake(context)
    pinned = lake[name].at(moment)
    columns, target = load(pinned, assembly, level=level, feature_set=features)
    about = f"{pinned.qualified_name}, {pinned.state_read}: {assembly}, level {level:g}, {features}"
    chosen = pinned.select(selection(assembly=assembly, include=EVERY_STATUS))
    show_or_save(
        columns.with_columns(target),
        output,
        form,
        lambda: file_origin.of_dataset(chosen, str(lake.storage.uri)) | {"selection": about},
    )
