"""Custom models in SBML or Antimony, in place of the built-in network."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import lakebatch
from lakebatch.errors import ConfigError, ExperimentError, SimulationError
from lakebatch.experiment import config as configs
from lakebatch.experiment import registry
from lakebatch.experiment.config import from_record
from lakebatch.experiments.prediction.evaluation import evaluate
from lakebatch.experiments.prediction.feature_sets import FeatureSet
from lakebatch.experiments.virtual_cohort import (
    CohortModelConfig,
    ParameterConfig,
    SbmlConfig,
    SimulationConfig,
    StimulusConfig,
    generate_cohort,
    parameter_names,
    simulate,
    to_antimony,
)
from lakebatch.experiments.virtual_cohort.sbml_config import model_text, shipped_models
from lakebatch.experiments.virtual_cohort.sbml_model import load_model
from lakebatch.experiments.virtual_cohort.sbml_simulator import build_sbml_simulator
from lakebatch.runner.check import CheckConfig, check_repeatable

HIGH = {"response-noise": 0.5, "expression-noise": 1.0, "parameter-distortion": 3.0}
SMALL = ("cohort.n_samples=25", "evaluation.n_reps=2", 'evaluation.models=["linear_regression"]')
VOLATILE = ("fit_seconds", "recorded_at", "assembly_id", "part")
MAPK_CASCADE = {"model": "kholodenko2000", "outcome": "MAPK_PP"}
EXACT = {"relative_tolerance": 1e-10, "absolute_tolerance": 1e-12}
DECAY = "model decay()\n  species A, B; A = 8; B = 0; k = 0.1; dose = 0;\n  A -> B; dose * k * A;\nend\n"
DERIVED = """model derived()
  compartment cell = 2;
  species A in cell, B in cell, T in cell, $F in cell;
  A = 3; F = 1; k = 0.1; twice = 2 * k; B = 10 * twice + A; T := A + B;
  clock = 1; clock' = 0.5; half := k / 2; switched = 0;
  at (time > 4): switched = 1;
  A -> B; cell * (twice + 0 * half) * A;
  B -> ; cell * 0.05 * B * clock;
end
"""
LOCAL = """<?xml version="1.0" encoding="UTF-8"?>
<sbml xmlns="http://www.sbml.org/sbml/level2" level="2" version="1"><model id="local">
<listOfCompartments><compartment id="cell" size="1"/></listOfCompartments>
<listOfSpecies><species id="A" compartment="cell" initialConcentration="3"/>
<species id="B" compartment="cell" initialConcentration="0"/></listOfSpecies>
<listOfParameters><parameter id="g" value="2"/></listOfParameters>
<listOfReactions><reaction id="J" reversible="false">
<listOfReactants><speciesReference species="A"/></listOfReactants>
<listOfProducts><speciesReference species="B"/></listOfProducts>
<kineticLaw><math xmlns="http://www.w3.org/1998/Math/MathML">
<apply><times/><ci>cell</ci><ci>g</ci><ci>k</ci><ci>A</ci></apply></math>
<listOfParameters><parameter id="k" value="0.25"/></listOfParameters></kineticLaw>
</reaction></listOfReactions></model></sbml>
"""


def simulator_of(model, outcome="B", *, span=None, **config):
    """Return the simulator of a model, by default with tight tolerances."""
    span = SimulationConfig(**(EXACT | {"stop": 10.0, "n_points": 11} | (span or {})))
    return build_sbml_simulator(SbmlConfig(model=model, outcome=outcome, **config), span)


def course(courses, name, patient=0):
    return courses.values[patient, courses.names.index(name)].astype(float)


# the published model


def mapk_cascade(ki):
    """Return concentrations in nM under the paper's parameters but for Ki, once a second."""
    names = {"inputs": ("MKKK",), "parameters": ("Ki",)}
    simulator = simulator_of(**MAPK_CASCADE, **names, span={"stop": 12_000.0, "n_points": 12_001})
    return simulator.simulate(np.array([[ki]]), np.array([[90.0]]))


def kholodenko_change(_, y):
    """Return dy/dt by the paper's rate laws and parameters, written independently; nM/s."""
    kkk, kkk_p, kk, kk_p, kk_pp, k, k_p, k_pp = y
    v1 = 2.5 * kkk / ((1 + k_pp / 9) * (10 + kkk))
    v2 = 0.25 * kkk_p / (8 + kkk_p)
    v3, v4 = 0.025 * kkk_p * kk / (15 + kk), 0.025 * kkk_p * kk_p / (15 + kk_p)
    v5, v6 = 0.75 * kk_pp / (15 + kk_pp), 0.75 * kk_p / (15 + kk_p)
    v7, v8 = 0.025 * kk_pp * k / (15 + k), 0.025 * kk_pp * k_p / (15 + k_p)
    v9, v10 = 0.5 * k_pp / (15 + k_pp), 0.5 * k_p / (15 + k_p)
    return [v2 - v1, v1 - v2, v6 - v3, v3 + v5 - v4 - v6, v4 - v5, v10 - v7, v7 + v9 - v8 - v10, v8 - v9]


def test_published_model_oscillates_with_the_papers_period_and_amplitude():
    late = course(mapk_cascade(9.0), "MAPK_PP")[4000:]
    inner = late[1:-1]
    peaks = np.flatnonzero((inner > late[:-2]) & (inner >= late[2:]))
    periods = np.diff(peaks)
    assert len(periods) >= 4
    np.testing.assert_allclose(periods, 1200, rtol=0.1)  # about 20 min
    np.testing.assert_allclose(periods, periods[0], atol=2)
    np.testing.assert_allclose(late[1:-1][peaks], late.max(), rtol=1e-3)
    assert late.max() > 0.95 * 300  # almost all of it
    assert late.min() < 0.15 * 300


def test_published_model_without_feedback_reaches_a_steady_state():
    late = course(mapk_cascade(1e9), "MAPK_PP")[4000:]
    assert np.ptp(late) < 1e-3
    assert late[-1] > 0.95 * 300


def test_published_model_agrees_with_an_independent_solver():
    initial = [90, 10, 280, 10, 10, 280, 10, 10]
    span = {"stop": 3000.0, "n_points": 3001}
    simulator = simulator_of(**MAPK_CASCADE, parameters=(), span=span)
    assert list(simulator.model.initial_concentrations.values()) == initial
    courses = simulator.simulate(np.empty((1, 0)), np.array([initial[:-1]], dtype=float))
    names = ("MKKK", "MKKK_P", "MKK", "MKK_P", "MKK_PP", "MAPK", "MAPK_P", "MAPK_PP")
    assert courses.names == names
    solution = solve_ivp(
        kholodenko_change, (0, 3000), initial, "LSODA", np.arange(3001.0), rtol=1e-11, atol=1e-11
    )
    np.testing.assert_allclose(courses.values[0], solution.y, rtol=1e-6, atol=1e-6)
    totals = [courses.values[0, rows].sum(axis=0) for rows in (slice(2), slice(2, 5), slice(5, 8))]
    np.testing.assert_allclose(totals, np.outer([100, 300, 300], np.ones(3001)), rtol=1e-6)


def test_preset_is_at_rest_before_the_stimulus_and_responds_after():
    experiment, model = config_of("response-noise", preset="kholodenko2000")
    assert experiment.parts(model)
    cohort = generate_cohort(model, np.random.default_rng(1))
    response = cohort.time_courses.values[:, cohort.time_courses.names.index("MAPK_PP")]
    before = np.linspace(0, 3000, 100) < 2400
    assert response.shape == (100, 100)
    assert np.median(response[:, before][:, -1]) < 10 < 200 < np.median(cohort.target)
    assert cohort.simulator.input_names == ("MKKK", "MKK", "MAPK")
    assert "V1" not in cohort.simulator.parameter_names
    assert len(cohort.simulator.parameter_names) == 21
    np.testing.assert_array_equal(cohort.target, response[:, -1])


@pytest.mark.parametrize("name", shipped_models())
def test_shipped_model_can_be_simulated_and_names_its_source(name):
    text = model_text(name)
    assert "doi:10." in text
    assert load_model(text).parameters


# trajectories


def test_exported_network_reproduces_the_built_in_trajectories(default_model, patients):
    parameters, totals = patients(default_model, 3)
    text = to_antimony(default_model, parameters[0], totals[0])
    span = {"stop": 1000.0, "n_points": 100}
    simulator = simulator_of(text, "Oa", inputs=default_model.species, span=span)
    assert set(simulator.parameter_names) == set(parameter_names(default_model))
    columns = [parameter_names(default_model).index(name) for name in simulator.parameter_names]
    courses = simulator.simulate(parameters[:, columns], totals)
    expected = simulate(default_model, parameters, totals, SimulationConfig(relative_tolerance=1e-9))
    rows = [courses.names.index(name) for name in default_model.form_names]
    np.testing.assert_allclose(courses.values[:, rows], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("onset", [0.0, 4.0, 4.3, 9.99], ids=["start", "on-grid", "off-grid", "late"])
@pytest.mark.parametrize("volume", [1.0, 1e-14])
def test_stimulus_acts_from_its_onset(onset, volume):
    compartment = f"compartment cell = {volume!r}; A in cell; B in cell;\n  A -> B; cell * dose"
    text = DECAY.replace("A -> B; dose", compartment)
    stimulus = StimulusConfig(parameter="dose", before=0.0, after=3.0, onset=onset)
    simulator = simulator_of(text, stimulus=stimulus)
    assert simulator.parameter_names == ("k",)
    courses = simulator.simulate(np.array([[0.1], [0.4]]), np.array([[8.0], [5.0]]))
    elapsed = np.maximum(np.arange(11.0) - onset, 0.0)
    for patient, (k, initial) in enumerate([(0.1, 8.0), (0.4, 5.0)]):
        expected = initial * np.exp(-3.0 * k * elapsed)
        np.testing.assert_allclose(course(courses, "A", patient), expected, rtol=1e-6, atol=1e-6)


def test_onset_does_not_repeat_an_event_of_the_model():
    text = DECAY.replace("end", "  at (time > 2.5): A = A + 10;\nend")
    stimulus = StimulusConfig(parameter="dose", after=1.0, onset=5.0)
    courses = simulator_of(text, stimulus=stimulus).simulate(np.array([[0.1]]), np.array([[8.0]]))
    times = np.arange(11.0)
    expected = (8.0 + 10.0 * (times > 2.5)) * np.exp(-0.1 * np.maximum(times - 5.0, 0.0))
    np.testing.assert_allclose(course(courses, "A"), expected, rtol=1e-6)


def test_span_that_starts_later_keeps_the_models_time():
    text = "A -> ; time * 0; A = 1; -> B; time; B = 0; k = 1"
    simulator = simulator_of(text, span={"start": 10.0, "stop": 20.0})
    courses = simulator.simulate(np.array([[1.0]]), np.array([[1.0]]))
    times = np.linspace(10, 20, 11)
    np.testing.assert_allclose(course(courses, "B"), (times**2 - 100) / 2, rtol=1e-6, atol=1e-6)


def test_derived_values_follow_each_patient():
    simulator = simulator_of(DERIVED)
    assert (simulator.input_names, simulator.parameter_names) == (("A",), ("k",))
    courses = simulator.simulate(np.array([[0.1], [0.3]]), np.array([[3.0], [7.0]]))
    for patient, (k, initial) in enumerate([("0.1", "3"), ("0.3", "7")]):
        text = DERIVED.replace("A = 3", f"A = {initial}").replace("k = 0.1", f"k = {k}")
        written = simulator_of(text).simulate(np.array([[float(k)]]), np.array([[float(initial)]]))
        alone = load_model(text).runner  # no value is set from outside
        alone.integrator.relative_tolerance, alone.integrator.absolute_tolerance = 1e-10, 1e-12
        alone.timeCourseSelections = ["[A]", "[B]", "[T]"]
        expected = np.array(alone.simulate(0, 10, 11)).T
        rows = [courses.names.index(name) for name in ("A", "B", "T")]
        np.testing.assert_allclose(courses.values[patient, rows], expected, rtol=1e-6)
        np.testing.assert_allclose(courses.values[patient], written.values[0], rtol=1e-6)


def test_parameters_of_a_reaction_vary_too():
    simulator = simulator_of(LOCAL)
    assert simulator.parameter_names == ("g", "J_k")
    courses = simulator.simulate(np.array([[1.0, 0.5]]), np.array([[4.0]]))
    np.testing.assert_allclose(course(courses, "A"), 4 * np.exp(-0.5 * np.arange(11)), rtol=1e-6)


def test_error_of_the_integration_makes_no_concentration_negative():
    span = {"relative_tolerance": 1e-4, "absolute_tolerance": 1e-4, "n_points": 200}
    simulator = simulator_of("A -> B; k * A; A = 5; B = 0; k = 1", span=span)
    courses = simulator.simulate(np.array([[5.0], [20.0]]), np.array([[5.0], [3.0]]))
    assert courses.values.min() == 0.0


def test_negative_quantity_stays_negative():
    courses = simulator_of("species B; -> A; -k; A = 5; B = 0; k = 1").simulate(
        np.array([[1.0]]), np.array([[5.0]])
    )
    np.testing.assert_allclose(course(courses, "A"), 5 - np.arange(11), atol=1e-6)


# the cohort


def test_patient_is_bitwise_independent_of_earlier_patients():
    stimulus = StimulusConfig(parameter="V1", before=0.25, after=2.5, onset=700.0)
    config = {**MAPK_CASCADE, "stimulus": stimulus, "span": {"stop": 3000.0, "relative_tolerance": 1e-6}}
    simulator = simulator_of(**config)
    rng = np.random.default_rng(4)
    parameters = simulator.draw_parameters(ParameterConfig(), 4, rng)
    inputs = simulator.draw_initial_concentrations(ParameterConfig(), 4, rng)
    together = simulator.simulate(parameters, inputs).values
    assert len(np.unique(together[:, -1, -1])) == 4
    reverse = simulator.simulate(parameters[::-1], inputs[::-1]).values[::-1]
    np.testing.assert_array_equal(reverse, together)
    for patient in range(4):
        rows = slice(patient, patient + 1)
        anew = simulator_of(**config).simulate(parameters[rows], inputs[rows])
        np.testing.assert_array_equal(anew.values[0], together[patient])


def test_failed_patient_is_named_and_does_not_affect_the_next():
    simulator = simulator_of("species B; -> A; k * A^2; A = 0.01; B = 0; k = 1", span={"max_steps": 500})
    before = simulator.simulate(np.array([[1.0]]), np.array([[0.01]])).values
    with pytest.raises(SimulationError, match=r"Patient 1 could not be integrated: CVODE Error: CV_\w+"):
        simulator.simulate(np.ones((2, 1)), np.array([[0.01], [1.0]]))
    np.testing.assert_array_equal(simulator.simulate(np.ones((1, 1)), np.array([[0.01]])).values, before)


def test_integration_stops_after_the_maximum_number_of_steps():
    patient = np.array([[1.0]]), np.array([[5.0]])
    text = "A -> B; k * A; A = 5; B = 0; k = 1"
    assert simulator_of(text, span={"max_steps": 100_000}).simulate(*patient).values.shape == (1, 2, 11)
    with pytest.raises(SimulationError, match=r"Patient 0 .*CV_TOO_MUCH_WORK.*Raise simulation\.max_steps"):
        simulator_of(text, span={"max_steps": 5}).simulate(*patient)


def test_varied_inputs_and_parameters_have_useful_defaults():
    stimulus = StimulusConfig(parameter="V1", after=2.5, onset=5.0)
    simulator = simulator_of(**MAPK_CASCADE, stimulus=stimulus)
    names = ("MKKK", "MKKK_P", "MKK", "MKK_P", "MKK_PP", "MAPK", "MAPK_P", "MAPK_PP")
    assert simulator.form_names == names
    assert simulator.input_names == names[:-1]
    assert len(simulator.parameter_names) == 21


def test_species_that_start_at_zero_do_not_vary_unless_named():
    text = "A -> B; k * A; A -> C; k * A; C -> A; k * C; A = 1; B = 0; C = 0; k = 1"
    assert simulator_of(text).input_names == ("A",)
    assert simulator_of(text, inputs=("C", "A")).input_names == ("C", "A")


def test_cohort_is_drawn_around_the_models_values():
    table = {**MAPK_CASCADE, "inputs": ["MAPK", "MKKK"], "parameters": ["V9", "K2"], "input_range": [0.8, 3]}
    config = CohortModelConfig.model_validate({"sbml": table, "cohort": {"n_samples": 40}})
    cohort = generate_cohort(config, np.random.default_rng(6))
    slices = np.floor((cohort.initial_concentrations / [280, 90] - 0.8) / 2.2 * 40)
    np.testing.assert_array_equal(np.sort(slices, axis=0), np.outer(np.arange(40), [1, 1]))
    factors = cohort.parameters / [0.5, 8]
    assert factors.min() >= 0.5 * 0.99
    assert factors.max() <= 2 * 1.01
    assert np.ptp(factors, axis=0).min() > 1
    assert config.outcome_forms == ("MAPK_PP",)
    again = generate_cohort(config, np.random.default_rng(6))
    np.testing.assert_array_equal(again.time_courses.values, cohort.time_courses.values)


@pytest.mark.parametrize(
    ("parameters", "inputs", "error", "message"),
    [
        (np.ones((1, 2)), np.ones((1, 1)), ExperimentError, r"parameters have shape \(1, 2\)"),
        (np.ones((1, 1)), np.ones(1), ExperimentError, r"initial concentrations have shape \(1,\)"),
        (np.ones((2, 1)), np.ones((1, 1)), ExperimentError, "2 parameter sets and 1 sets of initial"),
        (np.full((1, 1), np.nan), np.ones((1, 1)), SimulationError, "Patient 0 has k = nan"),
        (np.ones((2, 1)), np.array([[1.0], [-1.0]]), SimulationError, "Patient 1 has A = -1.0.*not negative"),
    ],
)
def test_values_that_cannot_be_simulated_are_refused(parameters, inputs, error, message):
    with pytest.raises(error, match=message):
        simulator_of("A -> B; k * A; A = 1; B = 0; k = 1").simulate(parameters, inputs)


# whole runs


def config_of(name, **layers):
    source = registry.get(name)
    experiment = registry.load(source)
    return experiment, configs.resolve(source, experiment, **layers).model


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    lake = lakebatch.open_lake(tmp_path_factory.mktemp("lake"))
    for name, level in HIGH.items():
        settings = [*SMALL, f"levels=[0, {level}]"]
        lakebatch.run(lake, name, preset="kholodenko2000", settings=settings, jobs=1)
    return lake


@pytest.mark.parametrize("name", HIGH)
@pytest.mark.parametrize("feature_set", ["initial", "dynamic", "initial+last"])
def test_dataset_refitted_gives_the_recorded_metrics(lake, name, feature_set):
    stored = lake[name]
    (assembly,) = stored.snapshot().assemblies
    assert (assembly.status, assembly.error) == ("completed", None)
    config = from_record(registry.load(registry.get(name)).config_model, assembly.settings)
    for level in (0.0, HIGH[name]):
        features, target = stored.dataset(assembly.assembly_id, level=level, feature_set=feature_set)
        rows = stored.reassemble().filter(level=level, feature_set=feature_set).sort("repeat")
        columns = FeatureSet(feature_set, tuple(features.columns), features.to_numpy())
        again = evaluate(
            columns,
            target.to_numpy(),
            config.evaluation,
            rows["seed"].to_list(),
            level=level,
            n_clipped=rows["n_clipped"][0],
        )
        recorded = rows.drop(VOLATILE)
        assert recorded.height == 2
        assert recorded.equals(again.drop("fit_seconds").sort("repeat").select(recorded.columns))


def test_outcome_is_a_feature_and_the_response_is_its_last_value(lake):
    stored = lake["response-noise"]
    (assembly,) = stored.snapshot().assemblies
    features, target = stored.dataset(assembly.assembly_id, level=0.0, feature_set="last")
    assert features.columns == [
        f"last:{name}" for name in ("MKKK", "MKKK_P", "MKK", "MKK_P", "MKK_PP", "MAPK", "MAPK_P", "MAPK_PP")
    ]
    courses = stored.table("trajectories").at().scan().collect().filter(species="MAPK_PP").sort("sample")
    assert courses["values"].list.last().to_list() == target.to_list()
    assert courses["counterpart"].is_null().all()


def test_rows_are_the_same_for_any_number_of_workers():
    quick = (*SMALL, "levels=[2.0]", 'evaluation.feature_sets=["initial", "last"]')
    check_repeatable(CheckConfig("parameter-distortion", preset="kholodenko2000", settings=quick))


def test_record_of_an_assembly_holds_the_text_of_its_model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "decay.ant").write_text(DECAY)
    lake = lakebatch.open_lake(tmp_path / "lake")
    stimulus = 'sbml.stimulus={parameter = "dose", after = 0.01, onset = 500}'
    settings = [*SMALL, "levels=[0]", "sbml.model=file:decay.ant", "sbml.outcome=B", stimulus]
    done = lakebatch.run(lake, "response-noise", settings=settings, jobs=1)
    assert done.status == "completed"
    assert done.settings["sbml"]["model"] == DECAY
    (tmp_path / "decay.ant").unlink()
    features, _ = lake["response-noise"].dataset(done.assembly_id, level=0.0, feature_set="initial")
    assert features.columns == ["initial:A"]


# refused configs


def refused(lake, *settings, preset="kholodenko2000"):
    """Return the reason why a run is refused before its start."""
    with pytest.raises(ConfigError) as caught:
        lakebatch.run(lake, "response-noise", preset=preset, settings=[*SMALL, *settings], jobs=1)
    assert lake.begun() == []
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (
            "sbml.outcome=V1",
            "Config key 'sbml.outcome' has 'V1'. Expected a species of the model, or what a rule",
        ),
        (
            'sbml.inputs=["X"]',
            "'sbml.inputs' has 'X'. Expected species or parameters with an initial value: MKKK, ",
        ),
        ('sbml.inputs=["MKK", "MKK"]', "inputs has MKK twice"),
        ("sbml.inputs=[]", "inputs is empty; expected one species or more"),
        (
            'sbml.parameters=["Kii"]',
            "'sbml.parameters' has 'Kii'. Expected parameters that no rule or event changes: ",
        ),
        ('sbml.parameters=["V1"]', "parameters has V1, the stimulus"),
        (
            "sbml.stimulus.parameter=V11",
            "'sbml.stimulus.parameter' has 'V11', which the model does not have. Expected a parameter that no rule",
        ),
        ("sbml.stimulus.onset=3000", "sbml.stimulus.onset is 3000; expected a time from simulation.start"),
        ("sbml.input_range=[2, 1]", "input_range is [2, 1]; expected [lower, upper]"),
        ("sbml.input_range=[0, 1]", "input_range is [0, 1]; expected both above 0"),
        ("sbml.model=kholodenko", "there is no model 'kholodenko'; expected one of kholodenko2000"),
        ("sbml.model=model.xml", "file:PATH"),
        ("sbml.modell=x", "Unknown config key 'sbml.modell' (from --set). Did you mean 'model'?"),
        ("spec.n_layers=3", "spec is set, which is the built-in network's, and so is sbml"),
        ("drug.dose=1", "drug is set"),
        ("parameter_generation.ic_range=[1, 2]", "parameter_generation.ic_range is set"),
        ('cohort.excluded_layers=["R"]', "cohort.excluded_layers is set"),
        ("sbml.model=A -> B; k*A", "'sbml.model' cannot be simulated: Global parameter 'k'"),
        ("sbml.model=A -> -> B", "'sbml.model' cannot be simulated: Error in model string, line 1"),
        ("sbml.model=<html> </html>", "'sbml.model' cannot be simulated: it is XML without an SBML model"),
        ("sbml.model=<sbml> </sbml>", "'sbml.model' cannot be simulated: it is XML without an SBML model"),
        ("sbml.model=<sbml> <model>", "'sbml.model' cannot be simulated: it is not well-formed XML"),
    ],
)
def test_invalid_config_is_refused_before_the_start(tmp_path, setting, message):
    assert message in refused(lakebatch.open_lake(tmp_path / "lake"), setting)


def test_model_without_initial_concentrations_is_refused():
    with pytest.raises(ConfigError, match="no species of the model starts above 0"):
        simulator_of("-> B; k; B = 0; k = 1")


@pytest.mark.parametrize("name", ["twice", "clock", "half", "switched"])
def test_parameter_set_by_the_model_does_not_vary(name):
    with pytest.raises(ConfigError, match=f"'sbml.parameters' has '{name}'.*: k."):
        simulator_of(DERIVED, parameters=(name,))


@pytest.mark.parametrize("name", ["B", "T"])
def test_species_set_by_the_model_is_no_input(name):
    with pytest.raises(ConfigError, match=f"'sbml.inputs' has '{name}'.*: A, F, clock."):
        simulator_of(DERIVED, inputs=(name,))


# without the extra


def run_without(package, folder, *arguments):
    """Run the command line in a process in which a package cannot be imported."""
    code = (
        "import sys, importlib.abc\n"
        "class Absent(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.partition('.')[0] == {package!r}:\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Absent())\n"
        "from lakebatch.cli.main import main\n"
        f"sys.exit(main({list(arguments)!r}))\n"
    )
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize(("module", "package"), [("roadrunner", "libroadrunner"), ("antimony", "antimony")])
def test_missing_package_is_named_with_how_to_install_it(tmp_path, module, package):
    done = run_without(module, tmp_path, "run", "response-noise", "--preset", "kholodenko2000")
    assert done.returncode != 0
    assert done.stderr.strip() == (
        f"Error: SBML models (the config key 'sbml') need the package {package}, which is not installed. "
        "Install it with: pip install 'lakebatch[sbml]'"
    )
    assert not list(tmp_path.rglob("*.json"))


def test_built_in_network_needs_no_package_of_the_extra(tmp_path):
    quick = (*SMALL, "levels=[0]", 'evaluation.feature_sets=["initial"]')
    settings = [argument for setting in quick for argument in ("--set", setting)]
    done = run_without("roadrunner", tmp_path, "run", "response-noise", *settings, "--jobs", "1")
    assert done.returncode == 0, done.stderr
