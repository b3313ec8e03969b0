"""A chart of the growth of the dataset."""

from __future__ import annotations

from typing import Any

import polars as pl

from lakebatch.analysis.data import AnalysisData
from lakebatch.analysis.plots.chart import Chart, Line, Panel
from lakebatch.analysis.plots.options import Chosen
from lakebatch.errors import IncompleteError


def growth(data: AnalysisData, options: Chosen) -> Chart:
    """Return the cumulative rows and completed assemblies over time."""
    done = data.assemblies.filter(status="completed").sort("changed_at", "assembly_id")
    if done.is_empty():
        raise IncompleteError(
            f"There is no growth to draw: {data.experiment}, {data.moment}, has no completed assembly."
        )
    times = (data.assemblies["started_at"].min(), *done["changed_at"])
    panels = [_staircase(times, (0, *done.select(pl.col("rows").cum_sum())["rows"]), "rows")]
    sizes = done["rows"].unique().to_list()
    if len(sizes) > 1:  # otherwise it is the same staircase
        panels.append(_staircase(times, tuple(range(done.height + 1)), "completed assemblies"))
    each = "" if len(sizes) > 1 else f", {sizes[0]} in each" if done.height > 1 else ""
    noun = "completed assembly" if done.height == 1 else "completed assemblies"
    return Chart(
        title=f"Growth of the dataset, {data.shown_name}",
        caption=f"{done.height} {noun} with {int(done['rows'].sum())} rows{each}, from the start of the first one.",
        panels=tuple(panels),
        share=False,
    )


def _staircase(times: tuple[Any, ...], counts: tuple[int, ...], label: str) -> Panel:
    line = Line("", 0, times, counts, step=True)
    return Panel((line,), x_label="time (UTC)", y_label=label, integers_only=True)
