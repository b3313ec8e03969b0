"""The section of a report on sweeps: the states of the points, the metric at each, and a heat map over two keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import polars as pl

from lakebatch._text import one_line
from lakebatch.analysis.data import AnalysisData
from lakebatch.analysis.plots import Options
from lakebatch.analysis.report.content import Figure, Section, SectionPart
from lakebatch.analysis.report.tables import Table, cell
from lakebatch.assembly.sweeps import Sweep
from lakebatch.experiment.sweep_design import shown

DrawFigure = Callable[[str, Options], "Figure | str"]


def sweep_sections(
    data: AnalysisData, draw: DrawFigure, options: Options, metric: tuple[str, str]
) -> list[Section]:
    """Return one section on all sweeps; none without a sweep.

    Parameters
    ----------
    metric : pair of str
        The column of the metric and its label.
    """
    parts = [part for sweep in data.sweeps for part in _parts(sweep, data, draw, options, metric)]
    return [Section("sweeps", "Sweeps", tuple(parts))] if parts else []


def _parts(
    sweep: Sweep, data: AnalysisData, draw: DrawFigure, options: Options, metric: tuple[str, str]
) -> Iterator[SectionPart]:
    points = data.sweep_points.filter(pl.col("sweep") == sweep.name)
    states = points.group_by("state").len().sort("len", descending=True).iter_rows()
    counts = ", ".join(f"{count} {state}" for state, count in states) or "nothing planned"
    yield (
        f"Sweep {sweep.name}: {one_line('; '.join(sweep.definition))}. {len(sweep.planned)} points, "
        f"{sweep.replicates} of each. Assemblies: {counts}."
    )
    yield _table(sweep, points, data.rows, metric)
    if len(sweep.keys) == 2:
        x, y = sweep.keys
        yield draw("heatmap", replace(options, x=x, y=y))


def _table(sweep: Sweep, points: pl.DataFrame, rows: pl.DataFrame, metric: tuple[str, str]) -> Table:
    """Return the points of a sweep: values, assemblies that are done, and the mean of the metric."""
    name, label = metric
    means = rows.group_by("assembly_id").agg(pl.col(name).mean().alias("mean"))
    joined = points.join(means, on="assembly_id", how="left")
    of_points = joined.group_by("point").agg(
        done=(pl.col("state") == "done").sum(),
        planned=(pl.col("state") != "dropped").sum(),
        mean=pl.col("mean").mean(),
        std=pl.col("mean").std(),
    )
    found = {row["point"]: row for row in of_points.iter_rows(named=True)}
    lines = tuple(
        (
            str(each.number),
            one_line(shown(each.values)),
            "dropped" if each.dropped else f"{found[each.number]['done']} of {found[each.number]['planned']}",
            cell(found[each.number]["mean"]),
            cell(found[each.number]["std"]),
        )
        for each in sweep.points
        if each.number in found
    )
    columns = ("point", "values", "assemblies done", f"mean {label}", "std between assemblies")
    return Table(f"Points of the sweep {sweep.name}", columns, lines, (True, False, False, True, True))
