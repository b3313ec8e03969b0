"""The commands that draw and report: plot, report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from lakebatch import metrics
from lakebatch.cli import completion as completing
from lakebatch.cli.context import inform
from lakebatch.cli.options import include_options, open_lake, version_options
from lakebatch.cli.terminal import harmless, say
from lakebatch.cli.usage import Choice

KINDS = (
    "levels", "boxes", "grid", "degradation", "sensitivity", "robustness", "comparison", "growth", "trajectories", "network",
)  # fmt: skip
ALL = "all"
UNITS = ("split", "assembly")


@click.command(
    epilog="Example: lakebatch plot response-noise --kind levels --by model --zoom 0.6 1 -o levels.pdf"
)
@click.argument("name", shell_complete=completing.stored)
@click.option(
    "--kind", type=Choice([*KINDS, ALL]), default="levels", show_default=True, help="Which picture."
)
@click.option(
    "--metric",
    type=Choice(metrics.NAMES),
    default=metrics.DEFAULT,
    show_default=True,
    help="What is drawn.",
)
@click.option(
    "--by",
    type=Choice(["feature_set", "model"]),
    default="feature_set",
    show_default=True,
    help="What colours show.",
)
@click.option("--zoom", type=float, nargs=2, metavar="LOW HIGH", help="Range of the metric's axis.")
@click.option(
    "--unit",
    type=Choice(UNITS),
    default="split",
    show_default=True,
    help="What intervals are over.",
)
@click.option(
    "--against",
    metavar="MOMENT",
    shell_complete=completing.moments,
    help="Draw another state behind it: a version, a time or a tag.",
)
@click.option(
    "--assembly",
    metavar="ID",
    shell_complete=completing.assemblies,
    help="Whose trajectories or network.  [default: the newest]",
)
@click.option(
    "--level", type=float, metavar="L", help="Level of the trajectories.  [default: the clean cohort]"
)
@click.option(
    "--width", type=float, metavar="MM", help="Width in mm.  [default: 89, or 183 for several panels]"
)
@version_options
@include_options
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="FILE",
    help="FILE.png, .svg or .pdf for print, .html interactive; a folder for --kind all.  [default: NAME-KIND.png]",
)  # fmt: skip
@click.pass_context
def plot(
    context: click.Context,
    /,
    name: str,
    kind: str,
    against: str | None,
    width: float | None,
    include: tuple[Any, ...],
    on_gap: Any,
    output: Path | None,
    **given: Any,
) -> None:
    """Draw a picture of experiment NAME: any kind, now or at any past state, or two states overlaid."""
    from lakebatch.analysis import plots
    from lakebatch.snapshot.moment import parse

    asked = {key: given.pop(key) for key in ("metric", "by", "zoom", "unit", "assembly", "level")}
    options = plots.Options(**asked)
    reading: dict[str, Any] = {"include": include, "on_gap": on_gap, "options": options}
    stored = open_lake(context)[name]
    snapshot = stored.snapshot(**given)
    if against is not None:
        reading["against"] = stored.at(parse(against))
    if kind == ALL:
        _plot_all(snapshot, output or Path(f"{name}-pictures"), width, reading)
        return
    file = plots.check_file(output or Path(f"{name}-{kind}.png"))
    drawn = plots.picture(snapshot, kind, **reading)
    drawn.save(file, width)
    inform(f"{file}: {drawn.chart.description()}")


def _plot_all(snapshot: Any, folder: Path, width: float | None, reading: dict[str, Any]) -> None:
    """Write every kind that can be drawn as a PNG into a folder; say why where one cannot."""
    from lakebatch.analysis import plots
    from lakebatch.errors import (
        AssemblyError,
        ConfigError,
        ExperimentError,
        IncompleteError,
        StorageError,
        UnknownNameError,
    )

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"Cannot make the folder {folder}: {error.strerror}.") from error
    for kind in plots.KINDS:
        try:
            file = plots.picture(snapshot, kind, **reading).save(folder / f"{kind}.png", width)
        except (IncompleteError, AssemblyError, ConfigError, ExperimentError, UnknownNameError) as error:
            say(f"no {kind}: {error}")
        else:
            click.echo(harmless(str(file)))
        reading = {**reading, "on_gap": "ignore"}  # gaps are named once


@click.command(epilog="Example: lakebatch report response-noise -o report.html")
@click.argument("name", shell_complete=completing.stored)
@click.option(
    "--metric",
    type=Choice(metrics.NAMES),
    default=metrics.DEFAULT,
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
@version_options
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
    include: tuple[Any, ...],
    on_gap: Any,
    output: Path | None,
    **moment: Any,
) -> None:
    """Write a report of experiment NAME, now or at any past state: one HTML file, and Markdown."""
    from lakebatch.analysis import plots
    from lakebatch.analysis import report as reports

    file = reports.check_file(output or Path(f"{name}-report.html"))
    snapshot = open_lake(context)[name].snapshot(**moment)
    options = plots.Options(metric=metric, unit=unit)
    written = reports.report(snapshot, include=include, on_gap=on_gap, options=options).save(file)
    for each in written:
        click.echo(harmless(str(each)))


COMMANDS = (plot, report)
