"""The config of a degradation experiment: a cohort, the levels of a perturbation, the evaluation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from pydantic import field_validator

from lakebatch.experiment import setting

from ..prediction.config import EvaluationConfig, NoiseKind
from ..virtual_cohort.config import CohortModelConfig

BASELINE = 0.0
"""The level without perturbation, which every degradation is measured against."""


class DegradationConfig(CohortModelConfig):
    """What defines a degradation experiment; an experiment adds its default levels."""

    levels: tuple[float, ...] = setting(help="Levels of the perturbation; 0 is the baseline.", min_length=1)
    evaluation: EvaluationConfig = setting(EvaluationConfig(), help="How models are trained and tested.")
    store: Literal["all", "samples", "nothing"] = setting(
        "all",
        help="What the lake keeps beside results: all (samples and trajectories, so that datasets can be "
        "read back), samples, or nothing.",
    )

    @field_validator("levels")
    @classmethod
    def _check_levels(cls, levels: tuple[float, ...]) -> tuple[float, ...]:
        for level in levels:
            if not (math.isfinite(level) and level >= 0):
                raise ValueError(f"levels has {level:g}; expected numbers from 0 up.")
        levels = tuple(level + 0.0 for level in levels)  # -0.0 is the baseline too
        _require_unique(levels)
        return levels


class NoiseConfig(DegradationConfig):
    """What defines an experiment that adds noise."""

    noise: NoiseKind = setting(
        "additive",
        help="additive: x + N(0, level * std); multiplicative: x * (1 + N(0, level)); "
        "lognormal: x * exp(N(0, level)). The first two are clipped at 0.",
    )


def _require_unique(levels: Sequence[float]) -> None:
    names = [level_name(level) for level in levels]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"levels has {', '.join(twice)} twice; expected each level once.")


def level_name(level: float) -> str:
    """Return how a level is written in the key of a part.

    >>> level_name(0.0), level_name(0.05)
    ('0', '0.05')
    """
    return f"{level:.12g}"
