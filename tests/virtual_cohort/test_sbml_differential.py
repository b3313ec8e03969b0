"""Random custom models: patients equal a fresh libRoadRunner that loaded the model with their values."""

from __future__ import annotations

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from lakebatch.experiments.virtual_cohort import SbmlConfig, SimulationConfig, StimulusConfig
from lakebatch.experiments.virtual_cohort.sbml_model import load_model
from lakebatch.experiments.virtual_cohort.sbml_simulator import build_sbml_simulator

SPAN = {"stop": 6.0, "n_points": 7, "relative_tolerance": 1e-9, "absolute_tolerance": 1e-9}
PARAMETERS = ("p", "q", "r")
ONSET = "at (time >= 2.5), t0 = false: dose = 2"

VOLUMES = (
    "V = 2",
    "V = 0.5 * p",
    "V = p + q",
    "V := 1 + 0.5 * p",
    "V := 1 + q * q; var q",
    "V = p; V' = 0.1 * r",
    "V = 1; at (time > 3.3): V = V + p",
    "V = p; at (time >= 0), t0 = false: V = 2 * V",
)
SPECIES = (
    "{0} = 3",
    "{0} = 4 / V",
    "{0} = 2 * p + S",
    "{0} = 1; at (S < 0.8): {0} = {0} + p",
    "{0} = 1; at 0.5 after (time > 1.2): {0} = {0} * q + 1",
)
ALONE = ("C = 3; C' = -0.1 * C * q", "C := S + p", "$C = 5", "C = 5 / W", "C = p")
REACTIONS = (
    "S -> ; V * p * S",
    "S -> A; V * q * S / (1 + S)",
    "A -> S; W * r * A",
    "A -> 2 B; half(W * A, p)",
    "B -> ; W * dose * B",
    "S + A -> B; W * 0.1 * S * A",
    "-> S; W * drive * q * C",
    "B -> n A; W * B; n := p",
)
OTHERS = (
    "drive := 0.2 * p * time",
    "drive = p * q",
    "drive = 1; drive' = -0.3 * drive * r",
    "drive = 0.1; at (dose > 1.5): drive = drive + q",
    "drive = piecewise(1, time < 2, p)",
    "drive = 0.5; at (S > 1), t0 = false: drive = 0; at (time > 4): drive = 2 * r, q2 = 1; q2 = 0",
)


@st.composite
def models(draw):
    """Draw the text of a model; %(name)s stands for the values of patients."""
    reactions = draw(st.lists(st.sampled_from(REACTIONS), min_size=2, max_size=5, unique=True))
    lines = [
        "compartment V, W; W = 3",
        "species S in V, A in W, B in W, C in V",
        "S = %(S)s; p = %(p)s; q = %(q)s; r = %(r)s; dose = %(dose)s",
        draw(st.sampled_from(VOLUMES)),
        draw(st.sampled_from(VOLUMES)).replace("V", "W").replace("W = 3", "W = 2"),
        draw(st.sampled_from(SPECIES)).format("A"),
        draw(st.sampled_from(SPECIES)).format("B"),
        draw(st.sampled_from(ALONE)),
        draw(st.sampled_from(OTHERS)),
        *reactions,
    ]
    return "function half(x, y)\n x * y / 2\nend\nmodel m()\n" + ";\n".join(lines) + ";\n%(onset)s\nend\n"


NOMINAL = {"S": 2.0, "p": 1.0, "q": 0.7, "r": 0.4, "dose": 1.0, "onset": ""}


def fresh(text, values):
    """Return the time courses of a fresh libRoadRunner that loaded these values and the stimulus."""
    runner = load_model(text % {**NOMINAL, **values}).runner
    runner.integrator.relative_tolerance, runner.integrator.absolute_tolerance = 1e-9, 1e-12
    runner.timeCourseSelections = [f"[{name}]" for name in runner.model.getFloatingSpeciesIds()]
    return np.array(runner.simulate(0, 6, 7)).T


@settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(text=models(), stimulus=st.booleans(), seed=st.integers(0, 100))
def test_patients_in_any_order_equal_a_fresh_runner(text, stimulus, seed):
    config = {"inputs": ("S",), "parameters": PARAMETERS, "outcome": "S"}
    if stimulus:
        config["stimulus"] = StimulusConfig(parameter="dose", before=1.0, after=2.0, onset=2.5)
    simulator = build_sbml_simulator(SbmlConfig(model=text % NOMINAL, **config), SimulationConfig(**SPAN))
    rows = np.random.default_rng(seed).uniform(0.5, 1.5, (3, 4)) * [2.0, 1.0, 0.7, 0.4]
    courses = simulator.simulate(rows[:, 1:], rows[:, :1]).values
    order = [2, 0, 1]
    np.testing.assert_array_equal(simulator.simulate(rows[order, 1:], rows[order, :1]).values, courses[order])
    for patient, row in enumerate(rows):
        values = dict(zip(("S", *PARAMETERS), map(repr, row.tolist()), strict=True))
        expected = fresh(text, values | {"onset": ONSET if stimulus else ""})
        np.testing.assert_allclose(courses[patient], expected, rtol=1e-5, atol=1e-6)
