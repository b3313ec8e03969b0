"""Surroundings of fits as a run has them."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from lakebatch.experiment.guest import thread_variables


@pytest.fixture(autouse=True, scope="module")
def _variables_set_once() -> Iterator[None]:
    """Set the variables for one thread around all fits, as a run does, and not around each.

    A thread of the storage engine that an earlier test left can read the environment meanwhile, which ends the process.
    """
    with thread_variables():
        yield


@pytest.fixture(scope="session")
def study_features() -> dict[str, tuple[Any, Any]]:
    """Return features and target of a real cohort, by feature set."""
    from lakebatch.experiments.degradation.study import feature_sets
    from lakebatch.experiments.response_noise import ResponseNoise, ResponseNoiseConfig

    config, study = ResponseNoiseConfig(), ResponseNoise()
    prepared = study.prepare(config, np.random.default_rng(1))
    measured = study.measure(0.1, prepared.cohort, config, np.random.default_rng(2))
    found = feature_sets(config.evaluation.feature_sets, measured, config)
    return {each.name: (each.values, measured.target) for each in found}
