"""Command ``report``: a report in HTML and Markdown."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lakebatch.cli import completion
from lakebatch.cli.context import open_lake
from lakebatch.cli.options import gap_option, metric_option, selection_options, unit_option
from lakebatch.cli.output import file_name
from lakebatch.cli.stderr import sanitize

if TYPE_CHECKING:
    from lakebatch.snapshot.selection import Selection


@click.command(epilog="Example: lakebatch report response-noise -o report.html")
@click.argument("name", shell_complete=completion.stored)
@metric_option("Metric to report.")
@unit_option("Sampling unit of intervals and tests.")
@click.option(
    "--by",
    metavar="config|KEY",
    help="Add tables and pictures by config, or by a config key.",
)
@selection_options
@gap_option
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="FILE.html; also writes FILE.md and the folder FILE with its pictures.  [default: NAME-report.html]",
)
@click.pass_context
def report(
    context: click.Context,
    /,
    name: str,
    metric: Any,
    unit: Any,
    by: Any,
    selection: Selection,
    on_gap: Any,
    output: Path | None,
) -> None:
    """Write a report of experiment NAME, now or at any past state, as one HTML file and as Markdown."""
    from lakebatch.analysis import plots
    from lakebatch.analysis import report as reports

    file = reports.check_file(output or Path(file_name(name, "-report.html")))
    snapshot = open_lake(context)[name].select(selection)
    options = plots.Options(metric=metric, unit=unit, by=by)
    written = reports.report(snapshot, on_gap=on_gap, options=options).save(file)
    for each in written:
        click.echo(sanitize(str(each)))
