"""The page of a sweep: a grid of its points, with their states and a metric."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

from lakebatch._text import nearest
from lakebatch.assembly.sweep_claims import STATES, Replicate
from lakebatch.assembly.sweeps import Sweep
from lakebatch.errors import UnknownNameError
from lakebatch.ids import canonical_json
from lakebatch.lake.experiment import StoredExperiment
from lakebatch.lake.lake import Lake
from lakebatch.snapshot import sweeps
from lakebatch.snapshot.config_columns import flatten
from lakebatch.snapshot.selection import ABSENT, Condition, are_equal, look_up, shown
from lakebatch.snapshot.snapshot import Snapshot
from lakebatch.ui import commands, means, titles
from lakebatch.ui.bar import address
from lakebatch.ui.file import File
from lakebatch.ui.page import Page
from lakebatch.ui.page_state import PageState

SHADES = 7
"""Shades of the grid, as classes of the style sheet."""
Value = Any


@dataclass
class Cell:
    """One cell of a grid: the replicates of its points, and the mean of the metric over their assemblies."""

    replicates: list[Replicate] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    state: PageState | None = None
    shade: int | None = None

    @property
    def mean(self) -> float | None:
        """The mean over assemblies that have the metric."""
        return sum(self.values) / len(self.values) if self.values else None

    @property
    def counts(self) -> dict[str, int]:
        """The number of replicates in each state, of the states that there are."""
        states = [each.state for each in self.replicates]
        return {each: states.count(each) for each in STATES if each in states}


def sweep(lake: Lake, state: PageState, folder: str, name: str) -> Page:
    """Return the page of a sweep."""
    stored = lake[folder]
    snapshot = stored.at(state.selection.moment)
    found = _find(snapshot, name)
    chosen = _chosen(found, state)
    values = means.of_lake(lake).of(snapshot.select(replace(state.selection, where=()), may_be_empty=True))
    metric = snapshot.roles.metric(_given(state, "metric") or means.first_known(values, snapshot.roles))
    at = _given(state, "level") or means.ALL
    of_assembly = dict(values.filter(at=at).select("assembly_id", metric.name).iter_rows())
    replicates = [
        each for each in sweeps.of_snapshot(snapshot, found) if _holds(each, state) and not each.point.dropped
    ]
    grid = _grid(replicates, chosen, of_assembly, _base(stored, state, name))
    _shade([cell for row in grid["cells"] for cell in row if cell is not None])
    return Page(
        "sweep",
        f"Sweep {name}",
        {
            "sweep": found,
            "experiment": stored.reference,
            "folder": stored.folder,
            "grid": grid,
            "chosen": chosen,
            "filters": _filters(found, chosen, state),
            "metric": metric,
            "metrics": snapshot.roles.metrics,
            "at": at,
            "levels": means.values([values]),
            "legend": _legend(grid),
            "titles": {**titles.of_columns(snapshot), **titles.of_keys(snapshot)},
            "number": lambda value: f"{value:.4g}",
        },
        command=commands.command("sweeps", stored.reference, name),
        python=commands.python(
            stored.reference, f"sweep({', '.join([repr(name), *filter(None, [_moment(state)])])})"
        ),
    )


def points_file(lake: Lake, state: PageState, folder: str, name: str) -> File:
    """Return the replicates of a sweep as CSV: point, state, assembly, values, and the mean of each metric."""
    snapshot = lake[folder].at(state.selection.moment)
    points = sweeps.point_table(sweeps.of_snapshot(snapshot, _find(snapshot, name)))
    of_metrics = means.of_lake(lake).of(snapshot).filter(at=_given(state, "level") or means.ALL).drop("at")
    named = of_metrics.rename(
        {each: f"{each}_" for each in of_metrics.columns if each in points.columns and each != "assembly_id"}
    )
    rows = flat(points.join(named, on="assembly_id", how="left", maintain_order="left"))
    return File(rows.write_csv().encode(), "text/csv", f"{name}.csv")


def flat(rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows whose lists are JSON, since CSV has none."""
    lists = [name for name, dtype in rows.schema.items() if isinstance(dtype, pl.List)]
    texts = [
        pl.Series(name, [None if each is None else canonical_json(each) for each in rows[name].to_list()])
        for name in lists
    ]
    return rows.with_columns(texts)


def table(snapshots: Mapping[str, Snapshot]) -> list[dict[str, Any]]:
    """Return one row per sweep of some experiments."""
    return [
        {"experiment": name, "folder": each.folder, **row}
        for name, each in snapshots.items()
        for row in (sweeps.sweep_table(each).iter_rows(named=True) if each.sweeps else ())
    ]


def _moment(state: PageState) -> str:
    return commands.moment_arguments(state)


def _find(snapshot: Snapshot, name: str) -> Sweep:
    known = {each.name: each for each in snapshot.sweeps}
    if name not in known:
        raise UnknownNameError(
            f"Unknown sweep {name!r} of {snapshot.name}, {snapshot.moment}. {nearest(name, known)}"
        )
    return known[name]


def _given(state: PageState, key: str) -> str | None:
    return next(iter(state.viewed(key)), None)


def _chosen(found: Sweep, state: PageState) -> tuple[str, ...]:
    """Return the keys of rows and columns: those that the address names, else the first two."""
    asked = [each for each in dict.fromkeys(state.viewed("by")) if each in found.keys]
    return tuple([*asked, *(each for each in found.keys if each not in asked)][:2])


def _holds(each: Replicate, state: PageState) -> bool:
    return all(condition.accepts(each.point.config) for condition in state.selection.where)


def _value(each: Replicate, key: str) -> Value:
    """Return the value of a point at a key; None if the point has none."""
    found = look_up(each.point.config, key)
    return flatten(each.point.values).get(key) if found is ABSENT else found


def _grid(
    replicates: Sequence[Replicate],
    keys: Sequence[str],
    means_of: Mapping[str, float | None],
    base: PageState,
) -> dict[str, Any]:
    """Return the values of rows and columns, and the cell of each pair; None where there is no point."""
    axes = [_axis(replicates, key) for key in keys]
    cells: dict[tuple[str, ...], Cell] = {}
    for each in replicates:
        place = tuple(canonical_json(_value(each, key)) for key in keys)
        cell = cells.setdefault(place, Cell(state=_with(base, keys, [_value(each, key) for key in keys])))
        cell.replicates.append(each)
        mean = means_of.get(each.assembly.assembly_id) if each.assembly else None
        cell.values += [] if mean is None else [mean]
    rows, columns = axes[0] if axes else [], axes[1] if len(axes) > 1 else [None]
    return {
        "rows": [shown(each) for each in rows],
        "columns": [shown(each) for each in columns] if len(axes) > 1 else [],
        "cells": [[cells.get(_place(row, column, len(axes))) for column in columns] for row in rows],
    }


def _place(row: Value, column: Value, count: int) -> tuple[str, ...]:
    return tuple(map(canonical_json, (row, column)[:count]))


def _axis(replicates: Sequence[Replicate], key: str) -> list[Value]:
    """Return the distinct values of a key: numbers by size, others in the order of the points."""
    values = {canonical_json(value): value for value in (_value(each, key) for each in replicates)}
    found = list(values.values())
    numbers = all(isinstance(each, int | float) and not isinstance(each, bool) for each in found)
    return sorted(found) if numbers else found


def _base(stored: StoredExperiment, state: PageState, name: str) -> PageState:
    chosen = replace(state.selection, sweep=name)
    return PageState(stored.reference, chosen)


def _with(base: PageState, keys: Sequence[str], values: Sequence[Value]) -> PageState:
    """Return the state of the overview that lists the assemblies of a cell."""
    kept = [each for each in base.selection.where if each.key not in keys]
    where = [Condition(key, (value,)) for key, value in zip(keys, values, strict=True) if value is not None]
    return replace(base, selection=replace(base.selection, where=(*kept, *where)))


def _shade(cells: Sequence[Cell]) -> None:
    """Give each cell a shade between those of the lowest and the highest mean."""
    known = [each.mean for each in cells if each.mean is not None]
    if not known:
        return
    low, high = min(known), max(known)
    for each in cells:
        if each.mean is not None:
            share = (each.mean - low) / (high - low) if high > low else 0.5
            each.shade = min(int(share * SHADES), SHADES - 1)


def _legend(grid: Mapping[str, Any]) -> tuple[float, float] | None:
    known = [cell.mean for row in grid["cells"] for cell in row if cell is not None and cell.mean is not None]
    return (min(known), max(known)) if known else None


def _filters(found: Sweep, chosen: Sequence[str], state: PageState) -> list[dict[str, Any]]:
    """Return the other keys with their values, each with the address of the page that shows it alone."""
    return [
        {"key": key, "values": list(_choices(found, key, state))} for key in found.keys if key not in chosen
    ]


def _choices(found: Sweep, key: str, state: PageState) -> Iterator[tuple[str, str, bool]]:
    others = tuple(each for each in state.selection.where if each.key != key)
    now = [value for each in state.selection.where if each.key == key for value in each.values]
    yield "all", _address(state, others), not now
    values = {canonical_json(value): value for value in (look_up(each.config, key) for each in found.planned)}
    for value in values.values():
        is_now = any(are_equal(value, each) for each in now)
        yield shown(value), _address(state, (*others, Condition(key, (value,)))), is_now


def _address(state: PageState, where: tuple[Condition, ...]) -> str:
    return address(replace(state, selection=replace(state.selection, where=where)))
