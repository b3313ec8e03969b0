"""A heat map: the mean of a metric over two config keys."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from lakebatch.analysis.config_keys import ordered_texts, text_of, values_at
from lakebatch.analysis.key_labels import key_label
from lakebatch.analysis.plots.axis import bounds, limits
from lakebatch.analysis.plots.captions import capital, span
from lakebatch.analysis.plots.chart import Cells, Chart, Panel
from lakebatch.analysis.plots.options import Options
from lakebatch.assembly.metrics import Roles
from lakebatch.errors import ConfigError, IncompleteError
from lakebatch.snapshot.gaps import OnGap
from lakebatch.snapshot.snapshot import Snapshot


def heatmap(snapshot: Snapshot, options: Options, on_gap: OnGap) -> Chart:
    """Return the mean of a metric in each cell of a grid of two config keys.

    Raises
    ------
    ConfigError
        If the two keys are not given, and no sweep of two keys is read.
    IncompleteError
        If no row has the metric.
    """
    x, y = _keys(snapshot, options)
    roles = snapshot.roles
    metric = roles.metric(options.metric)
    rows = _rows(snapshot, metric.name, options, on_gap)
    if rows.is_empty():
        raise IncompleteError(
            f"There is nothing to draw: {snapshot.name}, {snapshot.moment}, has no row with {metric.name} in a "
            f"completed assembly{_at(options, roles)}. See: lakebatch status {snapshot.name}"
        )
    read = set(rows["assembly_id"])
    records = [each for each in snapshot.assemblies if each.assembly_id in read]
    across, down = values_at(records, x), values_at(records, y)
    x_names, y_names = (list(ordered_texts(each.values())) for each in (across, down))
    members: dict[tuple[str, str], list[float]] = {}
    for assembly_id, mean in rows.iter_rows():
        members.setdefault((text_of(across[assembly_id]), text_of(down[assembly_id])), []).append(mean)
    cells = [[members.get((a, b), []) for a in x_names] for b in reversed(y_names)]
    means = tuple(tuple(_mean(each) for each in row) for row in cells)
    known = [each for row in means for each in row if each is not None]
    ends = options.zoom or limits(known, known, bounds(metric))
    mark = Cells(means, metric.axis_label, ends)
    x_label, y_label = (key_label(snapshot, key) or key for key in (x, y))
    panel = Panel(
        (mark,), x_label=x_label, y_label=y_label, x_names=tuple(x_names), y_names=tuple(reversed(y_names))
    )
    counts = [len(each) for row in cells for each in row if each]
    empty = sum(not each for row in cells for each in row)
    return Chart(
        title=f"{capital(metric.label)} by {x} and {y}, {snapshot.shown_name}",
        caption=f"Each cell is the mean over {span(counts)} {'assembly' if set(counts) == {1} else 'assemblies'}, of the "
        f"mean of each assembly's rows{_at(options, roles)}.",
        panels=(panel,),
        share=False,
        notes=(*_beyond(known, ends), *([f"Without a completed assembly: {empty} cells."] if empty else [])),
    )


def _beyond(means: Sequence[float], ends: tuple[float, float] | None) -> tuple[str, ...]:
    """Return a note on the cells whose mean lies beyond the first or the last colour."""
    count = sum(not ends[0] <= each <= ends[1] for each in means) if ends else 0
    if not ends or not count:
        return ()
    return (f"Beyond the colours ({ends[0]:.3g} to {ends[1]:.3g}) lie {count} of {len(means)} cells.",)


def _keys(snapshot: Snapshot, options: Options) -> tuple[str, str]:
    """Return the keys of the axes: those asked for, or the two keys of the only sweep."""
    if options.x and options.y:
        if options.x == options.y:
            raise ConfigError(f"Both axes of the heat map are {options.x!r}. Expected two config keys.")
        return options.x, options.y
    of_two = [each.keys for each in snapshot.sweeps if len(each.keys) == 2]
    if len(of_two) != 1:
        raise ConfigError(
            "A heat map needs two config keys. Give them with x=KEY and y=KEY (--x KEY --y KEY)."
        )
    first, second = of_two[0]
    others = [key for key in (first, second) if key not in (options.x, options.y)]
    return options.x or others[0], options.y or others[-1]


def _rows(snapshot: Snapshot, metric: str, options: Options, on_gap: OnGap) -> pl.DataFrame:
    """Return the mean of the metric of each assembly, as ``assembly_id`` and ``mean``."""
    value = pl.col(metric)

    def means(rows: pl.LazyFrame) -> pl.LazyFrame:
        if options.level is not None:
            rows = rows.filter(pl.col(snapshot.roles.axis.name) == options.level)
        counted = rows.select("assembly_id", value).drop_nulls()
        return counted.group_by("assembly_id").agg(total=value.sum(), count=pl.len())

    found = snapshot.collected(None, means, on_gap=on_gap).group_by("assembly_id").sum()
    return found.select("assembly_id", mean=pl.col("total") / pl.col("count")).sort("assembly_id")


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _at(options: Options, roles: Roles) -> str:
    return "" if options.level is None else f" at {roles.axis.name} {options.level:g}"
