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
FORMS = ("png", "svg", "pdf", "html")


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
@click.option("--caption", is_flag=True, help="Write title, caption and origin to FILE.txt too.")
@click.option(
    "--format", "form", type=Choice(FORMS), help="Format of the files of --kind all.  [default: png]"
)
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
    caption: bool,
    form: str | None,
    output: Path | None,
    **drawn: Any,
) -> None:
    """Draw a picture of experiment NAME: any kind, now or at any past state, or two states overlaid."""
    from lakebatch.analysis import plots
    from lakebatch.snapshot.states import state

    _check_output(kind, form, output)
    reading: dict[str, Any] = {"on_gap": on_gap, "options": plots.Options(**drawn)}
    stored = open_lake(context)[name]
    snapshot = stored.select(selection)
    if against is not None:
        reading["against"] = state(stored, against).select(selection)
    saved: dict[str, Any] = {"width_mm": width, "caption": caption}
    if kind == ALL:
        folder = output or Path(file_name(name, "-pictures"))
        _plot_all(snapshot, folder, form or FORMS[0], reading, saved)
        return
    file = plots.check_file(output or Path(file_name(name, f"-{kind}.png")))
    picture = plots.picture(snapshot, kind, **reading)
    picture.save(file, **saved)
    inform(f"{file}: {picture.chart.description()}")


def _check_output(kind: str, form: str | None, output: Path | None) -> None:
    """Refuse a file for all pictures, and a format beside the ending of a file."""
    from lakebatch.errors import ConfigError

    is_file = output is not None and output.suffix.removeprefix(".") in FORMS and not output.is_dir()
    if kind == ALL and is_file:
        raise ConfigError(
            f"Cannot write all kinds to {output}: they are several files. Give a folder, and --format for their format."
        )
    if kind != ALL and form is not None:
        raise ConfigError(
            "--format is for --kind all. Name the format of one picture by the ending of its file: -o FILE.svg"
        )


def _plot_all(snapshot: Any, folder: Path, form: str, reading: dict[str, Any], saved: dict[str, Any]) -> None:
    """Write a file of every kind into a folder, with its caption; print the reason where one cannot be drawn."""
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
    options = reading["options"]
    for kind in plots.KINDS:
        try:
            reading["options"] = plots.applying(options, kind)
            picture = plots.picture(snapshot, kind, **reading)
            file = picture.save(folder / f"{kind}.{form}", **saved)
        except (IncompleteError, AssemblyError, ConfigError, ExperimentError, UnknownNameError) as error:
            print_stderr(f"no {kind}: {error}")
        else:
            click.echo(sanitize(str(file)))
            inform(picture.chart.description())
        reading["on_gap"] = "ignore"  # gaps are reported once
