"""How does prediction degrade when the measured response is noisy?"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lakebatch.experiment import setting

from .degradation.config import NoiseConfig
from .degradation.measurement import Measurement, clean_measurement
from .degradation.study import DegradationStudy
from .prediction.noise import add_noise
from .virtual_cohort.cohort import Cohort


class ResponseNoiseConfig(NoiseConfig):
    """What defines a response-noise run."""

    levels: tuple[float, ...] = setting(
        (0.0, 0.05, 0.1, 0.2, 0.3, 0.5),
        help="Noise on the response, relative to its standard deviation; 0 is the baseline.",
        unit="1",
        min_length=1,
    )


class ResponseNoise(DegradationStudy[ResponseNoiseConfig]):
    """Noise on the target; features stay clean."""

    name = "response-noise"
    number = "03"
    version = "v1"
    config_model = ResponseNoiseConfig

    def perturb(
        self, level: float, cohort: Cohort, config: ResponseNoiseConfig, rng: np.random.Generator
    ) -> Measurement:
        """Return the cohort with a noisy response."""
        noisy = add_noise(cohort.target, level, config.noise, rng, where=cohort.simulated)
        return replace(clean_measurement(cohort), target=noisy.values, clipped=noisy.clipped)
