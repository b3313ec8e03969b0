"""How does prediction degrade when the model's kinetic parameters are wrong?"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from pydantic import field_validator

from lakebatch.experiment import setting

from .degradation.config import BASELINE, DegradationConfig
from .degradation.measurement import Measurement, clean_measurement
from .degradation.study import DegradationStudy
from .virtual_cohort.cohort import Cohort
from .virtual_cohort.parameters import distort_parameters


class ParameterDistortionConfig(DegradationConfig):
    """What defines a parameter-distortion run."""

    levels: tuple[float, ...] = setting(
        (0.0, 1.1, 1.3, 1.5, 2.0, 3.0),
        help="Factor f: each kinetic parameter is multiplied by U(1/f, f); 0 is the baseline.",
        unit="1",
        min_length=1,
    )

    @field_validator("levels")
    @classmethod
    def _check_factors(cls, levels: tuple[float, ...]) -> tuple[float, ...]:
        for level in levels:
            if level != BASELINE and level < 1:
                raise ValueError(f"levels has {level:g}; expected factors from 1 up, or 0 for the baseline.")
        return levels


class ParameterDistortion(DegradationStudy[ParameterDistortionConfig]):
    """Features simulated with distorted parameters; expression and target stay clean."""

    name = "parameter-distortion"
    number = "01"
    version = "v1"
    config_model = ParameterDistortionConfig

    def distorts(self, config: ParameterDistortionConfig) -> bool:
        """Return whether a level is above the baseline."""
        return any(level != BASELINE for level in config.levels)

    def perturb(
        self, level: float, cohort: Cohort, config: ParameterDistortionConfig, rng: np.random.Generator
    ) -> Measurement:
        """Return the cohort with what is simulated from distorted parameters."""
        parameters = distort_parameters(cohort.parameters, level, rng)
        courses = cohort.resimulate(parameters=parameters)
        return replace(clean_measurement(cohort), parameters=parameters, time_courses=courses)
