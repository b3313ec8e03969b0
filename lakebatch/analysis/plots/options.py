"""Options of charts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from lakebatch.analysis.statistics import UNITS, Unit, check_metric
from lakebatch.assembly import metrics
from lakebatch.errors import ConfigError

By: TypeAlias = Literal["feature_set", "model", "config"]
BY: tuple[By, ...] = ("feature_set", "model", "config")


@dataclass(frozen=True)
class Options:
    """Options of charts; each kind uses the options that apply to it.

    Attributes
    ----------
    metric : str
        One of `lakebatch.assembly.metrics.NAMES`.
    by : {"feature_set", "model", "config"}
        What colours show; the others are averaged over.
    zoom : (float, float), optional
        Range of the metric's axis.
    unit : {"split", "assembly"}
        The unit that intervals are computed over, see `lakebatch.analysis.statistics`.
    level : float, optional
        The level of trajectories; the clean cohort by default.
    """

    metric: str = metrics.DEFAULT
    by: By = "feature_set"
    zoom: tuple[float, float] | None = None
    unit: Unit = "split"
    level: float | None = None

    def __post_init__(self) -> None:
        check_metric(self.metric)
        if self.by not in BY:
            raise ConfigError(f"Cannot colour by {self.by!r}. Expected one of: {', '.join(BY)}.")
        if self.unit not in UNITS:
            raise ConfigError(f"Unknown unit {self.unit!r}. Expected one of: {', '.join(UNITS)}.")
        if self.zoom is not None and not self.zoom[0] < self.zoom[1]:
            raise ConfigError(
                f"The zoom is {self.zoom[0]:g} to {self.zoom[1]:g}. Expected a low end below the high end."
            )
