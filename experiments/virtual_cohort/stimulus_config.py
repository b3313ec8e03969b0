"""The config tables of a stimulus: one step of a parameter, or a schedule of doses, infusions or pulses."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Annotated, Any, TypeAlias

from pydantic import BeforeValidator, Discriminator, Tag, model_validator

from lakebatch.experiment import ConfigModel, setting

ENDLESS = float("inf")
KINDS = ("dose", "rate", "value")
SLACK = 1e-12
"""Part of the largest time within which two times are the same one: what the rounding of a product leaves."""


class StimulusConfig(ConfigModel):
    """A drug or stimulus: a parameter of the model that takes another value from an onset on."""

    parameter: str = setting(help="Global parameter that is the stimulus.")
    before: float = setting(0.0, help="Its value before the onset.", unit="the model's")
    after: float = setting(help="Its value from the onset on.", unit="the model's")
    onset: float = setting(help="Time from which it has the second value.", unit="the model's time")

    @property
    def target(self) -> str:
        """What it changes."""
        return self.parameter

    @property
    def kind(self) -> str:
        """The key that says how it changes its target."""
        return "value"

    @property
    def spans(self) -> list[tuple[float, float]]:
        """The times from which and until which it acts."""
        return [(self.onset, ENDLESS)]


class ScheduleConfig(ConfigModel):
    """A schedule: doses, infusions or values that a target of the model gets, once or repeatedly."""

    target: str = setting(help="Species or parameter that gets the doses or takes the value.")
    dose: float | None = setting(
        None,
        help="Amount that is added from each start on: at once, or evenly over the duration.",
        unit="the model's amount",
        gt=0,
    )
    rate: float | None = setting(
        None,
        help="Amount per time that is added from each start on, over the duration.",
        unit="the model's amount / time",
        gt=0,
    )
    value: float | None = setting(
        None,
        help="Value (of a species: concentration) that the target has from each start on, over the duration; "
        "outside of it, the target has its own.",
        unit="the model's",
    )
    start: float = setting(help="Time of the first start.", unit="the model's time")
    duration: float | None = setting(
        None,
        help="Time that an infusion or a value takes. Default: a dose is added at once; a rate or a value lasts.",
        unit="the model's time",
        gt=0,
    )
    interval: float | None = setting(
        None, help="Time from one start to the next.", unit="the model's time", gt=0
    )
    count: int = setting(1, help="Number of starts.", unit="1", ge=1, le=1000)

    @property
    def kind(self) -> str:
        """The key that says how it changes its target."""
        return next(kind for kind in KINDS if getattr(self, kind) is not None)

    @property
    def spans(self) -> list[tuple[float, float]]:
        """The times from which and until which it acts, one after the other; a dose at once has no length."""
        starts = [self.start + index * (self.interval or 0.0) for index in range(self.count)]
        lasts = ENDLESS if self.duration is None and self.dose is None else self.duration or 0.0
        return [(begin, begin + lasts) for begin in starts]

    @model_validator(mode="after")
    def _check_kind(self) -> ScheduleConfig:
        given = [kind for kind in KINDS if getattr(self, kind) is not None]
        if len(given) != 1:
            raise ValueError(
                f"the schedule of {self.target} has {' and '.join(given) or 'no dose'}; expected one of dose, rate "
                "and value."
            )
        return self

    @model_validator(mode="after")
    def _check_repeats(self) -> ScheduleConfig:
        if (self.interval is None) != (self.count == 1):
            raise ValueError(
                f"the schedule of {self.target} has {'no interval' if self.interval is None else 'an interval'} and "
                f"count {self.count}; expected both interval and a count above 1, or neither."
            )
        if self.count > 1 and self.duration is None and self.dose is None:
            raise ValueError(
                f"the schedule of {self.target} repeats a {self.kind} without duration; expected a duration."
            )
        if self.duration is not None and self.interval is not None and self.duration > self.interval:
            raise ValueError(
                f"the schedule of {self.target} overlaps itself: its duration is {self.duration:g} and its interval "
                f"{self.interval:g}; expected a duration up to the interval."
            )
        return self


STEP_KEYS, SCHEDULE_KEYS = (tuple(each.model_fields) for each in (StimulusConfig, ScheduleConfig))


def _check_form(value: Any) -> Any:
    """Raise if a table has keys of both forms, also if one was merged into the other."""
    steps, schedules = ([key for key in keys if key in value] for keys in (STEP_KEYS, SCHEDULE_KEYS))
    if steps and schedules:
        raise ValueError(
            f"the table has {schedules[0]}, a key of a schedule, and {steps[0]}, a key of a single step; expected keys "
            f"of one form: {', '.join(STEP_KEYS)}, or {', '.join(SCHEDULE_KEYS)}. A list of tables, [[sbml.stimulus]], "
            "replaces the table of a preset."
        )
    return value


def _form(value: Any) -> str:
    """Tell a schedule from a single step, so that only the right one is validated."""
    keys = value if isinstance(value, dict) else vars(value) if isinstance(value, ConfigModel) else ()
    return "a schedule" if any(key in keys for key in SCHEDULE_KEYS) else "a step"


def _table_or_list(value: Any) -> str:
    """Tell one stimulus from a list of them, so that only the right one is validated."""
    return "a list" if isinstance(value, list | tuple) else "a table"


AnyStimulus: TypeAlias = StimulusConfig | ScheduleConfig
Stimulus: TypeAlias = Annotated[
    Annotated[StimulusConfig, Tag("a step")] | Annotated[ScheduleConfig, Tag("a schedule")],
    Discriminator(_form),
    BeforeValidator(lambda value: _check_form(value) if isinstance(value, dict) else value),
]
Stimuli: TypeAlias = Annotated[
    Annotated[Stimulus, Tag("a table")] | Annotated[tuple[Stimulus, ...], Tag("a list")],
    Discriminator(_table_or_list),
]


def check_together(stimuli: Sequence[AnyStimulus]) -> None:
    """Raise ValueError if two stimuli change one target in ways that exclude each other."""
    by_target: defaultdict[str, list[AnyStimulus]] = defaultdict(list)
    for stimulus in stimuli:
        by_target[stimulus.target].append(stimulus)
    for target, those in by_target.items():
        valued = [stimulus for stimulus in those if stimulus.kind == "value"]
        if valued and len(valued) < len(those):
            raise ValueError(
                f"stimulus gives {target} both a value and doses; expected one of them for a target."
            )
        if len(valued) > 1 and any(isinstance(stimulus, StimulusConfig) for stimulus in valued):
            raise ValueError(
                f"stimulus has {target} twice, once in a single step; expected one step, or schedules."
            )
        _check_disjoint(target, sorted(span for stimulus in valued for span in stimulus.spans))


def _check_disjoint(target: str, spans: Sequence[tuple[float, float]]) -> None:
    for (_, end), (begin, _) in pairwise(spans):
        if begin + SLACK * abs(begin) < end:
            until = "that lasts" if end == ENDLESS else f"until {end:g}"
            raise ValueError(
                f"stimulus gives {target} a value {until} and another one from {begin:g} on; expected values that do "
                "not overlap."
            )


def check_times(stimulus: AnyStimulus, start: float, stop: float) -> None:
    """Raise ValueError if a stimulus begins or ends outside the simulated span."""
    slack = SLACK * max(abs(start), abs(stop))
    for key, begin in _first_and_last(stimulus):
        if not start <= begin < stop - slack:
            raise ValueError(
                f"sbml.stimulus.{key} is {begin:g}; expected a time from simulation.start, "
                f"{start:g}, to before simulation.stop, {stop:g}."
            )
    end = stimulus.spans[-1][1]
    if stop + slack < end < ENDLESS:
        raise ValueError(
            f"sbml.stimulus of {stimulus.target} ends at {end:g}; expected simulation.stop, {stop:g}, or an earlier "
            f"time{'' if stimulus.kind == 'dose' else '; without a duration, it lasts'}."
        )


def _first_and_last(stimulus: AnyStimulus) -> Iterator[tuple[str, float]]:
    """Yield the first and the last start, with the key by which it is known."""
    if isinstance(stimulus, StimulusConfig):
        yield "onset", stimulus.onset
        return
    begins = [begin for begin, _ in stimulus.spans]
    yield f"start of {stimulus.target}", begins[0]
    if len(begins) > 1:
        yield f"start number {len(begins)} of {stimulus.target}", begins[-1]
