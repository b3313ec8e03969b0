"""Patients of a custom model, held against a fresh libRoadRunner that loaded each patient's values."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest

from lakebatch.errors import ConfigError
from lakebatch.experiment import config as configs
from lakebatch.experiment import registry
from lakebatch.experiments.virtual_cohort import SbmlConfig, SimulationConfig
from lakebatch.experiments.virtual_cohort.sbml_model import load_model
from lakebatch.experiments.virtual_cohort.sbml_simulator import build_sbml_simulator

SPAN = {"stop": 10.0, "n_points": 11, "relative_tolerance": 1e-10, "absolute_tolerance": 1e-12}
# %(name)s is written by `written`
VOLUME = """model pk()
  compartment V = 0.05 * BW; compartment W = 2; compartment U = 3; compartment X; X := 0.1 * BW;
  species A in V, B in V, C in V, $F in V, G in W, H in X, I in U;
  A = %(A)s; B = 7; C = 5 / V; F = 3; G = 4; H = 6; I = 2;
  BW = %(BW)s; k = %(k)s;
  A -> B; V * k * A * F; C -> ; V * k * C; H -> ; X * k * H; I -> ; U * k * I;
  G' = -0.1 * G * BW / 70;
  at (time >= 0), t0 = false: U = 2 * U;
  at (time >= 6): W = 5;
end
"""

DOSE = """model dosed()
  compartment V = 0.05 * BW; species A in V, B in V, $F in V;
  A = %(A)s; B = 0; F = %(F)s; dose = %(dose)s; dose' = -0.5 * dose; BW = %(BW)s; k = %(k)s;
  -> A; V * 0.5 * dose; A -> B; V * k * A * F;
end
"""


def simulator_of(text, **config):
    """Return the simulator of a model with tight tolerances."""
    return build_sbml_simulator(SbmlConfig(model=text, **{"outcome": "B"} | config), SimulationConfig(**SPAN))


def written(text, values):
    """Return the time courses of a fresh libRoadRunner that loaded the text with these values."""
    runner = load_model(text % values).runner
    runner.integrator.relative_tolerance, runner.integrator.absolute_tolerance = 1e-10, 1e-12
    runner.timeCourseSelections = [f"[{name}]" for name in runner.model.getFloatingSpeciesIds()]
    return np.array(runner.simulate(0, 10, 11)).T


def patients_of(simulator, n_patients=4):
    """Return parameters and inputs around the model's values, and the patients as values by name."""
    rng = np.random.default_rng(5)
    parameters = rng.uniform(0.5, 2, (n_patients, len(simulator.parameter_names)))
    parameters *= [simulator.model.parameters[name] for name in simulator.parameter_names]
    inputs = rng.uniform(0.5, 2, (n_patients, len(simulator.input_names)))
    known = {**simulator.model.initial_concentrations, **simulator.model.other_inputs}
    inputs *= [known[name] for name in simulator.input_names]
    names = (*simulator.parameter_names, *simulator.input_names)
    rows = np.hstack([parameters, inputs]).tolist()
    return parameters, inputs, [dict(zip(names, map(repr, row), strict=True)) for row in rows]


# the volume follows from a dose, and another one from a concentration
DEPENDENT = """model dependent()
  dose = %(dose)s; dose' = 0.1; compartment U = 2, V, W; V := dose * BW; W := 0.3 * F; BW = %(BW)s;
  species $F in U, A in V, B in V, C in W; F = %(F)s; A = %(A)s; B = 5; C = %(C)s;
  A -> B; V * k * A; C -> ; W * k * C; k = %(k)s;
end
"""


@pytest.mark.parametrize(
    ("text", "inputs"),
    [(VOLUME, ("A",)), (DOSE, ("dose", "F", "A")), (DEPENDENT, ("A", "C", "F", "dose"))],
)
def test_patients_in_any_order_equal_a_fresh_runner(text, inputs):
    nominal = {"A": 100, "BW": 70, "k": 0.1, "dose": 5, "F": 3, "C": 4}
    simulator = simulator_of(text % nominal, inputs=inputs)
    parameters, inputs, patients = patients_of(simulator)
    expected = np.array([written(text, values) for values in patients])
    for order in ([0, 1, 2, 3], [3, 1, 0, 2], [2]):
        courses = simulator.simulate(parameters[order], inputs[order])
        np.testing.assert_allclose(courses.values, expected[order], rtol=1e-6, atol=1e-6)


def test_parameter_that_nothing_changes_varies_whatever_its_attribute_says():
    text = "A -> B; k * s * A; A = 8; B = 0; k = 0.1; s = 1; r = 1; r' = 0; u = 1; at (time > 1): u = 2;"
    text += " var k, s"
    stimulus = {"parameter": "s", "before": 1, "after": 1, "onset": 5}
    assert simulator_of(text).parameter_names == ("k", "s")
    simulator = simulator_of(text, stimulus=stimulus)
    assert simulator.parameter_names == ("k",)
    courses = simulator.simulate(np.array([[0.3]]), np.array([[4.0]]))
    np.testing.assert_allclose(courses.values[0, 0], 4 * np.exp(-0.3 * np.arange(11)), rtol=1e-6)


@pytest.mark.parametrize(("levels", "refused"), [("[0, 3]", True), ("[0]", False)])
def test_distortion_of_no_parameter_is_refused_before_the_start(levels, refused):
    source = registry.get("parameter-distortion")
    experiment = registry.load(source)
    settings = [f"levels={levels}", "sbml.model=A -> B; A; A = 1; B = 0", "sbml.outcome=B"]
    config = configs.resolve(source, experiment, settings=settings).model
    with pytest.raises(ConfigError, match="No parameter of the model varies") if refused else nullcontext():
        experiment.parts(config)


def test_ids_that_are_names_of_methods_are_ids():
    names = ("reset", "simulate", "integrator", "resetAll", "getValue", "setValue", "getModel", "selections")
    text = f"A -> B; reset * A; A = 8; B = 0; {'; '.join(f'{name} = 1' for name in names)}"
    patient = np.array([[0.1] + [1.0] * (len(names) - 1)]), np.array([[8.0]])
    simulator = simulator_of(text, parameters=names)
    expected = 8 * np.exp(-0.1 * np.arange(11))
    np.testing.assert_allclose(simulator.simulate(*patient).values[0, 0], expected, rtol=1e-6)
    simulator_of("A -> B; k * A; A = 8; B = 0; k = 1")
    np.testing.assert_allclose(simulator.simulate(*patient).values[0, 0], expected, rtol=1e-6)


TRIGGERED = """species A, B; A = %(A)s; B = 0; A -> B; k * s * A; k = 0.1; s = 1;
at (s > 1.5): B = B + 100; at (time > 7): A = A + 10"""


@pytest.mark.parametrize("onset", [0.0, 5.0, 4.3])
def test_stimulus_triggers_the_events_of_the_model(onset):
    stimulus = {"parameter": "s", "before": 1, "after": 2, "onset": onset}
    simulator = simulator_of(TRIGGERED % {"A": 10}, stimulus=stimulus, parameters=("k",))
    courses = simulator.simulate(np.array([[0.1], [0.1]]), np.array([[10.0], [20.0]]))
    text = TRIGGERED % {"A": 20} + f"; at (time >= {onset}), t0 = false: s = 2"
    np.testing.assert_allclose(courses.values[1], written(text, {}), rtol=1e-6, atol=1e-6)
    assert courses.values[0, 1, -1] > 100


def test_stimulus_that_cannot_trigger_events_is_refused():
    stimulus = {"parameter": "s", "before": 1, "after": 2, "onset": 2}
    config = SbmlConfig(model=TRIGGERED % {"A": 10}, outcome="B", stimulus=stimulus)
    with pytest.raises(ConfigError, match=r"'simulation\.start' is 1, and the model has events"):
        build_sbml_simulator(config, SimulationConfig(**SPAN | {"start": 1}))
    event = (
        '<event><trigger><math xmlns="http://www.w3.org/1998/Math/MathML"><true/></math></trigger></event>'
    )
    head = '<sbml xmlns="http://www.sbml.org/sbml/level2/version4" level="2" version="4"><model>'
    body = (
        '<listOfCompartments><compartment id="c" size="1"/></listOfCompartments><listOfSpecies><species id="B" '
        'compartment="c" initialConcentration="1"/></listOfSpecies><listOfParameters><parameter id="s" value="1"/>'
        f"</listOfParameters><listOfEvents>{event}</listOfEvents></model></sbml>"
    )
    with pytest.raises(ConfigError, match=r"it has several events in SBML level 2, the stimulus included"):
        simulator_of(head + body, inputs=("B",), stimulus=stimulus)
    assert simulator_of(head + body, inputs=("B",)).parameter_names == ("s",)
    with pytest.raises(ConfigError, match=r"it has several events in SBML level 2"):
        simulator_of(head + body.replace(event, event + event), inputs=("B",))


TIED = "B -> ; 0 * B; A -> ; p * A; A = 1; B = 1; p = 0; at (time > 5){0}: B = B + 1; at (time > 5){1}: B = 3 * B"


def test_events_at_the_same_time_are_executed_in_their_order():
    patients = np.zeros((8, 1)), np.ones((8, 1))
    for text, last in [
        (TIED.format("", ""), 3),
        (TIED.format("", ", priority = 1"), 2),
        (TIED.format(", priority = 1", ", priority = 2"), 2),
        (TIED.format(", priority = 1", ", priority = 1"), 3),
        (TIED.format(", priority = -2e9", ""), 3),
        (TIED.format(", priority = p + 2", ", priority = 2"), 3),
        (TIED.format(", priority = 2 * B", ", priority = 3 * B"), 2),
    ]:
        courses = simulator_of(text, inputs=("A",), parameters=("p",)).simulate(*patients)
        assert courses.last("B").tolist() == [last] * 8


@pytest.mark.parametrize(("features", "refused"), [("false", True), ("true", False)])
def test_model_of_nothing_but_an_excluded_outcome_is_refused(features, refused):
    source = registry.get("response-noise")
    experiment = registry.load(source)
    settings = ["sbml.model=B -> ; k * B; B = 1; k = 1", "sbml.outcome=B", 'sbml.inputs=["B"]']
    settings.append(f"evaluation.outcome_features={features}")
    config = configs.resolve(source, experiment, settings=settings).model
    with pytest.raises(ConfigError, match="no species but the outcome, B") if refused else nullcontext():
        experiment.parts(config)
