"""Pictures of an experiment by kind, for print, screen and files."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from numbers import Real
from pathlib import Path
from typing import Any, TypeAlias

from lakebatch._files import check_replaceable, replace_atomically
from lakebatch._text import nearest, one_line
from lakebatch.analysis.config_keys import CONFIG, config_key
from lakebatch.analysis.data import AnalysisData, read
from lakebatch.analysis.plots import (
    cohort,
    degradation,
    growth,
    heatmap,
    interactive,
    levels,
    showing,
    static,
)
from lakebatch.analysis.plots.chart import Chart, overlay
from lakebatch.analysis.plots.metadata import metadata
from lakebatch.analysis.plots.options import Chosen, Options, check, choose
from lakebatch.analysis.plots.origin import Origin, about
from lakebatch.assembly import missing_metrics
from lakebatch.errors import ConfigError, UnknownNameError
from lakebatch.snapshot.gaps import OnGap, report_gaps
from lakebatch.snapshot.snapshot import Snapshot

OfResults: TypeAlias = Callable[[AnalysisData, Chosen], Chart]
OfCohort: TypeAlias = Callable[[Snapshot, Options, OnGap], Chart]

RESULT_CHARTS: dict[str, OfResults] = {
    "levels": levels.levels,
    "boxes": levels.boxes,
    "grid": levels.grid,
    "degradation": degradation.degradation,
    "sensitivity": degradation.sensitivity_chart,
    "robustness": degradation.robustness_chart,
    "comparison": degradation.comparison,
    "growth": growth.growth,
}
COHORT_CHARTS: dict[str, OfCohort] = {
    "trajectories": cohort.trajectories,
    "network": cohort.network,
    "heatmap": heatmap.heatmap,
}
KINDS = (*RESULT_CHARTS, *COHORT_CHARTS)
"""Every kind of picture, by name; `lakebatch.analysis.plots.options.Kind` is its type."""

USES = {"growth": (), "network": (), "trajectories": ("level",), "heatmap": ("zoom", "level", "x", "y")}
# of zoom, level, x and y; every other kind has an axis of the metric and uses zoom

FORMS = ("png", "svg", "pdf", "html")
ENDINGS = tuple(f".{form}" for form in FORMS)


@dataclass(frozen=True, repr=False)
class Picture:
    """A chart that can be drawn, saved, and displayed in a notebook."""

    kind: str
    chart: Chart
    origin: Origin | None = None
    width_mm: float | None = None

    def __post_init__(self) -> None:
        width = self.width_mm
        if width is not None and (not isinstance(width, Real) or isinstance(width, bool) or not width > 0):
            raise ConfigError(f"The width is {width!r}. Expected mm, e.g. 89.")

    def figure(self, width_mm: float | None = None) -> Any:
        """Return a matplotlib figure, 89 mm wide, or 183 mm with several panels."""
        return static.draw(self.chart, width_mm or self.width_mm)

    def interactive(self) -> Any:
        """Return a plotly figure."""
        return interactive.draw(self.chart)

    def save(
        self, file: str | os.PathLike[str], width_mm: float | None = None, *, caption: bool = False
    ) -> Path:
        """Write the picture to FILE.png, .svg or .pdf, or interactive to .html; return the path.

        Parameters
        ----------
        width_mm : float, optional
            89, or 183 with several panels, by default.
        caption : bool
            Write title, caption and origin to FILE.txt too; they are in the metadata of the picture in any case.
        """
        path = check_file(Path(file))
        text = path.with_suffix(".txt")
        if caption:
            check_replaceable(text)
        _write(path, self.to_bytes(path.suffix, width_mm))
        if caption:
            _write(text, self.text(path.suffix.removeprefix("."), width_mm).encode())
        return path

    def text(self, form: str = "png", width_mm: float | None = None) -> str:
        """Return title, caption and origin, as the text file beside a picture of this form."""
        facts = [
            f"{name}: {value}" for name, value in about(self.origin, form, width_mm or self.width_mm).items()
        ]
        return "\n\n".join([one_line(self.title), one_line(self.caption), "\n".join(facts)]).rstrip() + "\n"

    @property
    def title(self) -> str:
        """What the picture shows, in one line."""
        return self.chart.title

    @property
    def caption(self) -> str:
        """The meaning of points and intervals, what is left out, and the dataset, as one paragraph."""
        return " ".join([self.chart.caption, *self.chart.notes])

    def to_bytes(self, ending: str, width_mm: float | None = None) -> bytes:
        """Return the content of a file with this ending."""
        return self.render(ending.removeprefix("."), width_mm)

    def render(self, form: str = "svg", width_mm: float | None = None) -> bytes:
        """Return the picture in memory.

        Parameters
        ----------
        form : {"png", "svg", "pdf", "html"}
        width_mm : float, optional
            89, or 183 with several panels, by default.

        Raises
        ------
        ConfigError
            If there is no such form.
        """
        if form not in FORMS:
            raise ConfigError(f"Unknown form {form!r} of a picture. Expected one of: {', '.join(FORMS)}.")
        known = about(self.origin, form, width_mm or self.width_mm)
        if form == "html":
            return interactive.page(self.chart, known).encode()
        return static.to_bytes(self.chart, form, metadata(self.chart, form, known), width_mm or self.width_mm)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        """Return the MIME bundle for a notebook."""
        return showing.bundle(self.chart, self.width_mm)

    def __repr__(self) -> str:
        return showing.one_line_of(self.kind, self.chart)


def picture(
    snapshot: Snapshot,
    kind: str = "levels",
    *,
    against: Snapshot | None = None,
    on_gap: OnGap = "warn",
    options: Options | None = None,
) -> Picture:
    """Return a picture of an experiment at one moment.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    against : Snapshot, optional
        Another state, or another experiment version, drawn in the background.

    Raises
    ------
    UnknownNameError
        If the kind does not exist.
    IncompleteError
        If required data is missing, such as the baseline.
    """
    check_kind(kind)
    chosen = options or Options()
    check_uses(kind, chosen)
    origin = Origin(snapshot, kind, chosen, chosen.by, against, on_gap)
    key = config_key(chosen.by, snapshot)
    chosen = chosen if key is None else replace(chosen, by=CONFIG)
    check(chosen, snapshot.roles)
    return replace(_picture(snapshot, kind, against, on_gap, chosen, key), origin=origin)


def _picture(
    snapshot: Snapshot,
    kind: str,
    against: Snapshot | None,
    on_gap: OnGap,
    chosen: Options,
    key: str | None,
) -> Picture:
    """Return a picture from checked options, with notes on the dataset."""
    if kind in COHORT_CHARTS:
        if against is not None:
            raise ConfigError(f"A picture of kind {kind!r} cannot be drawn against another moment.")
        report_gaps(snapshot.gaps(), on_gap)
        drawn = _draw_cohort(snapshot, kind, chosen, on_gap)
        mixtures = snapshot.report_mixtures() if kind == "heatmap" else []
        return replace(drawn, chart=_with_dataset(drawn.chart, snapshot, mixtures))
    data = read(snapshot, on_gap=on_gap, key=key)
    chart = _with_dataset(_chart(data, kind, chosen), snapshot, data.mixtures)
    if against is None:
        return Picture(kind, chart)
    other = read(against, on_gap=on_gap, key=key)
    version = f"{other.qualified_name}, " if against.folder != snapshot.folder else ""
    return Picture(kind, overlay(chart, _chart(other, kind, chosen), f"{version}{other.moment}"))


def draw(
    snapshot: Snapshot,
    data: AnalysisData,
    kind: str,
    options: Options,
    on_gap: OnGap = "warn",
) -> Picture:
    """Return a picture of a snapshot from data that was read before."""
    by = data.key if options.by == CONFIG and data.key else options.by
    origin = Origin(snapshot, kind, options, by, on_gap=on_gap)
    if kind in COHORT_CHARTS:
        return replace(_draw_cohort(snapshot, kind, options, on_gap), origin=origin)
    return Picture(kind, _chart(data, kind, options), origin)


def _chart(data: AnalysisData, kind: str, options: Options) -> Chart:
    """Return a chart of results, with notes on the rows without a metric and on dropped samples."""
    chart = RESULT_CHARTS[kind](data, choose(options, data))
    missing = missing_metrics.summarize(missing_metrics.tally(data.rows.lazy()).collect())
    notes = [f"{missing}."] if missing.rows else []
    notes += [f"{data.dropped}."] if data.dropped.samples else []
    return replace(chart, notes=(*chart.notes, *notes))


def _with_dataset(chart: Chart, snapshot: Snapshot, mixtures: Sequence[str] = ()) -> Chart:
    """Return a chart with notes of what was selected, and of mixtures in it."""
    notes = [f"Dataset: {snapshot.describe()}.", *(f"Mixture: {each}." for each in mixtures)]
    return replace(chart, notes=(*chart.notes, *notes))


def _draw_cohort(snapshot: Snapshot, kind: str, options: Options, on_gap: OnGap) -> Picture:
    return Picture(kind, COHORT_CHARTS[kind](snapshot, options, on_gap))


def _write(path: Path, content: bytes) -> None:
    with replace_atomically(path) as partial:
        partial.write_bytes(content)


def check_kind(kind: str) -> None:
    """Raise `UnknownNameError` unless the kind of picture exists."""
    if kind not in KINDS:
        raise UnknownNameError(f"Unknown picture {kind!r}. {nearest(kind, KINDS)}")


def check_uses(kind: str, options: Options) -> None:
    """Raise `ConfigError` for an option that means nothing to a kind of picture."""
    if options.zoom is not None and "zoom" not in used(kind):
        raise ConfigError(f"A picture of kind {kind!r} has no axis of a metric. Leave out zoom.")
    for name in ("level", "x", "y"):
        if getattr(options, name) is not None and name not in used(kind):
            raise ConfigError(f"{name!r} means nothing to a picture of kind {kind!r}. Leave it out.")


def applying(options: Options, kind: str) -> Options:
    """Return the options that mean something to a kind of picture; the others have their default."""
    others = [name for name in ("zoom", "level", "x", "y") if name not in used(kind)]
    unset: dict[str, Any] = dict.fromkeys(others)
    return replace(options, **unset)


def used(kind: str) -> tuple[str, ...]:
    """Return the options that only some kinds of picture use, of those that this kind uses."""
    return USES.get(kind, ("zoom",))


def check_file(file: Path) -> Path:
    """Return a file's path; raise unless its ending is known and it can be written."""
    if file.suffix not in ENDINGS:
        raise ConfigError(f"Cannot write {file}. Expected a name that ends in {', '.join(ENDINGS)}.")
    check_replaceable(file)
    return file
