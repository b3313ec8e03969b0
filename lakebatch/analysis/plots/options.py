"""Options of charts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from numbers import Real
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from lakebatch._text import nearest
from lakebatch.analysis.statistics import UNITS, Unit
from lakebatch.analysis.wording import Words, free, without_clashes
from lakebatch.assembly.metrics import Axis, Metric, Roles
from lakebatch.errors import ConfigError

if TYPE_CHECKING:
    from lakebatch.analysis.data import AnalysisData

CONFIG = "config"
Kind: TypeAlias = Literal[
    "levels", "boxes", "grid", "degradation", "sensitivity", "robustness", "comparison", "growth",
    "trajectories", "network", "heatmap",
]  # fmt: skip
"""The kinds of pictures, for editors and type checkers."""
MetricName: TypeAlias = Literal["pearson_r", "r2", "mse"] | str
By: TypeAlias = Literal["feature_set", "model", "config"] | str
# with the built-in names, which editors complete; an experiment can declare others


@dataclass(frozen=True)
class Options:
    """Options of charts; each kind uses the options that apply to it.

    Attributes
    ----------
    metric : str, optional
        A metric of the experiment; its default one by default.
    by : str, optional
        What colours show, the others are averaged over: a group of the experiment, such as ``feature_set`` or
        ``model``, ``config`` or a config key; its first group by default.
    zoom : (float, float), optional
        Range of the metric's axis.
    unit : {"split", "assembly"}
        The unit that intervals are computed over, see `lakebatch.analysis.statistics`.
    level : float, optional
        The level of trajectories; the clean cohort by default. Of a heat map, the level to average over; all by default.
    x, y : str, optional
        The config keys of the axes of a heat map; by default those of the sweep that is read.
    """

    metric: MetricName | None = None
    by: By | None = None
    zoom: tuple[float, float] | None = None
    unit: Unit = "split"
    level: float | None = None
    x: str | None = None
    y: str | None = None

    def __post_init__(self) -> None:
        if self.unit not in UNITS:
            raise ConfigError(f"Unknown unit {self.unit!r}. Expected one of: {', '.join(UNITS)}.")
        if self.zoom is not None:
            _check_zoom(self.zoom)
        if self.level is not None and not isinstance(self.level, Real):
            raise ConfigError(f"The level is {self.level!r}. Expected a number.")


@dataclass(frozen=True)
class Chosen(Options):
    """Options for one experiment: a metric and a column for the colours that it has, with its roles and nouns."""

    metric: str = ""
    by: str = ""
    roles: Roles = field(default_factory=Roles)
    words: Words = field(default_factory=Words)

    @property
    def measured(self) -> Metric:
        """The metric."""
        return self.roles.metric(self.metric)

    @property
    def label(self) -> str:
        """The label of the metric."""
        return self.measured.label

    @property
    def axis(self) -> Axis:
        """The horizontal axis."""
        return self.roles.axis

    @property
    def by_word(self) -> str:
        """What colours show, in words."""
        return self.roles.word(self.by)

    @property
    def unit_word(self) -> str:
        """The unit that intervals are computed over, in words."""
        return self.words.unit if self.unit == "split" else self.unit


def check(options: Options, roles: Roles) -> None:
    """Raise the errors of `choose` before any row is read.

    Parameters
    ----------
    roles : Roles
        Those of the snapshot.
    """
    free_of_clashes = without_clashes(roles)
    free_of_clashes.metric(options.metric)
    _group(options.by, free_of_clashes)


def choose(options: Options, data: AnalysisData) -> Chosen:
    """Return the options for the experiment whose data is drawn.

    Raises
    ------
    UnknownNameError
        If the experiment has no such metric.
    ConfigError
        If colours cannot show what they should.
    """
    given = {each.name: getattr(options, each.name) for each in fields(Options)}
    given["metric"] = data.roles.metric(options.metric).name
    given["by"] = _group(options.by, data.roles)
    return Chosen(**given, roles=data.roles, words=data.words)


def _group(by: str | None, roles: Roles) -> str:
    """Return the column whose values colours tell apart."""
    known = list(dict.fromkeys([*roles.groups, CONFIG]))
    chosen = known[0] if by is None else by if by in known else free(by)
    if chosen not in known:
        raise ConfigError(f"Cannot colour by {by!r}. {nearest(str(by), known)}")
    return chosen


def _check_zoom(zoom: Any) -> None:
    if not isinstance(zoom, Sequence) or [isinstance(each, Real) for each in zoom] != [True, True]:
        raise ConfigError(f"The zoom is {zoom!r}. Expected a low and a high end, e.g. (0.6, 1).")
    if not zoom[0] < zoom[1]:
        raise ConfigError(f"The zoom is {zoom[0]:g} to {zoom[1]:g}. Expected a low end below the high end.")
