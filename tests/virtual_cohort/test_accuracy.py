"""The simulation against independent solvers of independently written equations."""

from __future__ import annotations

from itertools import pairwise

import antimony
import numpy as np
import pytest
import roadrunner
from scipy.integrate import solve_ivp

from lakebatch.experiments.virtual_cohort import SimulationConfig, parameter_names, simulate
from lakebatch.experiments.virtual_cohort.antimony import to_antimony
from lakebatch.experiments.virtual_cohort.simulation import time_points

CONFIG = SimulationConfig()


@pytest.mark.parametrize("method", ["DOP853", "LSODA"])
def test_simulate_agrees_with_independent_solver(model, patients, method):
    parameters, initial = patients(model, 2)
    trajectories = simulate(model, parameters, initial, CONFIG)
    for patient in range(2):
        expected = reference_trajectory(model, parameters[patient], initial[patient], method)
        assert error_in_tolerances(trajectories[patient], expected) < 10


def test_simulate_agrees_with_roadrunner_between_onsets(model, patients):
    parameters, initial = patients(model, 3)
    times = time_points(CONFIG)
    trajectories = simulate(model, parameters, initial, CONFIG)
    for patient in range(3):
        result = run_roadrunner(to_antimony(model, parameters[patient], initial[patient]), model.form_names)
        before = times < min([drug.start for drug in model.drugs], default=np.inf)
        assert error_in_tolerances(trajectories[patient][:, before], result[:, before]) < 10
        np.testing.assert_allclose(trajectories[patient], result, rtol=1e-3, atol=1e-3)


def test_simulate_gets_more_accurate_with_the_tolerance(default_model, patients):
    parameters, initial = patients(default_model, 1)
    expected = reference_trajectory(default_model, parameters[0], initial[0], "LSODA")
    errors = []
    for tolerance in (1e-3, 1e-5, 1e-7):
        config = SimulationConfig(relative_tolerance=tolerance, absolute_tolerance=tolerance)
        trajectory = simulate(default_model, parameters, initial, config)[0]
        errors.append(np.abs(trajectory - expected).max())
    assert errors[1] < errors[0] / 10
    assert errors[2] < errors[1] / 10


def error_in_tolerances(trajectory, expected):
    """Return the largest error over all forms and times, in units of the tolerance."""
    allowed = 1e-7 + 1e-6 * np.abs(expected)
    return np.max(np.abs(trajectory - expected) / allowed)


def run_roadrunner(text, forms):
    """Return the forms that libRoadRunner computes, shape (n_forms, n_times)."""
    antimony.clearPreviousLoads()
    assert antimony.loadAntimonyString(text) != -1, antimony.getLastError()
    runner = roadrunner.RoadRunner(antimony.getSBMLString("virtual_patient"))
    runner.integrator.relative_tolerance = 1e-10
    runner.integrator.absolute_tolerance = 1e-12
    runner.integrator.maximum_num_steps = 100_000
    runner.timeCourseSelections = [f"[{form}]" for form in forms]
    return np.array(runner.simulate(CONFIG.start, CONFIG.stop, CONFIG.n_points)).T


def reference_trajectory(model, parameters, initial, method):
    """Return one patient's forms, every X and then every Xa, from a scipy solver."""
    values = dict(zip(parameter_names(model), parameters, strict=True))
    times = time_points(CONFIG)
    bounds = [times[0], *sorted({drug.start for drug in model.drugs}), times[-1]]
    active, pieces = np.zeros(len(model.species)), []
    for begin, end in pairwise(bounds):
        doses = {drug.name: drug.dose if drug.start <= begin else 0.0 for drug in model.drugs}
        inside = times[(times >= begin) & (times < end)]
        solution = solve_ivp(
            change,
            (begin, end),
            active,
            method=method,
            t_eval=np.append(inside, end),
            rtol=1e-11,
            atol=1e-11,
            max_step=1.0,  # an explicit method at its limit of stability interpolates badly
            args=(model, values, initial, doses),
        )
        pieces.append(solution.y[:, :-1])
        active = solution.y[:, -1]
    xa = np.column_stack([*pieces, active])
    return np.concatenate([initial[:, np.newaxis] - xa, xa])


def change(_, active, model, values, initial, doses):
    """Return d(Xa)/dt of every species, one reaction at a time."""
    acting = {**dict(zip(model.species, active, strict=True)), **doses}
    rates = []
    for species, total, xa in zip(model.species, initial, active, strict=True):
        x = total - xa
        edges = [edge for edge in model.regulations if edge.target == species]
        up = [edge.source for edge in edges if edge.direction == "up"]
        down = [edge.source for edge in edges if edge.direction == "down"]
        forward = values[f"Vmax_{species}_activation"]
        forward += sum(values[f"Kw_{species}_activation_{name}"] * acting[name] for name in up)
        denominator = values[f"Km_{species}_activation"] + x
        backward = values[f"Vmax_{species}_deactivation"]
        if model.down_regulation == "allosteric":
            denominator *= 1 + sum(values[f"Kil_{species}_activation_{name}"] * acting[name] for name in down)
        else:
            backward += sum(values[f"Kw_{species}_deactivation_{name}"] * acting[name] for name in down)
        rates.append(forward * x / denominator - backward * xa / (values[f"Km_{species}_deactivation"] + xa))
    return np.array(rates)


def test_default_tolerance_keeps_every_value_of_many_patients_to_1e_5(model, patients):
    parameters, initial = patients(model, 800)
    tight = SimulationConfig(relative_tolerance=1e-11, absolute_tolerance=1e-13)
    exact = simulate(model, parameters, initial, tight)
    values = simulate(model, parameters, initial, CONFIG)
    assert (np.abs(values - exact) <= 1e-5 * exact + 1e-9 * exact.max()).all()
