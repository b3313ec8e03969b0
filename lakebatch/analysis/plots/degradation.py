"""Charts of the effects of perturbation: degradation, sensitivity, robustness, and comparisons."""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from lakebatch.analysis.data import AnalysisData
from lakebatch.analysis.plots.chart import Chart, Dots, Panel, Rule
from lakebatch.analysis.plots.levels import (
    WORDS,
    capital,
    interval_caption,
    level_panel,
    lines,
    names,
    usable_rows,
)
from lakebatch.analysis.plots.options import Options
from lakebatch.analysis.statistics import BASELINE, comparisons, robustness, sensitivity
from lakebatch.analysis.statistics import degradation as degradations
from lakebatch.assembly import metrics
from lakebatch.errors import IncompleteError


def degradation(data: AnalysisData, options: Options) -> Chart:
    """Return the change from the baseline against the level, by feature set or by model."""
    rows = usable_rows(data, options.metric)
    table = degradations(rows, options.metric, [options.by], unit=options.unit)
    if table.is_empty():
        raise IncompleteError(_no_baseline(data))
    panel = level_panel(data, options.metric, rows, lines(table, options.by, names(rows, options.by)))
    metric = metrics.label(options.metric)
    return Chart(
        title=f"Degradation of {metric} against the baseline by {WORDS[options.by]}, {data.experiment}",
        caption=interval_caption("Mean paired difference to level 0", table, options),
        panels=(
            replace(
                panel,
                marks=(Rule(0.0, "y"), *panel.marks),
                y_label=f"change of {metric}",
                x_ticks=tuple(sorted(set(table["level"]))),
                y_range=options.zoom,
            ),
        ),
        notes=_left_out(rows, int(table["fits"].sum())),
    )


def sensitivity_chart(data: AnalysisData, options: Options) -> Chart:
    """Return the slope of a metric on the level for each feature set and model."""
    rows = usable_rows(data, options.metric)
    table = sensitivity(rows, options.metric, unit=options.unit).drop_nulls("slope")
    if table.is_empty():
        raise IncompleteError(
            f"There is no slope to draw: {data.experiment}, {data.moment}, has a single level, "
            f"{rows['level'][0]:g}. Run it with two levels or more."
        )
    metric = metrics.label(options.metric)
    panel = _ranking(table, "slope", options, f"slope of {metric} on level")
    return Chart(
        title=f"Sensitivity of {metric} to the level, {data.experiment}",
        caption="Slope of the regression over all fits, 95 % interval from the slopes of single "
        f"{'splits' if options.unit == 'split' else 'assemblies'}.",
        panels=(replace(panel, marks=(Rule(0.0), *panel.marks)),),
    )


def robustness_chart(data: AnalysisData, options: Options) -> Chart:
    """Return feature sets and models ranked by robustness."""
    rows = usable_rows(data, options.metric)
    table = robustness(rows, options.metric)
    ranked = table.drop_nulls("robustness")
    if table.is_empty():
        raise IncompleteError(_no_baseline(data))
    if ranked.is_empty():
        raise IncompleteError(
            f"There is no ranking to draw: no baseline of {metrics.label(options.metric)} is above 0 in "
            f"{data.experiment}, {data.moment}."
        )
    metric = metrics.label(options.metric)
    panel = _ranking(ranked, "robustness", options, f"robustness of {metric}")
    unranked = table.height - ranked.height
    note = (f"{unranked} without a baseline above 0 are not ranked.",) if unranked else ()
    return Chart(
        title=f"Robustness ranking by {metric}, {data.experiment}",
        caption="Mean over all levels above 0 over the mean at level 0 of the same splits; 1 is no loss.",
        panels=(replace(panel, marks=(Rule(1.0), *panel.marks)),),
        notes=note,
    )


def comparison(data: AnalysisData, options: Options) -> Chart:
    """Return the paired difference of every two feature sets, or models."""
    rows = usable_rows(data, options.metric)
    table = comparisons(rows, options.metric, of=options.by, unit=options.unit)
    if table.is_empty():
        raise IncompleteError(
            f"There is nothing to compare: {data.experiment}, {data.moment}, has one {WORDS[options.by]}."
        )
    metric = metrics.label(options.metric)
    dots = Dots("", 0, tuple(table["mean"]), tuple(table["low"]), tuple(table["high"]))
    pairs = tuple(f"{one} − {other}" for one, other in table.select("one", "other").rows())  # noqa: RUF001
    panel = Panel((Rule(0.0), dots), x_label=f"difference of {metric}", y_names=pairs, x_range=options.zoom)
    return Chart(
        title=f"{capital(WORDS[options.by])}s compared by {metric}, {data.experiment}",
        caption=interval_caption("Mean paired difference", table, options),
        panels=(panel,),
    )


def _ranking(table: pl.DataFrame, value: str, options: Options, label: str) -> Panel:
    """Return a panel with one row per feature set and model, best first, coloured by one of them."""
    cells = table.select("feature_set", "model").rows()
    has_interval = "low" in table.columns
    marks = [
        Dots(
            name,
            slot,
            _only(table, value, options.by, name),
            _only(table, "low", options.by, name) if has_interval else (),
            _only(table, "high", options.by, name) if has_interval else (),
        )
        for slot, name in enumerate(names(table, options.by))
    ]
    return Panel(
        tuple(marks),
        x_label=label,
        y_names=tuple(f"{feature_set}, {model}" for feature_set, model in cells),
        x_range=options.zoom,
    )


def _only(table: pl.DataFrame, value: str, by: str, name: str) -> tuple[float | None, ...]:
    return tuple(table.select(pl.when(pl.col(by) == name).then(pl.col(value)))[value])


def _left_out(rows: pl.DataFrame, compared: int) -> tuple[str, ...]:
    above = rows.filter(pl.col("level") != BASELINE).height
    if compared == above:
        return ()
    return (
        f"{above - compared} of {above} fits have no baseline (level 0) in their assembly and are left out.",
    )


def _no_baseline(data: AnalysisData) -> str:
    return (
        f"There is no baseline to compare with: {data.experiment}, {data.moment}, has no fit at level 0 that "
        "shares assembly, feature set, model and split with another. Run it with level 0 among its levels."
    )
