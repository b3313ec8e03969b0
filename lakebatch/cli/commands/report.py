"""Command ``report``: a report in HTML and Markdown."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lakebatch.cli import completion as completing
from lakebatch.cli.context import open_lake
from lakebatch.cli.options import METRICS, UNITS, include_options, moment_options
from lakebatch.cli.terminal import harmless
from lakebatch.cli.usage import Choice

if TYPE_CHECKING:
    from lakebatch.snapshot.moment import Moment


@click.command(epilog="Example: lakebatch report response-noise -o report.html")
@click.argument("name", shell_complete=completing.stored)
@click.option(
    "--metric",
    type=Choice(METRICS),
    default="pearson_r",
    show_default=True,
    help="What is reported.",
)
@click.option(
    "--unit",
    type=Choice(UNITS),
    default="split",
    show_default=True,
    help="What intervals and tests are over.",
)
@moment_options
@include_options
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="FILE.html; Markdown goes to FILE.md, its pictures to the folder FILE.  [default: NAME-report.html]",
)
@click.pass_context
def report(
    context: click.Context,
    /,
    name: str,
    metric: Any,
    unit: Any,
    moment: Moment,
    include: tuple[Any, ...],
    on_gap: Any,
    output: Path | None,
) -> None:
    """Write a report of experiment NAME, now or at any past state: one HTML file, and Markdown."""
    from lakebatch.analysis import plots
    from lakebatch.analysis import report as reports

    file = reports.check_file(output or Path(f"{name}-report.html"))
    snapshot = open_lake(context)[name].at(moment)
    options = plots.Options(metric=metric, unit=unit)
    written = reports.report(snapshot, include=include, on_gap=on_gap, options=options).save(file)
    for each in written:
        click.echo(harmless(str(each)))
