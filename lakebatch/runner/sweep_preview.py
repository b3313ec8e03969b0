"""The plan of a sweep before it begins: its points, their work, and the time that earlier runs let expect."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from lakebatch import _html
from lakebatch.assembly.record import MADE_BY, Assembly
from lakebatch.assembly.sweep_claims import Claim
from lakebatch.assembly.sweeps import Sweep
from lakebatch.errors import LakebatchError
from lakebatch.experiment.plan import RunPlan
from lakebatch.experiment.registry import Source
from lakebatch.experiment.sweep_design import Design, Sweepable
from lakebatch.ids import leaves
from lakebatch.lake.lake import Lake
from lakebatch.runner import run as runner
from lakebatch.runner.sweep_points import PlannedPoint, SweepRequest, plan_sweep
from lakebatch.snapshot import config_columns
from lakebatch.snapshot.eta import duration
from lakebatch.snapshot.snapshot import Snapshot

UNNAMED = "sweep"
MOST_RUNS = 20
# newest earlier assemblies that an estimate looks at


@dataclass(frozen=True, repr=False)
class SweepPreview:
    """The plan of a sweep.

    Attributes
    ----------
    points : frame
        One row per point: number, swept keys, assemblies to do, parts and work of each, estimated seconds of all.
    unit : str
        The unit of the work, such as fits.
    assemblies, done, parts, work : int
        The assemblies of the plan, those that are done, and the parts and work of the others.
    seconds : float, optional
        The estimated time of what is to do; None if the lake knows of no run.
    runs : int
        The number of earlier runs behind the estimate.
    """

    points: pl.DataFrame = field(repr=False)
    unit: str
    assemblies: int
    done: int
    parts: int
    work: int
    seconds: float | None
    runs: int

    def describe(self) -> str:
        """Return the totals in one line."""
        done = f", {self.done} of them done" if self.done else ""
        if self.seconds is None:
            time = "time unknown (no earlier run)"
        else:
            runs = "1 earlier run" if self.runs == 1 else f"{self.runs} earlier runs"
            time = f"about {duration(self.seconds)}, judged by {runs}"
        return (
            f"{self.points.height} points, {self.assemblies} assemblies{done}; to do: {self.parts} parts, "
            f"{self.work} {self.unit}, {time}"
        )

    def __repr__(self) -> str:
        return _html.short(f"<SweepPreview {self.describe()}; see .points>")

    def _repr_html_(self) -> str:
        return _html.section(self.describe(), self.points)


def preview(
    lake: Lake,
    name: str,
    sweep: Sweepable | Design | SweepRequest,
    *,
    sweep_name: str | None = None,
    **given: Any,
) -> SweepPreview:
    """Return the plan of a sweep, validated as a run would; nothing is recorded. The parameters are those of a sweep.

    Raises
    ------
    LakebatchError
        If it could not be run.
    """
    asked = plan_sweep(lake, name, sweep, **given)
    source, points, replicates = asked.source, asked.points, asked.request.replicates
    plan = asked.named(sweep_name or UNNAMED)
    snapshot = _snapshot(lake, name)
    left = [replicates] * len(points) if sweep_name is None else _left(plan, snapshot)
    rates = [] if snapshot is None else list(_rates(source, snapshot))
    seconds = [_seconds(each, count, rates) for each, count in zip(points, left, strict=True)]
    known = [each for each in seconds if each is not None]
    assemblies = replicates * len(points)
    return SweepPreview(
        points=_frame(points, left, seconds),
        unit=points[0].plan.experiment.unit,
        assemblies=assemblies,
        done=assemblies - sum(left),
        parts=sum(len(each.plan.parts) * count for each, count in zip(points, left, strict=True)),
        work=sum(each.work * count for each, count in zip(points, left, strict=True)),
        seconds=math.fsum(known) if len(known) == len(points) else None,
        runs=len(rates),
    )


def _snapshot(lake: Lake, name: str) -> Snapshot | None:
    in_lake = runner.name_in_lake(lake, name) if lake.begun() else name
    return lake[in_lake].snapshot() if in_lake in lake else None


def _left(plan: Sweep, snapshot: Snapshot | None) -> list[int]:
    """Return the number of assemblies that each point lacks in the sweep of this name."""
    known = [] if snapshot is None else [each for each in snapshot.sweeps if each.name == plan.name]
    if snapshot is None or not known:
        return [plan.replicates] * len(plan.points)
    numbers = {each.config_hash: each.number for each in known[0].points}
    return [
        sum(
            not _is_done(Claim(plan.name, numbers.get(each.config_hash, 0), replicate), snapshot.assemblies)
            for replicate in range(1, plan.replicates + 1)
        )
        for each in plan.points
    ]


def _is_done(claim: Claim, assemblies: Sequence[Assembly]) -> bool:
    holder = claim.holder(assemblies)
    return holder is not None and holder.status == "completed"


@dataclass(frozen=True)
class _Rate:
    """Seconds per unit of work of an earlier run, and its config."""

    settings: Mapping[str, Any]
    seconds: float


def _rates(source: Source, snapshot: Snapshot) -> Iterable[_Rate]:
    """Yield the rates of the newest completed assemblies that ran in one go."""
    events = snapshot.events.group_by("assembly_id").agg(
        count=pl.len(), seconds=(pl.col("at").max() - pl.col("at").min()).dt.total_milliseconds() / 1000
    )
    took = dict(events.filter(pl.col("count") == 2).select("assembly_id", "seconds").iter_rows())
    done = [each for each in snapshot.assemblies if each.status == "completed" and each.assembly_id in took]
    for each in done[-MOST_RUNS:]:
        if MADE_BY not in each.settings and (work := _work(source, each)):
            yield _Rate(each.settings, took[each.assembly_id] / work)


def _work(source: Source, assembly: Assembly) -> int:
    try:
        plan = RunPlan.from_record(source, assembly.settings)
        return plan.work(plan.parts)
    except LakebatchError:  # of other code
        return 0


def _seconds(point: PlannedPoint, count: int, rates: Sequence[_Rate]) -> float | None:
    """Return the time of some assemblies of a point by the run with the nearest config; the newest of equal ones."""
    if not rates:
        return None
    config = dict(leaves(point.plan.config.model_dump(mode="json")))
    nearest = min(reversed(rates), key=lambda each: _distance(config, dict(leaves(each.settings))))
    return nearest.seconds * point.work * count


def _distance(one: Mapping[str, Any], other: Mapping[str, Any]) -> float:
    """Return how far two configs are apart: 1 for each key that differs, less for numbers of one magnitude."""
    return math.fsum(_gap(one.get(key), other.get(key)) for key in one.keys() | other.keys())


def _gap(one: Any, other: Any) -> float:
    if one == other:
        return 0.0
    if all(isinstance(each, int | float) and each > 0 for each in (one, other)):
        return min(1.0, abs(math.log10(one / other)))
    return 1.0


def _frame(
    points: Sequence[PlannedPoint], left: Sequence[int], seconds: Sequence[float | None]
) -> pl.DataFrame:
    names = ("point", "assemblies", "parts", "work", "seconds")
    values = config_columns.columns([config_columns.flatten(each.values) for each in points], taken=names)
    return pl.DataFrame({"point": list(range(1, len(points) + 1))}).with_columns(
        *values,
        assemblies=pl.Series(left),
        parts=pl.Series([len(each.plan.parts) for each in points]),
        work=pl.Series([each.work for each in points]),
        seconds=pl.Series(seconds, dtype=pl.Float64),
    )
