"""Kinetic parameters: names, nominal values, draws, distortion."""

from __future__ import annotations

import numpy as np
import pytest

from lakebatch.errors import ConfigError
from lakebatch.experiments.virtual_cohort import (
    DrugConfig,
    NetworkConfig,
    ParameterConfig,
    build_network,
    distort_parameters,
    draw_parameters,
    nominal_values,
    parameter_names,
)


def nominal(**spec):
    model = build_network(NetworkConfig(**spec), [DrugConfig()], np.random.default_rng(1))
    return dict(zip(parameter_names(model), nominal_values(model), strict=True))


def test_parameters_have_nominal_values():
    values = nominal(n_layers=0, n_cascades=1)
    assert values == {
        "Km_R1_activation": 100.0,
        "Vmax_R1_activation": 10.0,
        "Km_R1_deactivation": 100.0,
        "Vmax_R1_deactivation": 1.0,
        "Kw_R1_deactivation_D": 0.1,
        "Km_O_activation": 100.0,
        "Vmax_O_activation": 1.0,
        "Kw_O_activation_R1": 0.1,
        "Km_O_deactivation": 100.0,
        "Vmax_O_deactivation": 10.0,
    }


def test_allosteric_parameters_inhibit_activation():
    values = nominal(n_layers=0, n_cascades=1, down_regulation="allosteric")
    assert values["Kil_R1_activation_D"] == 0.01
    assert values["Vmax_R1_activation"] == 1.0
    assert values["Vmax_R1_deactivation"] == 10.0
    assert "Kw_R1_deactivation_D" not in values


def test_parameter_names_are_unique(model):
    names = parameter_names(model)
    assert len(set(names)) == len(names) == len(nominal_values(model))


def test_drawn_parameters_lie_within_both_ranges(default_model):
    config = ParameterConfig(param_range=(0.5, 2), param_mul_range=(0.9, 1.1))
    factors = draw_parameters(default_model, config, 2000, np.random.default_rng(1))
    factors /= nominal_values(default_model)
    assert factors.min() >= 0.5 * 0.9
    assert factors.max() <= 2 * 1.1
    np.testing.assert_allclose(factors.mean(axis=0), 1.25, atol=0.06)
    assert np.abs(np.corrcoef(factors.T) - np.eye(factors.shape[1])).max() < 0.15


def test_drawn_parameters_use_the_second_factor(default_model):
    config = ParameterConfig(param_range=(1, 1), param_mul_range=(0.9, 1.1))
    factors = draw_parameters(default_model, config, 500, np.random.default_rng(1))
    factors /= nominal_values(default_model)
    assert factors.min() < 0.91
    assert factors.max() > 1.09


def test_drawn_parameters_of_first_patients_do_not_depend_on_their_number(default_model):
    few = draw_parameters(default_model, ParameterConfig(), 3, np.random.default_rng(1))
    many = draw_parameters(default_model, ParameterConfig(), 9, np.random.default_rng(1))
    np.testing.assert_array_equal(few, many[:3])


@pytest.mark.parametrize("factor", [0, 1, 0.0, 1.0])
def test_distortion_by_none_is_an_unchanged_copy(factor):
    parameters = np.array([[1.0, 2.0]])
    distorted = distort_parameters(parameters, factor, np.random.default_rng(1))
    np.testing.assert_array_equal(distorted, parameters)
    assert not np.shares_memory(distorted, parameters)


def test_distortion_is_uniform_between_inverse_and_factor():
    distorted = distort_parameters(np.full((100, 100), 10.0), 3.0, np.random.default_rng(1)) / 10
    assert distorted.min() == pytest.approx(1 / 3, abs=0.01)
    assert distorted.max() == pytest.approx(3, abs=0.01)
    assert distorted.mean() == pytest.approx((1 / 3 + 3) / 2, abs=0.05)


@pytest.mark.parametrize("factor", [-1, 0.5, np.inf, np.nan])
def test_distortion_refuses_other_factors(factor):
    with pytest.raises(ConfigError, match=rf"distortion factor is {factor}; expected 0"):
        distort_parameters(np.ones((1, 1)), factor, np.random.default_rng(1))
