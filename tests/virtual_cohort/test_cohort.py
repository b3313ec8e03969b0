"""The cohort: initial concentrations, target, determinism, re-simulation."""

from __future__ import annotations

import numpy as np
import pytest

from lakebatch.errors import ExperimentError
from lakebatch.experiments.virtual_cohort import (
    CohortConfig,
    CohortModelConfig,
    DrugConfig,
    NetworkConfig,
    ParameterConfig,
    distort_parameters,
    generate_cohort,
)
from lakebatch.experiments.virtual_cohort.initial_conditions import draw_initial_concentrations

CONFIG = CohortModelConfig(cohort=CohortConfig(n_samples=20))


def cohort_of(seed=7, **tables):
    return generate_cohort(CONFIG.model_copy(update=tables), np.random.default_rng(seed))


def test_initial_concentrations_fill_every_slice_once():
    values = draw_initial_concentrations(4, ParameterConfig(), 50, np.random.default_rng(1))
    slices = np.floor((values - 200) / 800 * 50)
    np.testing.assert_array_equal(np.sort(slices, axis=0), np.tile(np.arange(50.0)[:, None], 4))
    assert len({tuple(column) for column in slices.T}) == 4


def test_cohort_varies_all_but_the_excluded_layers():
    cohort = cohort_of()
    assert cohort.simulator.input_names == cohort.simulator.model.species[:-1]
    outcome = cohort.time_courses.trajectories()[:, cohort.simulator.form_names.index("O"), 0]
    np.testing.assert_array_equal(outcome, 600.0)
    np.testing.assert_array_equal(cohort.time_courses.trajectories()[:, :9, 0], cohort.initial_concentrations)


def test_cohort_excludes_several_layers():
    cohort = cohort_of(cohort=CohortConfig(n_samples=5, excluded_layers=["I1", "O"]))
    assert cohort.simulator.input_names == ("R1", "R2", "R3", "I2_1", "I2_2", "I2_3")
    assert cohort.initial_concentrations.shape == (5, 6)


def test_cohort_target_is_the_last_active_outcome():
    cohort = cohort_of()
    column = cohort.simulator.form_names.index("Oa")
    np.testing.assert_array_equal(cohort.target, cohort.time_courses.trajectories()[:, column, -1])
    assert cohort.target.std() > 1


def test_cohort_names_every_axis():
    cohort = cohort_of()
    assert cohort.parameters.shape == (20, len(cohort.simulator.parameter_names))
    assert cohort.time_courses.trajectories().shape == (
        20,
        len(cohort.simulator.form_names),
        len(cohort.simulator.times),
    )
    assert set(CONFIG.outcome_forms) < set(cohort.simulator.form_names)


def test_cohort_is_determined_by_its_seed():
    first, again, other = cohort_of(7), cohort_of(7), cohort_of(8)
    np.testing.assert_array_equal(first.time_courses.trajectories(), again.time_courses.trajectories())
    assert not np.array_equal(first.parameters, other.parameters)


def test_cohort_draws_parameters_and_initial_concentrations_apart():
    first = cohort_of()
    wider = cohort_of(parameter_generation=ParameterConfig(param_range=(0.1, 3)))
    fewer = cohort_of(cohort=CohortConfig(n_samples=20, excluded_layers=["I2", "O"]))
    np.testing.assert_array_equal(wider.initial_concentrations, first.initial_concentrations)
    np.testing.assert_array_equal(fewer.parameters, first.parameters)


def test_cohort_draws_the_network_apart():
    drawn = cohort_of(spec=NetworkConfig(n_regs=4))
    edges = [(edge.source, edge.target, edge.direction) for edge in drawn.simulator.model.regulations[9:13]]
    listed = cohort_of(spec=NetworkConfig(custom_regulations=edges))
    assert listed.simulator.model == drawn.simulator.model
    np.testing.assert_array_equal(listed.parameters, drawn.parameters)
    np.testing.assert_array_equal(listed.time_courses.trajectories(), drawn.time_courses.trajectories())


def test_cohort_takes_several_drugs():
    drugs = (DrugConfig(), DrugConfig(name="E", start=700, regulations=[["R2", "down"]]))
    cohort = cohort_of(drug=drugs)
    before, after = cohort.simulator.times < 700, cohort.simulator.times > 720
    column = cohort.simulator.form_names.index("R2a")
    np.testing.assert_allclose(
        cohort.time_courses.trajectories()[:, column, before].max(axis=1)
        > cohort.time_courses.trajectories()[:, column, after].max(axis=1),
        1,
    )


def test_resimulate_without_change_gives_the_same():
    cohort = cohort_of()
    np.testing.assert_array_equal(cohort.resimulate().trajectories(), cohort.time_courses.trajectories())


def test_resimulate_with_distorted_parameters_changes_every_patient():
    cohort = cohort_of()
    distorted = distort_parameters(cohort.parameters, 1.3, np.random.default_rng(1))
    changed = cohort.resimulate(parameters=distorted).trajectories() - cohort.time_courses.trajectories()
    assert np.all(np.abs(changed[:, :, -1]).max(axis=1) > 1e-3)
    np.testing.assert_array_equal(changed[:, :, 0], 0)


def test_resimulate_with_other_initial_concentrations_starts_from_them():
    cohort = cohort_of()
    noisy = cohort.initial_concentrations * 1.1
    trajectories = cohort.resimulate(initial_concentrations=noisy).trajectories()
    np.testing.assert_array_equal(trajectories[:, :9, 0], noisy)
    np.testing.assert_array_equal(trajectories[:, 9, 0], 600.0)


def test_resimulate_refuses_other_columns():
    cohort = cohort_of()
    with pytest.raises(ExperimentError, match=r"shape \(20, 8\); expected \(n_samples, 9\)"):
        cohort.resimulate(initial_concentrations=cohort.initial_concentrations[:, :8])
