"""Charts of the effects of perturbation: degradation, sensitivity, robustness, and comparisons."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import polars as pl

from lakebatch.analysis.data import AnalysisData
from lakebatch.analysis.plots.axis import difference_bounds, fit
from lakebatch.analysis.plots.captions import (
    capital,
    direction,
    interval_caption,
    missing_notes,
    sampled,
    scope,
)
from lakebatch.analysis.plots.chart import MARKED, Chart, Dots, Panel, Rule
from lakebatch.analysis.plots.levels import (
    empty_lines,
    estimated,
    level_panel,
    lines,
    names,
    usable_rows,
)
from lakebatch.analysis.plots.options import CONFIG, Chosen
from lakebatch.analysis.plots.scale import scale
from lakebatch.analysis.statistics import at_baseline, comparisons, robustness, sensitivity
from lakebatch.analysis.statistics import degradation as degradations
from lakebatch.assembly.metrics import Axis, text_of
from lakebatch.errors import ConfigError, IncompleteError


def degradation(data: AnalysisData, options: Chosen) -> Chart:
    """Return the change from the baseline against the level, by feature set or by model."""
    check_baseline(data)
    rows = usable_rows(data, options)
    table = degradations(rows, options.metric, [options.by], unit=options.unit, roles=options.roles)
    if table.is_empty():
        raise IncompleteError(_no_baseline(data))
    along = scale(options.axis, table[options.axis.name])
    marks = lines(table, options.by, names(rows, options.by), along)
    panel = level_panel(data, options, along, (*marks, *empty_lines(data, rows, options)))
    panel = replace(
        panel,
        marks=(Rule(0.0, "y"), *panel.marks),
        y_label=f"change of {options.measured.axis_label}",
    )
    panels, notes = fit([panel], options.zoom, difference_bounds(options.measured))
    metric = options.label
    what = f"Mean paired difference to {options.axis.at(options.axis.baseline)}"
    return Chart(
        title=f"Degradation of {metric} against the baseline by {options.by_word}, {data.shown_name}",
        caption=interval_caption(what, table, rows, options),
        panels=panels,
        notes=(
            *direction(options),
            *along.notes,
            *notes,
            *_left_out(rows, options),
            *missing_notes(data, options),
        ),
    )


def sensitivity_chart(data: AnalysisData, options: Chosen) -> Chart:
    """Return the slope of a metric on the level for each feature set and model."""
    check_numbers(data)
    rows, axis = usable_rows(data, options), options.axis
    table = _of_configs(
        rows,
        options,
        lambda part: sensitivity(part, options.metric, unit=options.unit, roles=options.roles),
    ).drop_nulls("slope")
    if table.is_empty():
        raise IncompleteError(
            f"There is no slope to draw: {data.experiment}, {data.moment}, has a single {_value(axis)}, "
            f"{text_of(rows[axis.name][0])}. Run it with two {axis.plural} or more."
        )
    metric, units = options.label, "assemblies" if options.unit == "assembly" else f"{options.words.unit}s"
    panel = _ranking(
        table.with_columns(weak=pl.lit(False)), "slope", options, f"slope of {metric} on {axis.label}"
    )
    panels, notes = fit([replace(panel, marks=(Rule(0.0), *panel.marks))], options.zoom)
    return Chart(
        title=f"Sensitivity of {metric} to {_the(axis)}, {data.shown_name}",
        caption=f"Slope of the regression over all {options.words.row}s, from {_sampled(rows, options)}; 95 % interval "
        f"from the slopes of single {units}. {scope(rows, options.words)}",
        panels=panels,
        notes=(*direction(options), *notes, *missing_notes(data, options)),
    )


def robustness_chart(data: AnalysisData, options: Chosen) -> Chart:
    """Return feature sets and models ranked by robustness."""
    check_baseline(data)
    rows = usable_rows(data, options)
    table = _of_configs(
        rows, options, lambda part: robustness(part, options.metric, options.roles, unit=options.unit)
    )
    ranked = table.drop_nulls("robustness").sort("weak", maintain_order=True)
    if table.is_empty():
        raise IncompleteError(_no_baseline(data))
    if ranked.is_empty():
        raise IncompleteError(
            f"There is no ranking to draw: no baseline of {options.label} is above 0 in "
            f"{data.experiment}, {data.moment}."
        )
    panel = _ranking(ranked, "robustness", options, f"robustness of {options.label}")
    panels, notes = fit([replace(panel, marks=(Rule(1.0), *panel.marks))], options.zoom)
    unranked = table.height - ranked.height
    note = (f"{unranked} without a baseline above 0 are not ranked.",) if unranked else ()
    return Chart(
        title=f"Robustness ranking by {options.label}, {data.shown_name}",
        caption=f"{_ratio(options)} of the same {options.words.unit}s{_ratio_interval(ranked, options)}, from "
        f"{_sampled(rows, options)}; 1 is no loss. {scope(rows, options.words)}",
        panels=panels,
        notes=(
            *direction(options),
            *notes,
            *_weak_note(ranked, options),
            *note,
            *missing_notes(data, options),
        ),
    )


def comparison(data: AnalysisData, options: Chosen) -> Chart:
    """Return the paired difference of every two feature sets, or models."""
    if options.by == CONFIG:
        groups = [name for name in options.roles.groups if name != CONFIG]
        expected = f"Expected {' or '.join(map(repr, groups))}. " if groups else ""
        raise ConfigError(
            f"Cannot compare configs in pairs, since no assembly has two. {expected}Compare two "
            "assemblies with: lakebatch diff"
        )
    rows = usable_rows(data, options)
    table = comparisons(rows, options.metric, of=options.by, unit=options.unit, roles=options.roles)
    if table.is_empty():
        raise IncompleteError(
            f"There is nothing to compare: {data.experiment}, {data.moment}, has one {options.by_word}."
        )
    metric = options.measured.axis_label
    dots = Dots("", 0, tuple(table["mean"]), tuple(table["low"]), tuple(table["high"]))
    pairs = tuple(f"{one} − {other}" for one, other in table.select("one", "other").rows())  # noqa: RUF001
    panel = Panel((Rule(0.0), dots), x_label=f"difference of {metric}", y_names=pairs)
    panels, notes = fit([panel], options.zoom, difference_bounds(options.measured))
    return Chart(
        title=f"{capital(options.by_word)}s compared by {options.label}, {data.shown_name}",
        caption=interval_caption("Mean paired difference", table, rows, options, "pair"),
        panels=panels,
        notes=(*direction(options), *notes),
    )


def _ratio_interval(table: pl.DataFrame, options: Chosen) -> str:
    """Return the method of the intervals of ratios, if there are any."""
    if table["low"].null_count() == table.height:
        return ""
    overlap = ", corrected for the overlap of splits" if options.unit_word == "split" else ""
    return f", with Fieller's 95 % interval{overlap}"


def _weak_note(table: pl.DataFrame, options: Chosen) -> tuple[str, ...]:
    weak = int(table["weak"].sum())
    if not weak:
        return ()
    where = f"at {options.axis.at(options.axis.baseline)}"
    where = where if options.measured.higher_is_better else f"{where} or elsewhere"
    return (
        f"{MARKED.strip()} and grey ({weak} of {table.height}): {options.label} {where} does not differ from 0, so that any "
        "ratio is possible; not ranked.",
    )


def _ranking(table: pl.DataFrame, value: str, options: Chosen, label: str) -> Panel:
    """Return a panel with one row per feature set and model, best first, coloured by one of them.

    Parameters
    ----------
    table : frame
        The value with its interval, and whether a row is ``weak``: grey, with a mark at its label.
    """
    cells = table.select(options.roles.groups).unique(maintain_order=True)
    weak = set(table.filter("weak").select(options.roles.groups).iter_rows())
    return Panel(
        tuple(_ranked(cells, table, value, options)),
        x_label=label,
        y_names=tuple(f"{', '.join(each)}{MARKED if each in weak else ''}" for each in cells.rows()),
    )


def _ranked(cells: pl.DataFrame, table: pl.DataFrame, value: str, options: Chosen) -> Iterator[Dots]:
    """Yield the points of each colour, and grey ones for its weak rows."""
    for slot, name in enumerate(names(table, options.by)):
        of_name = table.filter(pl.col(options.by) == name)
        for muted, part in of_name.group_by("weak", maintain_order=True):
            x, low, high = (_only(cells, part, each) for each in (value, "low", "high"))
            yield Dots(name, slot, x, low, high, muted=bool(muted[0]))


def _only(cells: pl.DataFrame, chosen: pl.DataFrame, value: str) -> tuple[float | None, ...]:
    """Return the values of some rows in the order of the cells, None for other cells."""
    columns = chosen.select(*cells.columns, value)
    return tuple(cells.join(columns, on=cells.columns, how="left", maintain_order="left")[value])


def _of_configs(
    rows: pl.DataFrame, options: Chosen, statistic: Callable[[pl.DataFrame], pl.DataFrame]
) -> pl.DataFrame:
    """Return a statistic of all rows or, where colours show configs, of the rows of each config."""
    if options.by != CONFIG or CONFIG in options.roles.groups:
        return statistic(rows)
    parts = [(name, rows.filter(config=name)) for name in names(rows, CONFIG)]
    return pl.concat([statistic(part).with_columns(config=pl.lit(name)) for name, part in parts])


def _sampled(rows: pl.DataFrame, options: Chosen) -> str:
    """Return the number of splits and assemblies behind each point of a ranking."""
    point = list(dict.fromkeys([*options.roles.groups, options.by]))
    return sampled(estimated(rows, options, point), options)


def _left_out(rows: pl.DataFrame, options: Chosen) -> tuple[str, ...]:
    keys = list(dict.fromkeys(["assembly_id", *options.roles.groups, "repeat"]))
    above, baseline = rows.filter(~at_baseline(options.axis)), rows.filter(at_baseline(options.axis))
    lacking = above.join(baseline, on=keys, how="anti", nulls_equal=True).height
    if not lacking:
        return ()
    return (
        f"{lacking} of {above.height} {options.words.row}s have no baseline "
        f"({options.axis.at(options.axis.baseline)}) in their assembly and are left out.",
    )


def check_baseline(data: AnalysisData) -> None:
    """Raise `IncompleteError` if the experiment declares no baseline."""
    axis = data.roles.axis
    if axis.baseline is None:
        raise IncompleteError(
            f"There is no baseline to compare with: {data.experiment} declares none. Set baseline = ... in its class, "
            f"to one of the {axis.plural}, and run it once more."
        )


def check_numbers(data: AnalysisData) -> None:
    """Raise `IncompleteError` if the values on the axis are no numbers."""
    axis = data.roles.axis
    if not axis.is_number:
        raise IncompleteError(
            f"There is no slope to draw: {axis.label} is no number. Draw kind='levels' (--kind levels)"
        )


def _the(axis: Axis) -> str:
    return "the level" if axis.is_level else axis.label


def _value(axis: Axis) -> str:
    return axis.label if axis.is_level else f"value of {axis.label}"


def _ratio(options: Chosen) -> str:
    """Return the ratio that robustness is, in words."""
    axis = options.axis
    others = "all levels above 0" if axis.is_level and axis.baseline == 0 else f"all other {axis.plural}"
    if options.measured.higher_is_better:
        return f"Mean over {others} over the mean at {axis.at(axis.baseline)}"
    return f"Mean at {axis.at(axis.baseline)} over the mean over {others}"


def _no_baseline(data: AnalysisData) -> str:
    axis = data.roles.axis
    at = axis.at(axis.baseline)
    shared = [*map(data.roles.word, data.roles.groups), data.words.unit]
    return (
        f"There is no baseline to compare with: {data.experiment}, {data.moment}, has no {data.words.row} at {at} that "
        f"shares assembly, {', '.join(shared[:-1])} and {shared[-1]} with another. Run it with {at} among its "
        f"{axis.plural}."
    )
