"""Random custom models: patients equal a fresh libRoadRunner that loaded the model with their values."""

from __future__ import annotations

import numpy as np
from differential import check, reason_of
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from random_models import random_model
from written_models import fresh, sbml_of, written

from lakebatch.experiments.virtual_cohort import SbmlConfig, SimulationConfig
from lakebatch.experiments.virtual_cohort.sbml_config import TOLERANCES
from lakebatch.experiments.virtual_cohort.sbml_simulator import build_sbml_simulator

REFUSED = (
    "Unable to support algebraic rules",
    "Unable to support delay differential equations",
    "Unable to support 'fast' reactions",
    "recursive assignment rule or function detected",
    "A stoichiometry of the model follows from",
    "it has several events in SBML level 2",
    "which something else is called; give one of them another id",
    # where libRoadRunner itself is wrong or cannot do it, with the values in the document
    "Unable to calculate rateOf",
    "a patient cannot be integrated",
    "libRoadRunner differs from itself",
    "libRoadRunner takes a parameter of another reaction",
)


@settings(
    max_examples=80,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(rnd=st.randoms(use_true_random=True))
def test_patients_of_random_models_equal_a_fresh_runner(rnd):
    """`python tests/virtual_cohort/differential.py 2000` checks more of them."""
    outcome = check(random_model(rnd))
    assert "\n" not in outcome
    assert outcome == "agrees" or any(reason in outcome for reason in REFUSED), reason_of(outcome)


NESTED = """
model organ()
  compartment V = 0.1 * weight; species Z in V; Z = 4; weight = 2; k = 0.3;
  out: Z -> ; V * k * Z; at (Z < 1): Z = Z + weight;
end
model pair()
  left: organ(); right: organ(); left.k = 0.5; q = 0.2; species X; X = 3; left.V is right.V;
  X -> left.Z; q * X;
end
model whole()
  p: pair(); compartment d = 2; species B in d; B = 1; r = 0.1; p.right.weight = 3; p.X -> B; r * p.X;
end
"""


def test_patients_of_nested_submodels_equal_a_fresh_runner():
    config = SbmlConfig(model=NESTED, outcome="B", inputs=("p_X", "p_left_Z", "B"))
    simulator = build_sbml_simulator(config, SimulationConfig(stop=6, n_points=7, **TOLERANCES))
    names = (*simulator.parameter_names, *simulator.input_names)
    assert {"p_left_weight", "p_left_k", "p_right_k", "p_right_weight", "p_q", "r"} == {
        *simulator.parameter_names
    }
    rows = np.random.default_rng(1).uniform(0.5, 2, (3, len(names)))
    courses = simulator.simulate(rows[:, :-3], rows[:, -3:]).values
    sbml = written(sbml_of(NESTED), dict(zip(names, rows[2], strict=True)))
    np.testing.assert_allclose(courses[2], fresh(sbml, simulator.form_names, range(7)), rtol=1e-5)
