"""The changes that stimuli make to a model, time by time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .config import SimulationConfig
from .simulation import time_points
from .stimulus_config import ENDLESS, SLACK, AnyStimulus, ScheduleConfig, StimulusConfig


@dataclass(frozen=True)
class Change:
    """All that the stimuli change at one time, at once.

    Attributes
    ----------
    time : float, the model's time
    values : mapping of str to float or None
        New values of parameters, and concentrations of boundary species; None for the one of the start.
    doses : mapping of str to float, the model's amount
        What is added to a species, or to a parameter with a rate rule.
    rates : mapping of str to float, the model's amount / time
        What is added from now on.
    """

    time: float
    values: Mapping[str, float | None]
    doses: Mapping[str, float]
    rates: Mapping[str, float]


@dataclass(frozen=True)
class _Level:
    """A value or a rate that a target has over a time."""

    kind: str
    target: str
    begin: float
    end: float
    height: float


def plan_changes(stimuli: Sequence[AnyStimulus], span: SimulationConfig) -> tuple[Change, ...]:
    """Return the changes in the order of their times.

    Doses and rates of several stimuli into one target add up. A value or rate that goes on without a gap does
    not change in between. A time that differs from a time point by rounding only is that time point.

    Examples
    --------
    >>> doses = ScheduleConfig(target="A", dose=5, start=0, interval=100, count=2)
    >>> infusion = ScheduleConfig(target="A", rate=3, start=100, duration=50)
    >>> for change in plan_changes([doses, infusion], SimulationConfig()):
    ...     print(change.time, change.doses, change.rates)
    0.0 {'A': 5.0} {}
    100.0 {'A': 5.0} {'A': 3.0}
    150.0 {} {'A': 0.0}
    """
    levels, boluses = list(_levels(stimuli)), list(_boluses(stimuli))
    ends = [time for level in levels for time in (level.begin, level.end) if time < ENDLESS]
    same = _same_times([*ends, *(time for time, _, _ in boluses)], span)
    doses: dict[float, dict[str, float]] = {time: {} for time in sorted({*same.values()})}
    for time, target, dose in boluses:
        doses[same[time]][target] = doses[same[time]].get(target, 0.0) + dose
    values, rates = (
        _steps([each for each in levels if each.kind == kind], same) for kind in ("value", "rate")
    )
    return tuple(
        Change(time, values[time], added, {name: rate or 0.0 for name, rate in rates[time].items()})
        for time, added in doses.items()
        if added or values[time] or rates[time]
    )


def _levels(stimuli: Iterable[AnyStimulus]) -> Iterator[_Level]:
    """Yield the values and rates of stimuli."""
    for stimulus in stimuli:
        kind = "value" if stimulus.kind == "value" else "rate"
        for begin, end in stimulus.spans:
            if end > begin:
                yield _Level(kind, stimulus.target, begin, end, _height(stimulus))


def _height(stimulus: AnyStimulus) -> float:
    """Return the value or rate of a stimulus that takes time."""
    if isinstance(stimulus, StimulusConfig):
        return stimulus.after
    if stimulus.dose is not None:
        return stimulus.dose / (stimulus.duration or 1.0)
    return float(getattr(stimulus, stimulus.kind))


def _boluses(stimuli: Iterable[AnyStimulus]) -> Iterator[tuple[float, str, float]]:
    """Yield the time, target and size of each dose that is added at once."""
    for stimulus in stimuli:
        if isinstance(stimulus, ScheduleConfig) and stimulus.dose is not None and stimulus.duration is None:
            yield from ((begin, stimulus.target, stimulus.dose) for begin, _ in stimulus.spans)


def _same_times(times: Iterable[float], span: SimulationConfig) -> dict[float, float]:
    """Return the one time for all that differ by rounding: a time point, or the first of them."""
    grid, slack = time_points(span), SLACK * max(abs(span.start), abs(span.stop))
    step = (span.stop - span.start) / (span.n_points - 1)
    same: dict[float, float] = {}
    last = -ENDLESS
    for time in sorted({*times}):
        point = float(grid[np.clip(round((time - span.start) / step), 0, span.n_points - 1)])
        if abs(point - time) <= slack:
            last = point
        elif time - last > slack:
            last = time
        same[time] = last
    return same


def _steps(levels: Sequence[_Level], same: Mapping[float, float]) -> dict[float, dict[str, float | None]]:
    """Return what each target has from each time on where it differs from before; None for nothing given."""
    changes: defaultdict[float, dict[str, float | None]] = defaultdict(dict)
    for target in {level.target: None for level in levels}:
        given = [level for level in levels if level.target == target]
        before: float | None = None
        for time in sorted({*same.values()}):
            heights = [
                each.height for each in given if same[each.begin] <= time < same.get(each.end, ENDLESS)
            ]
            height = sum(heights) if heights else None
            if height != before:
                changes[time][target] = before = height
    return changes
