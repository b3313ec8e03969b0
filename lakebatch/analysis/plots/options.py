"""Options of charts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, TypeAlias

from lakebatch.analysis.statistics import UNITS, Unit, check_metric
from lakebatch.assembly import metrics
from lakebatch.errors import ConfigError

By: TypeAlias = str
BY: tuple[By, ...] = ("feature_set", "model", "config")


@dataclass(frozen=True)
class Options:
    """Options of charts; each kind uses the options that apply to it.

    Attributes
    ----------
    metric : str
        One of `lakebatch.assembly.metrics.NAMES`.
    by : str
        What colours show: ``feature_set``, ``model``, ``config``, or a config key; the others are averaged over.
    zoom : (float, float), optional
        Range of the metric's axis.
    unit : {"split", "assembly"}
        The unit that intervals are computed over, see `lakebatch.analysis.statistics`.
    level : float, optional
        The level of trajectories; the clean cohort by default. Of a heat map, the level to average over; all by default.
    x, y : str, optional
        The config keys of the axes of a heat map; by default those of the sweep that is read.
    """

    metric: str = metrics.DEFAULT
    by: By = "feature_set"
    zoom: tuple[float, float] | None = None
    unit: Unit = "split"
    level: float | None = None
    x: str | None = None
    y: str | None = None

    def __post_init__(self) -> None:
        check_metric(self.metric)
        if not isinstance(self.by, str) or not self.by:
            raise ConfigError(f"Cannot colour by {self.by!r}. Expected {', '.join(BY)} or a config key.")
        if self.unit not in UNITS:
            raise ConfigError(f"Unknown unit {self.unit!r}. Expected one of: {', '.join(UNITS)}.")
        if self.zoom is not None:
            _check_zoom(self.zoom)
        if self.level is not None and not isinstance(self.level, Real):
            raise ConfigError(f"The level is {self.level!r}. Expected a number.")


def _check_zoom(zoom: Any) -> None:
    if not isinstance(zoom, Sequence) or [isinstance(each, Real) for each in zoom] != [True, True]:
        raise ConfigError(f"The zoom is {zoom!r}. Expected a low and a high end, e.g. (0.6, 1).")
    if not zoom[0] < zoom[1]:
        raise ConfigError(f"The zoom is {zoom[0]:g} to {zoom[1]:g}. Expected a low end below the high end.")
