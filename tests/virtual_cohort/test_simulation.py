"""Properties of the simulation: conservation, closed forms, independence, failures, cost."""

from __future__ import annotations

import tracemalloc
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy.special import lambertw

from lakebatch.errors import SimulationError
from lakebatch.experiments.virtual_cohort import (
    DrugConfig,
    NetworkConfig,
    SimulationConfig,
    build_network,
    nominal_values,
    parameter_names,
    simulate,
)
from lakebatch.experiments.virtual_cohort.kernel import LANES
from lakebatch.experiments.virtual_cohort.simulation import simulate_with_cost, time_points

CONFIG = SimulationConfig()


def test_simulate_conserves_totals(model, patients):
    parameters, initial = patients(model, 20)
    trajectories = simulate(model, parameters, initial, CONFIG)
    inactive, active = np.split(trajectories, 2, axis=1)
    totals = np.broadcast_to(initial[:, :, np.newaxis], inactive.shape)
    np.testing.assert_allclose(inactive + active, totals, rtol=0, atol=1e-9)


def test_simulate_stays_between_zero_and_total_at_any_tolerance():
    model, parameters = single_receptor(Vmax_R1_activation=8.0, Vmax_R1_deactivation=0.0)
    initial = np.column_stack([np.linspace(0, 1000, 300), np.full(300, 500.0)])
    loose = SimulationConfig(relative_tolerance=1e-2, absolute_tolerance=50)
    for config in (CONFIG, loose):
        trajectories = simulate(model, np.repeat(parameters, 300, axis=0), initial, config)
        assert trajectories.min() >= 0
        assert np.all(trajectories[:, 2] <= initial[:, :1])


def test_simulate_starts_with_nothing_active(model, patients):
    parameters, initial = patients(model, 2)
    first = simulate(model, parameters, initial, CONFIG)[:, :, 0]
    np.testing.assert_array_equal(first, np.hstack([initial, np.zeros_like(initial)]))


def test_simulate_matches_irreversible_michaelis_menten():
    model, parameters = single_receptor(Vmax_R1_activation=8.0, Vmax_R1_deactivation=0.0)
    x = simulate(model, parameters, np.array([[700.0, 500.0]]), CONFIG)[0, 0]
    exponent = (700.0 - 8.0 * time_points(CONFIG)) / 100.0
    expected = 100.0 * lambertw(7.0 * np.exp(exponent)).real
    np.testing.assert_allclose(x, expected, rtol=1e-5, atol=1e-5)


def test_simulate_matches_linear_limit():
    model, parameters = single_receptor(
        Km_R1_activation=1e10,
        Km_R1_deactivation=1e10,
        Vmax_R1_activation=1e8,
        Vmax_R1_deactivation=3e8,
    )
    xa = simulate(model, parameters, np.array([[700.0, 500.0]]), CONFIG)[0, 2]
    expected = 700.0 * 0.25 * (1 - np.exp(-0.04 * time_points(CONFIG)))
    np.testing.assert_allclose(xa, expected, rtol=1e-5, atol=1e-5)


def test_simulate_ends_at_goldbeter_koshland_balance():
    model, parameters = single_receptor(Vmax_R1_activation=10.0, Vmax_R1_deactivation=5.0)
    x, xa = simulate(model, parameters, np.array([[600.0, 500.0]]), CONFIG)[0, [0, 2], -1]
    assert 10.0 * x / (100.0 + x) == pytest.approx(5.0 * xa / (100.0 + xa), rel=1e-6)


def test_drug_has_no_effect_before_its_onset(patients):
    rng = np.random.default_rng(1)
    treated = build_network(NetworkConfig(), [DrugConfig(start=400, dose=500)], rng)
    parameters, initial = patients(treated, 8)
    untreated = build_network(NetworkConfig(), [DrugConfig(start=400, dose=0)], rng)
    difference = simulate(treated, parameters, initial, CONFIG) - simulate(
        untreated, parameters, initial, CONFIG
    )
    before = time_points(CONFIG) <= 400
    assert np.all(difference[:, :, before] == 0)
    assert np.all(np.abs(difference[:, 0, ~before][:, 1:]) > 1e-3)


def test_drug_lowers_its_target(patients):
    model = build_network(NetworkConfig(), [DrugConfig()], np.random.default_rng(1))
    parameters, initial = patients(model, 8)
    active = simulate(model, parameters, initial, CONFIG)[:, model.form_names.index("R1a")]
    assert np.all(active[:, -1] < active[:, 49])


def test_drug_from_the_start_acts_throughout(patients):
    model = build_network(NetworkConfig(), [DrugConfig(start=0)], np.random.default_rng(1))
    parameters, initial = patients(model, 2)
    names = list(parameter_names(model))
    as_rate = parameters.copy()
    as_rate[:, names.index("Vmax_R1_deactivation")] += (
        500 * parameters[:, names.index("Kw_R1_deactivation_D")]
    )
    as_rate[:, names.index("Kw_R1_deactivation_D")] = 0
    expected = simulate(model, as_rate, initial, CONFIG)
    np.testing.assert_allclose(simulate(model, parameters, initial, CONFIG), expected, rtol=1e-9)


def test_simulate_does_not_depend_on_the_batch(model, patients):
    parameters, initial = patients(model, 2 * LANES + 7)
    together = simulate(model, parameters, initial, CONFIG)
    order = np.random.default_rng(5).permutation(len(initial))
    shuffled = simulate(model, parameters[order], initial[order], CONFIG)
    np.testing.assert_array_equal(shuffled, together[order])
    for patient in (0, LANES - 1, LANES, 2 * LANES + 6):
        alone = simulate(model, parameters[[patient]], initial[[patient]], CONFIG)
        np.testing.assert_array_equal(alone[0], together[patient])


def test_simulate_in_threads_gives_the_same(default_model, patients):
    parameters, initial = patients(default_model, 100)
    expected = simulate(default_model, parameters, initial, CONFIG)
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(simulate, default_model, parameters, initial, CONFIG) for _ in range(4)]
    for run in runs:
        np.testing.assert_array_equal(run.result(), expected)


def test_simulate_takes_read_only_and_fortran_arrays(default_model, patients):
    parameters, initial = patients(default_model, 5)
    expected = simulate(default_model, parameters, initial, CONFIG)
    parameters, initial = np.asfortranarray(parameters), np.asfortranarray(initial)
    parameters.flags.writeable = initial.flags.writeable = False
    np.testing.assert_array_equal(simulate(default_model, parameters, initial, CONFIG), expected)


def test_simulate_does_not_change_its_arguments(default_model, patients):
    parameters, initial = patients(default_model, 5)
    kept = parameters.copy(), initial.copy()
    simulate(default_model, parameters, initial, CONFIG)
    np.testing.assert_array_equal(parameters, kept[0])
    np.testing.assert_array_equal(initial, kept[1])


def test_simulate_takes_no_patients(default_model):
    empty = simulate(
        default_model, np.empty((0, len(nominal_values(default_model)))), np.empty((0, 10)), CONFIG
    )
    assert empty.shape == (0, 20, 100)


def test_simulate_takes_a_species_that_is_absent(default_model, patients):
    parameters, initial = patients(default_model, 1)
    initial[0, default_model.species.index("I1_2")] = 0.0
    trajectory = simulate(default_model, parameters, initial, CONFIG)[0]
    assert np.all(trajectory[default_model.form_names.index("I1_2a")] == 0)
    assert np.isfinite(trajectory).all()


def test_simulate_shifts_with_the_time_span(patients):
    rng = np.random.default_rng(1)
    model = build_network(NetworkConfig(), [DrugConfig(start=500)], rng)
    later = build_network(NetworkConfig(), [DrugConfig(start=300)], rng)
    parameters, initial = patients(model, 3)
    shifted = simulate(later, parameters, initial, SimulationConfig(start=-200, stop=800))
    expected = simulate(model, parameters, initial, CONFIG)
    np.testing.assert_allclose(shifted, expected, rtol=1e-5, atol=1e-5)


def test_simulate_names_the_patient_that_fails(default_model, patients):
    parameters, initial = patients(default_model, 10)
    config = SimulationConfig(max_steps=5)
    with pytest.raises(SimulationError, match=r"Patient 0 .* past time \d\.\d+: it took 5 steps \(10 of 10"):
        simulate(default_model, parameters, initial, config)


def test_simulate_gives_up_on_overflow_without_warning(default_model, patients):
    parameters, initial = patients(default_model, 80)
    parameters[70, list(parameter_names(default_model)).index("Vmax_R2_activation")] = 1e308
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(SimulationError, match=r"Patient 70 .*step size vanished \(1 of 80 patients"):
            simulate(default_model, parameters, initial, CONFIG)


@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0])
def test_simulate_refuses_impossible_initial_concentration(default_model, patients, value):
    parameters, initial = patients(default_model, 4)
    initial[2, 3] = value
    with pytest.raises(SimulationError, match=rf"Patient 2 has I1_1 = {value}"):
        simulate(default_model, parameters, initial, CONFIG)


def test_simulate_refuses_zero_michaelis_constant(default_model, patients):
    parameters, initial = patients(default_model, 4)
    parameters[1, list(parameter_names(default_model)).index("Km_O_activation")] = 0.0
    with pytest.raises(SimulationError, match=r"Patient 1 has Km_O_activation = 0\.0"):
        simulate(default_model, parameters, initial, CONFIG)


def test_simulate_refuses_wrong_shapes(default_model, patients):
    parameters, initial = patients(default_model, 4)
    with pytest.raises(SimulationError, match=r"Parameters have shape \(4, 49\); expected \(n_samples, 50\)"):
        simulate(default_model, parameters[:, :-1], initial, CONFIG)
    with pytest.raises(SimulationError, match="4 parameter sets and 3 sets of initial"):
        simulate(default_model, parameters, initial[:3], CONFIG)


def test_simulate_refuses_drug_outside_the_span(default_model, patients):
    with pytest.raises(SimulationError, match="Drug D starts at 500; expected a time from 0 to before 400"):
        simulate(default_model, *patients(default_model, 1), SimulationConfig(stop=400))


def test_simulate_stays_within_its_cost_budget(default_model, patients):
    config = SimulationConfig(relative_tolerance=1e-6)
    cost = simulate_with_cost(default_model, *patients(default_model, 300), config)[1]
    assert cost.n_evaluations.mean() < 2_300
    assert cost.n_evaluations.max() < 3_600


def test_simulate_works_in_bounded_memory(default_model, patients):
    parameters, initial = patients(default_model, 5_000)
    simulate(default_model, parameters[:1], initial[:1], CONFIG)
    tracemalloc.start()
    trajectories = simulate(default_model, parameters, initial, CONFIG)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.02 * trajectories.nbytes


def test_simulate_cost_does_not_grow_with_stiffness(default_model, patients):
    parameters, initial = patients(default_model, 50)
    rates = [name.startswith(("Vmax", "Kw")) for name in parameter_names(default_model)]
    parameters[:, rates] *= 100
    cost = simulate_with_cost(default_model, parameters, initial, CONFIG)[1]
    assert cost.n_evaluations.mean() < 4_000


def single_receptor(**values):
    """Return a network with an unregulated R1, and a parameter set for one patient."""
    model = build_network(NetworkConfig(n_layers=0, n_cascades=1), [], np.random.default_rng(1))
    parameters = dict(zip(parameter_names(model), nominal_values(model), strict=True)) | values
    return model, np.array([list(parameters.values())])
