"""The default tolerances keep the values of custom models to 1e-5, whatever their units and their course."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import expm
from written_models import fresh, sbml_of, written

from lakebatch.errors import SimulationError
from lakebatch.experiment import config as configs
from lakebatch.experiment import registry
from lakebatch.experiments.virtual_cohort import SbmlConfig, SimulationConfig
from lakebatch.experiments.virtual_cohort.sbml_config import TOLERANCES
from lakebatch.experiments.virtual_cohort.sbml_simulator import build_sbml_simulator

UNITS = [1e-9, 1.0, 1e9]


def courses_of(text, patient, stop, n_points=11):
    """Return the time courses of one patient by species; its values are given by name."""
    names = tuple(patient)
    inputs = tuple(name for name in names if name.isupper())
    parameters = tuple(name for name in names if name not in inputs)
    span = SimulationConfig(stop=stop, n_points=n_points, **TOLERANCES)
    config = SbmlConfig(model=text, outcome="B", inputs=inputs, parameters=parameters)
    simulator = build_sbml_simulator(config, span)
    rows = [np.array([[patient[name] for name in each]]) for each in (parameters, inputs)]
    values = simulator.simulate(*rows).values[0]
    return dict(zip(simulator.form_names, values.astype(float), strict=True))


def assert_close(values, expected):
    """Check the promise: 1e-5 of each value, or of 1e-9 of the largest (float32 ends at 1e-38)."""
    error = np.abs(values - expected)
    allowed = 1e-5 * (np.abs(expected) + 1e-9 * np.abs(expected).max())
    assert (error <= allowed).all(), (error / allowed).max()


def test_a_custom_model_has_its_own_default_tolerances():
    source = registry.get("response-noise")
    experiment = registry.load(source)
    model = ["sbml.model=A -> B; k * A; A = 1; B = 0; k = 1", "sbml.outcome=B"]
    for settings, relative, absolute in [
        ([], 2e-7, 1e-7),
        (model, 1e-10, 1e-15),
        ([*model, "simulation.relative_tolerance=1e-6"], 1e-6, 1e-15),
    ]:
        config = configs.resolve(source, experiment, settings=settings).model
        simulation = config.simulation
        assert (simulation.relative_tolerance, simulation.absolute_tolerance) == (relative, absolute)
        assert configs.from_record(experiment.config_model, config.model_dump(mode="json")) == config


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("volume", [1e-12, 1.0])
def test_stiff_cycle_in_any_unit(unit, volume):
    text = (
        f"compartment c = {volume}; A in c; B in c; C in c; A -> B; c * k * A; B -> C; c * 3000 * B; C -> A; c * C; "
        f"A = {unit}; B = 0; C = 0; k = 0.001; P = {unit}; P' = -0.1 * P; Q = 0; Q' = 1 / {unit}"
    )
    change = np.array([[-0.001, 0, 1], [0.001, -3000, 0], [0, 3000, -1]])
    expected = np.array([unit * expm(change * time)[:, 0] for time in np.arange(11)]).T
    courses = courses_of(text, {"A": unit, "k": 0.001}, 10)
    for name, course in zip("ABC", expected, strict=True):
        assert_close(courses[name], course)


@pytest.mark.parametrize("unit", UNITS)
def test_late_rise_by_fifteen_decades(unit):
    rise = 1e-15 * np.exp(1.1 * np.arange(0, 31, 3))
    text = f"A -> 2 A; k * A * (1 - A / {unit}); -> B; k * B; k = 1; A = {1e-15 * unit}; B = {1e-15 * unit}"
    courses = courses_of(text, {"A": 1e-15 * unit, "B": 1e-15 * unit, "k": 1.1}, 30)
    assert_close(courses["B"], unit * rise)
    np.testing.assert_allclose(courses["A"], unit * rise / (1 - 1e-15 + rise), rtol=1e-5)
    np.testing.assert_allclose(courses["B"], unit * rise, rtol=1e-5)


@pytest.mark.parametrize("unit", UNITS)
def test_variable_that_only_a_patient_has(unit):
    text = f"A -> ; k * A; A = {unit}; k = 0.1; p = 1; at (time > 2 && p > 1.5): B = 1e-9; B = 0; B -> C; B; C = 0"
    courses = courses_of(text, {"A": unit, "k": 0.1, "p": 2.0}, 10)
    times = np.maximum(np.arange(11) - 2.0, 0.0)
    expected = np.where(times > 0, 1e-9 * np.exp(-times), 0.0)
    np.testing.assert_allclose(courses["B"], expected, rtol=1e-5)
    np.testing.assert_allclose(courses["C"], np.where(times > 0, 1e-9 - expected, 0.0), rtol=1e-5)


@pytest.mark.parametrize("patient", [1e-6, 1e6])
def test_variable_whose_size_is_a_patients(patient):
    text = "-> B; q * A; B -> ; k * B; A = 1; B = 0; k = 0.5; q = 1; A -> ; 0 * A"
    courses = courses_of(text, {"A": patient, "q": patient, "k": 0.5}, 10)
    assert_close(courses["B"], patient**2 * (1 - np.exp(-0.5 * np.arange(11))) / 0.5)


ROBERTSON = "A -> B; 0.04 * A; B -> A; k * B * C; 2 B -> B + C; 3e7 * B * B; A = 1; B = 0; C = 0; k = 1e4"
BRUSSELATOR = "-> B; a; B -> ; 3 * B; 2 B + C -> 3 B; B * B * C; B -> C; b * B; B -> B; B; a = 0.4; b = 1.2; B = 1; C = 1"
HUNTERS = "B -> 2 B; B; B + C -> 2 C; k * B * C; C -> ; C; B = 10; C = 5; k = 0.1"
SWITCH = (
    "B = 1e-9; B -> ; B; A = 1e-9; A -> ; A; C = 0; C -> ; C; k = 1; at (time > 6): B = 1000 * k; "
    "at (B > 500): C = 1e-6 + C"
)


@pytest.mark.parametrize(
    ("text", "patient", "stop"),
    [
        (ROBERTSON, {"A": 2.0, "k": 2e4}, 1e5),
        (BRUSSELATOR, {"B": 1.5, "C": 0.5, "a": 1.0, "b": 3.0}, 100),
        (HUNTERS, {"B": 20.0, "C": 3.0, "k": 0.15}, 60),
        (SWITCH, {"A": 2e-9, "k": 2.0}, 10),
    ],
    ids=["stiff", "oscillator", "hunters", "switch"],
)
def test_default_tolerances_hold_against_far_tighter_ones(text, patient, stop):
    courses = courses_of(text, patient, stop, 51)
    exact = fresh(written(sbml_of(text), patient), list(courses), np.linspace(0, stop, 51), 1e-12, 1e-30)
    for course, expected in zip(courses.values(), exact, strict=True):
        assert_close(course, expected)


@pytest.mark.parametrize(("nominal", "start", "attempts"), [(0.0, 0, 2), (1.0, 0, 1), (1.0, 1e-12, 1)])
def test_jump_of_a_variable_that_is_still_small_is_integrated(nominal, start, attempts):
    """With the tolerance of a variable of unknown size, no step passes the jump."""
    text = f"p = {nominal}; A = 1; A -> ; 0.1 * A; B = {start}; -> B; piecewise(p, time > 5.05, 0)"
    span = SimulationConfig(stop=10, n_points=3, max_steps=3000, **TOLERANCES)
    config = SbmlConfig(model=text, outcome="B", inputs=("A",), parameters=("p",))
    simulator = build_sbml_simulator(config, span)
    assert len(simulator.tolerances) == attempts
    sizes = np.array([[0.0], [2.0], [0.0], [3.0]])
    courses = simulator.simulate(sizes, np.ones((4, 1)))
    np.testing.assert_allclose(courses.last("B"), start + 4.95 * sizes[:, 0], rtol=1e-5)
    again = simulator.simulate(sizes[[3, 0]], np.ones((2, 1)))
    np.testing.assert_array_equal(again.values, courses.values[[3, 0]])


def test_value_that_single_precision_does_not_hold_is_refused():
    text = "A -> 2 A; k * A; A = 1; k = 1; -> B; 0 * A; B = 1"
    config = SbmlConfig(model=text, outcome="B", inputs=("A",))
    simulator = build_sbml_simulator(config, SimulationConfig(stop=10, n_points=3, **TOLERANCES))
    with pytest.raises(
        SimulationError, match="Patient 0 has a concentration that is not finite, or above 3e38"
    ):
        simulator.simulate(np.array([[9.5]]), np.ones((1, 1)))
