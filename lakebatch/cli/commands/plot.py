"""Command ``plot``: pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lakebatch.cli import completion
from lakebatch.cli.context import inform, open_lake
from lakebatch.cli.options import gap_option, metric_option, selection_options, unit_option
from lakebatch.cli.output import file_name
from lakebatch.cli.stderr import print_stderr, sanitize
from lakebatch.cli.usage_errors import Choice

if TYPE_CHECKING:
    from lakebatch.snapshot.selection import Selection


KINDS = (
    "levels", "boxes", "grid", "degradation", "sensitivity", "robustness", "comparison", "growth", "trajectories", "network",
    "heatmap",
)  # fmt: skip


ALL = "all"


@click.command(
    epilog="Example: lakebatch plot response-noise --kind levels --by model --zoom 0.6 1 -o levels.pdf"
)
@click.argument("name", shell_complete=completion.stored)
@click.option(
    "--kind", type=Choice([*KINDS, ALL]), default="levels", show_default=True, help="Kind of picture."
)
@metric_option("Metric to draw.")
@click.option(
    "--by",
    metavar="GROUP|KEY",
    shell_complete=completion.groups,
    help="Meaning of the colours: a group of the experiment, such as feature_set or model, config, or a config key.  "
    "[default: its first group]",
)
@click.option(
    "--x", metavar="KEY", help="Config key along the x axis of a heat map.  [default: that of the sweep]"
)
@click.option(
    "--y", metavar="KEY", help="Config key along the y axis of a heat map.  [default: that of the sweep]"
)
@click.option("--zoom", type=float, nargs=2, metavar="LOW HIGH", help="Range of the metric axis.")
@unit_option("Sampling unit of the intervals.")
@click.option(
    "--against",
    metavar="MOMENT",
    shell_complete=completion.moments,
    help="Overlay a second state: a version, a time, a tag or an experiment version such as v1.",
)
@click.option(
    "--level",
    type=float,
    metavar="L",
    help="Level of the trajectories, or of the heat map.  [default: the clean cohort; all]",
)
@click.option(
    "--width", type=float, metavar="MM", help="Width in mm.  [default: 89, or 183 for several panels]"
)
@selection_options
@gap_option
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
    selection: Selection,
    against: str | None,
    width: float | None,
    on_gap: Any,
    output: Path | None,
    **drawn: Any,
) -> None:
    """Draw a picture of experiment NAME: any kind, now or at any past state, or two states overlaid."""
    from lakebatch.analysis import plots
    from lakebatch.snapshot.states import state

    reading: dict[str, Any] = {"on_gap": on_gap, "options": plots.Options(**drawn)}
    stored = open_lake(context)[name]
    snapshot = stored.select(selection)
    if against is not None:
        reading["against"] = state(stored, against).select(selection)
    if kind == ALL:
        _plot_all(snapshot, output or Path(file_name(name, "-pictures")), width, reading)
        return
    file = plots.check_file(output or Path(file_name(name, f"-{kind}.png")))
    picture = plots.picture(snapshot, kind, **reading)
    picture.save(file, width)
    inform(f"{file}: {picture.chart.description()}")


def _plot_all(snapshot: Any, folder: Path, width: float | None, reading: dict[str, Any]) -> None:
    """Write a PNG of every kind into a folder; print the reason where one cannot be drawn."""
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
            print_stderr(f"no {kind}: {error}")
        else:
            click.echo(sanitize(str(file)))
        reading = {**reading, "on_gap": "ignore"}  # gaps are reported once
