"""A chart of the growth of the dataset."""

from __future__ import annotations

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
    first = data.assemblies["started_at"].min()
    times = (first, *done["changed_at"])
    panels = [
        Panel((Line("", 0, times, (0, *done.select(pl.col("rows").cum_sum())["rows"]), step=True),),
              x_label="time (UTC)", y_label="rows", integers_only=True),
        Panel((Line("", 0, times, tuple(range(done.height + 1)), step=True),),
              x_label="time (UTC)", y_label="completed assemblies", integers_only=True),
    ]  # fmt: skip
    rows = int(done["rows"].sum())
    return Chart(
        title=f"Growth of the dataset, {data.experiment}",
        caption=f"{done.height} completed assemblies with {rows} rows, from the start of the first one.",
        panels=tuple(panels),
        share=False,
    )
