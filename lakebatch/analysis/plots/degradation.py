"""Charts of the effects of perturbation: degradation, sensitivity, robustness, and comparisons."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

import polars as pl

from lakebatch.analysis.data import AnalysisData
from lakebatch.analysis.plots.captions import WORDS, capital, interval_caption, missing_notes, sampled, scope
from lakebatch.analysis.plots.chart import MARKED, Chart, Dots, Panel, Rule
from lakebatch.analysis.plots.levels import empty_lines, level_panel, lines, names, usable_rows
from lakebatch.analysis.plots.options import Options
from lakebatch.analysis.statistics import BASELINE, comparisons, intervals, robustness, sensitivity
from lakebatch.analysis.statistics import degradation as degradations
from lakebatch.assembly import metrics
from lakebatch.errors import ConfigError, IncompleteError


def degradation(data: AnalysisData, options: Options) -> Chart:
    """Return the change from the baseline against the level, by feature set or by model."""
    rows = usable_rows(data, options.metric)
    table = degradations(rows, options.metric, [options.by], unit=options.unit)
    if table.is_empty():
        raise IncompleteError(_no_baseline(data))
    marks = lines(table, options.by, names(rows, options.by))
    panel = level_panel(data, options.metric, rows, (*marks, *empty_lines(data, rows, options)))
    metric = metrics.label(options.metric)
    return Chart(
        title=f"Degradation of {metric} against the baseline by {WORDS[options.by]}, {data.experiment}",
        caption=interval_caption("Mean paired difference to level 0", table, rows, options),
        panels=(
            replace(
                panel,
                marks=(Rule(0.0, "y"), *panel.marks),
                y_label=f"change of {metric}",
                x_ticks=tuple(sorted(set(table["level"]))),
                y_range=options.zoom,
            ),
        ),
        notes=(*_left_out(rows, int(table["fits"].sum())), *missing_notes(data, options)),
    )


def sensitivity_chart(data: AnalysisData, options: Options) -> Chart:
    """Return the slope of a metric on the level for each feature set and model."""
    rows = usable_rows(data, options.metric)
    table = _of_configs(
        rows, options, lambda part: sensitivity(part, options.metric, unit=options.unit)
    ).drop_nulls("slope")
    if table.is_empty():
        raise IncompleteError(
            f"There is no slope to draw: {data.experiment}, {data.moment}, has a single level, "
            f"{rows['level'][0]:g}. Run it with two levels or more."
        )
    metric = metrics.label(options.metric)
    panel = _ranking(table, "slope", options, f"slope of {metric} on level")
    return Chart(
        title=f"Sensitivity of {metric} to the level, {data.experiment}",
        caption=f"Slope of the regression over all fits, from {_sampled(rows, options)}; 95 % interval from the slopes of "
        f"single {'splits' if options.unit == 'split' else 'assemblies'}. {scope(rows)}",
        panels=(replace(panel, marks=(Rule(0.0), *panel.marks)),),
        notes=missing_notes(data, options),
    )


def robustness_chart(data: AnalysisData, options: Options) -> Chart:
    """Return feature sets and models ranked by robustness."""
    rows = usable_rows(data, options.metric)
    table = _of_configs(rows, options, lambda part: robustness(part, options.metric))
    ranked = table.drop_nulls("robustness")
    if table.is_empty():
        raise IncompleteError(_no_baseline(data))
    if ranked.is_empty():
        raise IncompleteError(
            f"There is no ranking to draw: no baseline of {metrics.label(options.metric)} is above 0 in "
            f"{data.experiment}, {data.moment}."
        )
    metric = metrics.label(options.metric)
    weak = _weak_baselines(rows, options)
    panel = _ranking(_strong_first(ranked, weak), "robustness", options, f"robustness of {metric}", weak)
    unranked = table.height - ranked.height
    note = (f"{unranked} without a baseline above 0 are not ranked.",) if unranked else ()
    return Chart(
        title=f"Robustness ranking by {metric}, {data.experiment}",
        caption="Mean over all levels above 0 over the mean at level 0 of the same splits, from "
        f"{_sampled(rows, options)}; 1 is no loss. {scope(rows)}",
        panels=(replace(panel, marks=(Rule(1.0), *panel.marks)),),
        notes=(*_weak_note(ranked, weak, metric), *note, *missing_notes(data, options)),
    )


def comparison(data: AnalysisData, options: Options) -> Chart:
    """Return the paired difference of every two feature sets, or models."""
    if options.by == "config":
        raise ConfigError(
            "Cannot compare configs in pairs, since no assembly has two. Expected 'feature_set' or 'model'. Compare two "
            "assemblies with: lakebatch diff"
        )
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
        caption=interval_caption("Mean paired difference", table, rows, options, "pair"),
        panels=(panel,),
    )


def _weak_baselines(rows: pl.DataFrame, options: Options) -> set[tuple[str, str]]:
    """Return the feature sets and models whose baseline does not differ from 0: its 95 % interval holds 0."""
    baseline = intervals(
        rows.filter(level=BASELINE), options.metric, ["feature_set", "model"], unit=options.unit
    )
    return set(baseline.filter(pl.col("low") <= 0).select("feature_set", "model").iter_rows())


def _strong_first(table: pl.DataFrame, weak: set[tuple[str, str]]) -> pl.DataFrame:
    cells = table.select("feature_set", "model").rows()
    is_weak = pl.Series("weak", [each in weak for each in cells], dtype=pl.Boolean)
    return table.with_columns(is_weak).sort("weak", maintain_order=True)


def _weak_note(table: pl.DataFrame, weak: set[tuple[str, str]], metric: str) -> tuple[str, ...]:
    cells = set(table.select("feature_set", "model").iter_rows())
    if not cells & weak:
        return ()
    return (
        f"{MARKED.strip()} ({len(cells & weak)} of {len(cells)}): {metric} at level 0 does not differ from 0 (its 95 % "
        "interval holds 0), so that the ratio says little.",
    )


def _ranking(
    table: pl.DataFrame, value: str, options: Options, label: str, weak: Collection[tuple[str, str]] = ()
) -> Panel:
    """Return a panel with one row per feature set and model, best first, coloured by one of them.

    Parameters
    ----------
    weak : collection of (feature set, model)
        The rows that get a mark.
    """
    cells = table.select("feature_set", "model").unique(maintain_order=True)
    has_interval = "low" in table.columns
    marks = [
        Dots(
            name,
            slot,
            _only(cells, table, value, options.by, name),
            _only(cells, table, "low", options.by, name) if has_interval else (),
            _only(cells, table, "high", options.by, name) if has_interval else (),
        )
        for slot, name in enumerate(names(table, options.by))
    ]
    return Panel(
        tuple(marks),
        x_label=label,
        y_names=tuple(f"{', '.join(each)}{MARKED if each in weak else ''}" for each in cells.rows()),
        x_range=options.zoom,
    )


def _only(
    cells: pl.DataFrame, table: pl.DataFrame, value: str, by: str, name: str
) -> tuple[float | None, ...]:
    """Return the values of one feature set, model or config, in the order of the cells."""
    chosen = table.filter(pl.col(by) == name).select("feature_set", "model", value)
    return tuple(cells.join(chosen, on=cells.columns, how="left", maintain_order="left")[value])


def _of_configs(
    rows: pl.DataFrame, options: Options, statistic: Callable[[pl.DataFrame], pl.DataFrame]
) -> pl.DataFrame:
    """Return a statistic of all rows or, where colours show configs, of the rows of each config."""
    if options.by != "config":
        return statistic(rows)
    parts = [(name, rows.filter(config=name)) for name in names(rows, "config")]
    return pl.concat([statistic(part).with_columns(config=pl.lit(name)) for name, part in parts])


def _sampled(rows: pl.DataFrame, options: Options) -> str:
    """Return the number of splits and assemblies behind each point of a ranking."""
    point = list(dict.fromkeys(["feature_set", "model", options.by]))
    return sampled(intervals(rows, options.metric, point, unit=options.unit), options)


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
