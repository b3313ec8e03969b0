"""How does prediction degrade when the measured expression is noisy?"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lakebatch.experiment import setting

from .degradation.config import NoiseConfig
from .degradation.measurement import Measurement, clean_measurement
from .degradation.study import DegradationStudy
from .prediction.config import CleanInitialEvaluationConfig
from .prediction.noise import add_noise
from .virtual_cohort.cohort import Cohort


class ExpressionNoiseConfig(NoiseConfig):
    """What defines an expression-noise run."""

    levels: tuple[float, ...] = setting(
        (0.0, 0.1, 0.2, 0.3, 0.5, 1.0),
        help="Noise on the expression, relative to the standard deviation of its column; 0 is the baseline.",
        unit="1",
        min_length=1,
    )
    evaluation: CleanInitialEvaluationConfig = setting(
        CleanInitialEvaluationConfig(), help="How models are trained and tested."
    )


class ExpressionNoise(DegradationStudy[ExpressionNoiseConfig]):
    """Noise on the initial concentrations, from which trajectories are simulated; the target stays clean."""

    name = "expression-noise"
    number = "02"
    version = "v1"
    config_model = ExpressionNoiseConfig

    def perturb(
        self, level: float, cohort: Cohort, config: ExpressionNoiseConfig, rng: np.random.Generator
    ) -> Measurement:
        """Return the cohort with noisy expression and what is simulated from it."""
        noisy = add_noise(cohort.initial_concentrations, level, config.noise, rng)
        courses = cohort.resimulate(initial_concentrations=noisy.values)
        return replace(
            clean_measurement(cohort), initial=noisy.values, time_courses=courses, clipped=noisy.clipped
        )
