"""What can be asked of a picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from lakebatch import metrics
from lakebatch.analysis.statistics import UNITS, Unit, check_metric
from lakebatch.errors import ConfigError

By: TypeAlias = Literal["feature_set", "model"]
BY: tuple[By, ...] = ("feature_set", "model")


@dataclass(frozen=True)
class Options:
    """What can be asked of a picture; each kind takes what concerns it.

    Attributes
    ----------
    metric : str
        One of `lakebatch.metrics.NAMES`.
    by : {"feature_set", "model"}
        What is told apart by colour; the other is averaged over.
    zoom : (float, float), optional
        Range of the metric's axis.
    unit : {"split", "assembly"}
        What intervals are taken over, see `lakebatch.analysis.statistics`.
    assembly : str, optional
        Whose cohort is shown; the newest that has one by default.
    level : float, optional
        Level at which trajectories are shown; those of the clean cohort by default.
    """

    metric: str = metrics.DEFAULT
    by: By = "feature_set"
    zoom: tuple[float, float] | None = None
    unit: Unit = "split"
    assembly: str | None = None
    level: float | None = None

    def __post_init__(self) -> None:
        check_metric(self.metric)
        if self.by not in BY:
            raise ConfigError(f"Cannot tell apart by {self.by!r}. Expected one of: {', '.join(BY)}.")
        if self.unit not in UNITS:
            raise ConfigError(f"Unknown unit {self.unit!r}. Expected one of: {', '.join(UNITS)}.")
        if self.zoom is not None and not self.zoom[0] < self.zoom[1]:
            raise ConfigError(
                f"The zoom is {self.zoom[0]:g} to {self.zoom[1]:g}. Expected a low end below the high end."
            )
