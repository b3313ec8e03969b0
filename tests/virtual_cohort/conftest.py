"""Networks and patients shared by the tests of the virtual cohort."""

from __future__ import annotations

import numpy as np
import pytest

from lakebatch.experiments.virtual_cohort import (
    DrugConfig,
    NetworkConfig,
    ParameterConfig,
    build_network,
    draw_parameters,
)

CUSTOM = (("R1", "I1_2", "up"), ("I1_2", "I2_3", "down"), ("I2_1", "R1", "down"), ("O", "I1_1", "up"))
TWO_DRUGS = (
    DrugConfig(name="A", start=200, dose=400, regulations=[["R1", "down"], ["I1_2", "up"]]),
    DrugConfig(name="B", start=650, dose=300, regulations=[["R2", "down"]]),
)
NETWORKS = {
    "default": (NetworkConfig(), (DrugConfig(),)),
    "allosteric": (NetworkConfig(down_regulation="allosteric", custom_regulations=CUSTOM), (DrugConfig(),)),
    "random": (NetworkConfig(n_regs=6, custom_regulations=CUSTOM), (DrugConfig(),)),
    "several-drugs": (NetworkConfig(n_cascades=2), TWO_DRUGS),
    "target-all": (NetworkConfig(), (DrugConfig(target_all=True),)),
    "no-drug": (NetworkConfig(n_layers=0, n_cascades=1), ()),
}


def make_patients(model, n_samples, seed=1):
    """Return parameters and initial concentrations of some patients."""
    rng = np.random.default_rng(seed)
    parameters = draw_parameters(model, ParameterConfig(), n_samples, rng)
    return parameters, rng.uniform(200, 1000, (n_samples, len(model.species)))


@pytest.fixture
def default_model():
    return build_network(NetworkConfig(), [DrugConfig()], np.random.default_rng(1))


@pytest.fixture
def patients():
    return make_patients


@pytest.fixture(params=NETWORKS)
def model(request):
    spec, drugs = NETWORKS[request.param]
    return build_network(spec, drugs, np.random.default_rng(3))
