"""Patients of custom models that cannot be integrated: named or dropped, with no line of the solver on the terminal."""

import os

import numpy as np
import pytest

import lakebatch
from lakebatch.errors import SimulationError
from lakebatch.experiments.virtual_cohort import SbmlConfig, SimulationConfig
from lakebatch.experiments.virtual_cohort.sbml_simulator import build_sbml_simulator

FAILING = """model q
  species A, B; A = 10; B = 0; p = 1; k = 0.1
  J: A -> B; piecewise(k / (A - A), p > 1.2, k * A)
end
"""
"""CVODE writes a warning of a step size of 0 for each patient with p > 1.2."""


@pytest.fixture(scope="module")
def simulator():
    return build_sbml_simulator(
        SbmlConfig(model=FAILING, outcome="B"), SimulationConfig(stop=10.0, n_points=5)
    )


def test_solver_writes_no_line_and_its_reason_is_the_patients(simulator, capfd):
    with pytest.raises(SimulationError) as failure:
        simulator.simulate(np.array([[1.0, 0.1], [1.5, 0.1]]), np.array([[7.0], [8.5]]))
    assert str(failure.value).startswith("Patient 1 could not be integrated: CVODE Error: CV_CONV_FAILURE")
    assert " (at time 0). It has A = 8.5, p = 1.5, k = 0.1. Raise" in str(failure.value)
    assert capfd.readouterr() == ("", "")


def test_place_for_solver_lines_that_a_user_has_set_is_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("SUNLOGGER_ERROR_FILENAME", str(tmp_path / "solver.log"))
    config, span = SbmlConfig(model=FAILING, outcome="B"), SimulationConfig(stop=10.0, n_points=5)
    build_sbml_simulator(config, span).simulate(np.array([[1.5, 0.1]]), np.array([[7.0]]), drop=True)
    assert (tmp_path / "solver.log").exists()
    assert os.environ["SUNLOGGER_ERROR_FILENAME"] == str(tmp_path / "solver.log")
    assert "SUNLOGGER_WARNING_FILENAME" not in os.environ


def test_dropped_patient_does_not_affect_the_others(simulator):
    parameters, inputs = np.array([[1.0, 0.1], [1.5, 0.1], [0.7, 0.2]]), np.array([[7.0], [8.5], [9.0]])
    courses = simulator.simulate(parameters, inputs, drop=True)
    assert list(courses.failures) == [1]
    assert courses.failures[1].startswith("could not be integrated: CVODE Error: CV_CONV_FAILURE")
    assert np.isnan(courses.values[1]).all()
    alone = simulator.simulate(parameters[[2, 0]], inputs[[2, 0]]).values
    np.testing.assert_array_equal(courses.values[[2, 0]], alone)


def test_worker_process_writes_no_line_of_the_solver(tmp_path, capfd):
    (tmp_path / "failing.ant").write_text(FAILING)
    (tmp_path / "config.toml").write_text(
        'levels = [0]\n[sbml]\nmodel = "file:failing.ant"\noutcome = "B"\n'
        "[simulation]\nstop = 10.0\nn_points = 5\n"
        '[cohort]\nn_samples = 40\non_failure = "drop"\n'
        '[evaluation]\nn_reps = 1\nmodels = ["linear_regression"]\nfeature_sets = ["initial"]\n'
    )
    lake = lakebatch.open_lake(tmp_path / "lake")
    ended = lakebatch.run(lake, "response-noise", config=tmp_path / "config.toml", seed=3, jobs=2)
    assert 0 < ended.dropped_samples.samples < ended.dropped_samples.of == 40
    assert "CV_CONV_FAILURE" in ended.dropped_samples.why
    assert capfd.readouterr() == ("", "")
