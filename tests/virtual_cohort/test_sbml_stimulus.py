"""Schedules of a custom model, held against a fresh libRoadRunner with the same schedule written as events."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from lakebatch.analysis.plots.chart import Rule
from lakebatch.analysis.plots.cohort import _species_panel
from lakebatch.errors import ConfigError
from lakebatch.experiment import config as configs
from lakebatch.experiment import registry
from lakebatch.experiment.contract import TimeAxis
from lakebatch.experiments.virtual_cohort import (
    CohortModelConfig,
    SbmlConfig,
    ScheduleConfig,
    SimulationConfig,
)
from lakebatch.experiments.virtual_cohort.sbml_model import load_model
from lakebatch.experiments.virtual_cohort.sbml_simulator import build_sbml_simulator
from lakebatch.experiments.virtual_cohort.sbml_stimulus import set_stimuli

SPAN = {"stop": 10.0, "n_points": 21, "relative_tolerance": 1e-10, "absolute_tolerance": 1e-12}
MODEL = """model m()
  compartment V = 0.05 * BW, W = 3; species A in V, B in V, D in V, E in V, $F in V; substanceOnly species C in W, $G in W;
  A = %(A)s; B = 1; C = 4; D = 2 / V; F = %(F)s; G = 2; BW = %(BW)s; k = %(k)s; s = 1; twice = 2 * k; z := A + C;
  A -> B; V * k * s * A * F; B -> ; V * twice * B * G; C -> ; 0.2 * C; inflow = 0; -> A; inflow; into_dose = 0;
  -> A; 0.5 * dose; dose = 5; dose' = into_dose - 0.5 * dose; into_E = 0; E = 3; E' = into_E / V - 0.3 * E;
"""
NOMINAL = {"A": 8, "F": 3, "BW": 60, "k": 0.1}
QUIET = ""
BUSY = """at (time >= 4), fromTrigger = false: B = B + A; at (A > 6): B = B + 5; at (F > 4), priority = 2: C = C / 2;
at (dose > 9): D = D + 1; at (s > 3): D = 2 * D
"""


def simulator_of(text, *, span=None, **config):
    """Return the simulator of a model with tight tolerances."""
    return build_sbml_simulator(SbmlConfig(model=text, **config), SimulationConfig(**SPAN | (span or {})))


def written(text, forms, times=SPAN):
    """Return the time courses of a fresh libRoadRunner that loaded a text."""
    runner = load_model(text).runner
    runner.integrator.relative_tolerance, runner.integrator.absolute_tolerance = 1e-10, 1e-12
    species = {*runner.model.getFloatingSpeciesIds(), *runner.model.getBoundarySpeciesIds()}
    runner.timeCourseSelections = [f"[{name}]" if name in species else name for name in forms]
    return np.array(runner.simulate(0, times["stop"], times["n_points"])).T


def at(*changes):
    """Return the events of some (time, assignments), the first at the same time."""
    event = "at (time >= {0!r}), t0 = false, priority = {1}: {2}\n"
    return "".join(event.format(float(t), 1_000_000 + place, text) for place, (t, text) in enumerate(changes))


SCHEDULES = {
    "doses": (
        [
            {"target": "A", "dose": 6, "start": 0, "interval": 2, "count": 3},
            {"target": "C", "dose": 5, "start": 2.3},
            {"target": "dose", "dose": 6, "start": 2, "interval": 2, "count": 2},
            {"target": "F", "dose": 4, "start": 7},
            {"target": "E", "dose": 3, "start": 4.1},
        ],
        at(
            (0, "A = A + 6 / V"),
            (2, "A = A + 6 / V, dose = dose + 6"),
            (2.3, "C = C + 5"),
            (4, "A = A + 6 / V, dose = dose + 6"),
            (4.1, "E = E + 3 / V"),
            (7, "F = F + 4 / V"),
        ),
    ),
    "infusions": (
        [
            {"target": "A", "dose": 6, "start": 1, "duration": 0.7, "interval": 2, "count": 2},
            {"target": "dose", "rate": 6, "start": 2, "duration": 2},
            {"target": "E", "rate": 2, "start": 3},
        ],
        at(
            (1, "inflow = 6 / 0.7"),
            (1.7, "inflow = 0"),
            (2, "into_dose = 6"),
            (3, "inflow = 6 / 0.7, into_E = 2"),
            (3.7, "inflow = 0"),
            (4, "into_dose = 0"),
        ),
    ),
    "values": (
        [
            {"target": "s", "value": 4, "start": 1, "duration": 0.5, "interval": 2, "count": 2},
            {"target": "twice", "value": 1, "start": 2, "duration": 2},
            {"target": "G", "value": 1, "start": 0, "duration": 3},
            {"target": "F", "value": 9, "start": 5, "duration": 2, "interval": 2, "count": 2},
        ],
        "twice_0 = twice; F_0 = F; G_0 = G\n"
        + at(
            (0, "G = 1 * W"),
            (1, "s = 4"),
            (1.5, "s = 1"),
            (2, "twice = 1"),
            (3, "s = 4, G = G_0"),
            (3.5, "s = 1"),
            (4, "twice = twice_0"),
            (5, "F = 9"),
            (9, "F = F_0"),
        ),
    ),
    "together": (
        [
            {"target": "A", "dose": 6, "start": 4},
            {"target": "A", "dose": 3, "start": 2, "interval": 2, "count": 3},
            {"target": "F", "value": 5, "start": 2, "duration": 4},
            {"parameter": "s", "before": 0.5, "after": 4, "onset": 4},
            {"target": "A", "rate": 1, "start": 3, "duration": 3},
            {"target": "A", "rate": 2, "start": 4, "duration": 4},
        ],
        "s = 0.5; F_0 = F\n"
        + at(
            (2, "A = A + 3 / V, F = 5"),
            (3, "inflow = 1"),
            (4, "A = A + 9 / V, s = 4, inflow = 3"),
            (6, "A = A + 3 / V, F = F_0, inflow = 2"),
            (8, "inflow = 0"),
        ),
    ),
}


@pytest.mark.parametrize("events", [QUIET, BUSY], ids=["quiet", "busy"])
@pytest.mark.parametrize("name", SCHEDULES)
def test_schedule_equals_the_same_one_written_as_events(name, events):
    stimulus, text = SCHEDULES[name]
    config = {"inputs": ("A", "F"), "parameters": ("BW", "k"), "outcome": "z", "stimulus": stimulus}
    simulator = simulator_of(f"{MODEL % NOMINAL}{events}end", **config)
    inputs, parameters = np.array([[8.0, 3.0], [5.0, 1.5]]), np.array([[60.0, 0.1], [90.0, 0.3]])
    values = simulator.simulate(parameters, inputs).values
    np.testing.assert_array_equal(simulator.simulate(parameters[1:], inputs[1:]).values[0], values[1])
    patient = {"A": 5.0, "F": 1.5, "BW": 90.0, "k": 0.3}
    expected = written(f"{MODEL % patient}{events}{text}end", simulator.form_names)
    assert simulator.form_names == ("A", "B", "D", "C", "E", "z")
    np.testing.assert_allclose(values[1], expected, rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("name", ["together", "values"])
def test_schedule_can_be_written_as_events_for_other_programs(name):
    config = {"inputs": ("A", "F"), "parameters": ("BW", "k"), "outcome": "z", "stimulus": SCHEDULES[name][0]}
    simulator = simulator_of(f"{MODEL % NOMINAL}s = {0.5 if name == 'together' else 1}; end", **config)
    values = simulator.simulate(np.array([[60.0, 0.1]]), np.array([[8.0, 3.0]])).values[0]
    document = simulator.stimulus.as_events(simulator.model.document)
    np.testing.assert_allclose(values, written(document, simulator.form_names), rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("level", "version", "schedule", "reason"),
    [
        (1, 2, {"target": "A", "dose": 1, "start": 2}, "it is SBML level 1, which has no event at time 2"),
        (2, 4, {"target": "A", "dose": 1, "start": 0}, "it is SBML level 2, which has no event at time 0"),
        (
            2,
            1,
            {"target": "k", "value": 1, "start": 2, "duration": 1},
            "version 1, which cannot keep the value from",
        ),
    ],
)
def test_older_sbml_is_simulated_but_not_written_as_events_that_it_lacks(level, version, schedule, reason):
    key = "name" if level == 1 else "id"
    text = (
        f'<sbml xmlns="http://www.sbml.org/sbml/level{level}{f"/version{version}" if version > 2 else ""}" '
        f'level="{level}" version="{version}"><model><listOfCompartments><compartment {key}="c"/></listOfCompartments>'
        f'<listOfSpecies><species {key}="A" compartment="c" initialAmount="2"/></listOfSpecies><listOfParameters>'
        f'<parameter {key}="k" value="3"/></listOfParameters></model></sbml>'
    )
    simulator = simulator_of(text, outcome="A", inputs=("A",), stimulus=schedule)
    values = simulator.simulate(
        np.array([[3.0]][: len(simulator.parameter_names)]).reshape(1, -1), np.array([[2.0]])
    )
    assert values.last("A")[0] == (3 if schedule["target"] == "A" else 2)
    with pytest.raises(ConfigError, match=reason):
        simulator.stimulus.as_events(simulator.model.document)


def test_doses_at_rounded_times_are_given_at_the_time_points():
    schedule = {"target": "A", "dose": 1, "start": 0.1, "interval": 0.1, "count": 9}
    steps = [schedule, {"parameter": "s", "before": 1, "after": 0, "onset": 0.3}]
    text = "A -> ; 0 * k * s * A; A = 1; k = 1; s = 1"
    simulator = simulator_of(
        text, outcome="A", inputs=("A",), stimulus=steps, span={"stop": 1.0, "n_points": 11}
    )
    values = simulator.simulate(np.array([[1.0]]), np.array([[1.0]])).values[0, 0]
    assert values.tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 10]


def test_infusion_follows_conversion_factors_and_keeps_the_parameters_that_vary():
    factor = "f = 4; A -> ; A; A = 1; k = 1"
    simulator = simulator_of(
        factor, outcome="A", inputs=("A",), stimulus={"target": "A", "rate": 2, "start": 0}
    )
    assert simulator.parameter_names == ("f", "k")
    document = simulator.model.document.replace(' id="A"', ' id="A" conversionFactor="f"')
    plain = load_model(
        document.replace('id="f" value="4" constant="false"', 'id="f" value="4" constant="true"')
    )
    stimuli = (ScheduleConfig(target="A", rate=2, start=0),)
    model, stimulus = set_stimuli(plain, stimuli, SimulationConfig(**SPAN))
    model.runner.timeCourseSelections = ["A"]
    stimulus.apply(model.runner.model, 0.0, {})
    value = model.runner.simulate(0, 1, 2)[-1, 0]
    assert value == pytest.approx(np.exp(-4) + 2 / 4 * (1 - np.exp(-4)), rel=1e-5)


# models without floating species


OSCILLATOR = """u = 0.1; v = %(v)s; a = %(a)s; u' = a * (v - u) * (0.01 + u^2) - u; v' = 0.02 * a - 0.2 * u + pulse;
compartment cell; cell = 1 + a; cell' = 0.1 * u; species $X in cell; X = 2; X' = -0.1 * X * u; pulse = 0
sum := (u + v) / cell
"""


@pytest.mark.parametrize("outcome", ["v", "cell", "X", "sum"])
def test_model_without_floating_species_simulates_what_its_rules_change(outcome):
    stimulus = {"target": "pulse", "value": 1, "start": 2, "duration": 1}
    simulator = simulator_of(OSCILLATOR % {"v": 1, "a": 9}, outcome=outcome, inputs=("v",), stimulus=stimulus)
    assert sorted({*simulator.form_names} - {"sum"}) == ["X", "cell", "u", "v"]
    assert simulator.parameter_names == ("a",)
    values = simulator.simulate(np.array([[9.0], [5.0]]), np.array([[1.0], [3.0]]))
    assert values.last(outcome)[0] != values.last(outcome)[1]
    text = OSCILLATOR % {"v": 3, "a": 5} + at((2, "pulse = 1"), (3, "pulse = 0"))
    np.testing.assert_allclose(values.values[1], written(text, simulator.form_names), rtol=1e-6, atol=1e-8)


def test_inputs_of_a_model_without_floating_species_are_what_starts_above_0():
    simulator = simulator_of(OSCILLATOR % {"v": 1, "a": 9}, outcome="v")
    assert set(simulator.input_names) == {"u", "X"}
    with pytest.raises(
        ConfigError, match=r"'sbml\.inputs' has 'V', which starts at -65\. Expected inputs that"
    ):
        simulator_of("V = -65; V' = -0.1 * (V + s); s = 60", outcome="V", inputs=("V",))


def test_values_below_zero_of_a_parameter_stay_as_they_are():
    simulator = simulator_of("V = -65; V' = -s; w = -1e-9; w' = 0; n = 1; n' = 0; s = 1", outcome="V")
    values = simulator.simulate(np.array([[1.0]]), np.array([[1.0]]))
    np.testing.assert_allclose(values.last("V"), -75, rtol=1e-6)
    assert values.last("w")[0] == pytest.approx(-1e-9)


@pytest.mark.parametrize("outcome", ["y", "X", "late"])
def test_outcome_may_be_anything_that_a_rule_or_an_event_changes(outcome):
    text = "A = 4; A -> ; k * A; k = 0.1; y := 3 * A + 1; species $X; X = 1; X' = A; late = 0; at (A < 3): late = A\n"
    simulator = simulator_of(text, outcome=outcome)
    assert simulator.form_names == ("A", outcome)
    assert (simulator.input_names, simulator.parameter_names) == (("A",), ("k",))
    courses = simulator.simulate(np.array([[0.2]]), np.array([[5.0]]))
    expected = written(text.replace("A = 4", "A = 5").replace("k = 0.1", "k = 0.2"), ("A", outcome))
    np.testing.assert_allclose(courses.values[0], expected, rtol=1e-6)


# refused stimuli


def refusal(stimulus):
    """Return the reason why a config is refused, which is one line."""
    source = registry.get("response-noise")
    rest = "species $F; F = 1; d = 1; d' = -d; y := A; compartment c = 1"
    model = f"sbml.model=A -> n B; k * A; n = 2; B = 0; A = 1; k = 1; s = 1; {rest}"
    stimulus = f"sbml.stimulus={stimulus}"
    given = [
        model,
        "sbml.outcome=A",
        'sbml.inputs=["A"]',
        "simulation.stop=10",
        "simulation.n_points=11",
        stimulus,
    ]
    experiment = registry.load(source)
    with pytest.raises(ConfigError) as caught:
        _ = experiment.parts(configs.resolve(source, experiment, settings=given).model)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("stimulus", "message"),
    [
        ('{target="A", start=0}', "the schedule of A has no dose; expected one of dose, rate and value."),
        ('{target="A", dose=1, value=2, start=0}', "the schedule of A has dose and value; expected one of"),
        (
            '{target="A", dose=-1, start=0}',
            "'sbml.stimulus.dose' is -1 (from --set). Expected greater than 0.",
        ),
        ('{target="A", dose=1}', "Config key 'sbml.stimulus.start' is missing."),
        (
            '{target="A", dose=1, start=-1}',
            "sbml.stimulus.start of A is -1; expected a time from simulation.start",
        ),
        (
            '{target="A", dose=1, start=4, interval=2, count=4}',
            "sbml.stimulus.start number 4 of A is 10; expected",
        ),
        (
            '{target="A", dose=1, start=4, duration=7}',
            "sbml.stimulus of A ends at 11; expected simulation.stop, 10",
        ),
        (
            '{target="A", dose=1, start=4, duration=-1}',
            "'sbml.stimulus.duration' is -1 (from --set). Expected greater",
        ),
        (
            '{target="A", dose=1, start=4, interval=2}',
            "the schedule of A has an interval and count 1; expected both",
        ),
        (
            '{target="A", dose=1, start=4, count=2}',
            "the schedule of A has no interval and count 2; expected both",
        ),
        (
            '{target="s", value=1, start=4, interval=2, count=2}',
            "the schedule of s repeats a value without duration",
        ),
        (
            '{target="A", rate=1, start=0, duration=2, interval=1, count=2}',
            "the schedule of A overlaps itself: its duration is 2 and its interval 1; expected",
        ),
        (
            '[{target="s", value=1, start=1}, {target="s", value=2, start=0, duration=2}]',
            "stimulus gives s a value until 2 and another one from 1 on; expected values that do not overlap.",
        ),
        (
            '[{target="s", value=1, start=1}, {target="s", value=2, start=3, duration=2}]',
            "stimulus gives s a value that lasts and another one from 3 on; expected values that do not overlap.",
        ),
        (
            '[{target="F", value=1, start=1}, {target="F", dose=2, start=0}]',
            "stimulus gives F both a value and doses; expected one of them for a target.",
        ),
        (
            '[{target="s", value=1, start=1, duration=1}, {parameter="s", after=2, onset=5}]',
            "stimulus has s twice, once in a single step; expected one step, or schedules.",
        ),
        (
            '{target="A", dose=1, start=1, onset=1}',
            "the table has target, a key of a schedule, and onset, a key of a single step; expected keys of one form",
        ),
        (
            '[{target="A", dose=1, strt=1}]',
            "Unknown config key 'sbml.stimulus.0.strt' (from --set). Did you mean",
        ),
        ("5", "Config key 'sbml.stimulus' is 5 (from --set). Expected a valid dictionary"),
        (
            '{target="s", dose=1, start=1}',
            "'sbml.stimulus.target' has 's', a parameter. Expected for a dose a species",
        ),
        (
            '{target="F", rate=1, start=1}',
            "has 'F', a boundary species. Expected for an infusion a species that",
        ),
        (
            '{target="F", value=-1, start=1}',
            "'sbml.stimulus.value' of F is -1. Expected a concentration, 0 or above.",
        ),
        (
            '{target="A", value=1, start=1}',
            "has 'A', a species that reactions can change. Expected for a value a",
        ),
        (
            '{target="d", value=1, start=1}',
            "has 'd', a parameter that a rate rule changes. Expected for a value a",
        ),
        (
            '{target="y", dose=1, start=1}',
            "has 'y', a parameter that an assignment rule changes. Expected for a dose",
        ),
        (
            '{target="c", value=2, start=1}',
            "has 'c', a compartment. Expected for a value a parameter or boundary",
        ),
        (
            '{target="X", dose=2, start=1}',
            "has 'X', which the model does not have. Expected for a dose a species",
        ),
    ],
)
def test_impossible_stimulus_is_refused_before_the_start(stimulus, message):
    assert message in refusal(stimulus)


def test_schedule_over_the_step_of_a_preset_is_refused_unless_it_is_a_list():
    source = registry.get("response-noise")
    experiment = registry.load(source)
    schedule = '{target = "V1", value = 2.5, start = 2400}'
    with pytest.raises(ConfigError, match=r"\[\[sbml\.stimulus\]\], replaces the table of a preset"):
        configs.resolve(source, experiment, preset="kholodenko2000", settings=[f"sbml.stimulus={schedule}"])
    config = configs.resolve(
        source, experiment, preset="kholodenko2000", settings=[f"sbml.stimulus=[{schedule}]"]
    ).model
    assert config.onsets == {"V1": 2400.0}
    record = config.model_dump(mode="json")["sbml"]["stimulus"]
    assert (record[0]["target"], record[0]["value"], record[0]["dose"]) == ("V1", 2.5, None)
    assert configs.from_record(experiment.config_model, config.model_dump(mode="json")) == config


def test_record_of_a_step_has_its_four_keys_only():
    step = {"parameter": "s", "before": 0.0, "after": 1.0, "onset": 2.0}
    config = SbmlConfig(model="A -> ; A; s = 1; A = 1", outcome="A", stimulus=step)
    assert config.model_dump(mode="json")["stimulus"] == step


def test_picture_and_caption_show_every_start():
    sbml = {"model": "A -> ; A; A = 1; s = 1", "outcome": "A"}
    doses = [
        {"target": "A", "dose": 1, "start": 8, "interval": 4, "count": 5},
        {"target": "A", "dose": 1, "start": 0},
    ]
    pulse = {"target": "s", "value": 2, "start": 3, "duration": 1}
    config = CohortModelConfig.model_validate({"sbml": sbml | {"stimulus": [*doses, pulse]}})
    assert config.onsets == {"A": (0, 8, 12, 16, 20, 24), "s": 3}
    axis = TimeAxis((0.0, 50.0), "h", config.onsets)
    panel = _species_panel("A", pl.DataFrame({"values": [[0.0, 1.0]]}), axis)
    rules = [(rule.at, rule.text) for rule in panel.marks if isinstance(rule, Rule)]
    assert rules == [(0, "A"), (8, ""), (12, ""), (16, ""), (20, ""), (24, ""), (3, "s")]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("drug=5", "Config key 'drug' is 5 (from --set)."),
        (
            'drug={regulations=[["R1", "up"], ["R1", "up"]]}',
            "Config key 'drug': regulations of drug D name R1 twice",
        ),
        ('drug=[{name="A", doze=1}]', "Unknown config key 'drug.0.doze' (from --set). Did you mean 'dose'?"),
    ],
)
def test_error_of_a_table_or_list_has_the_key_as_it_is_written(setting, message):
    source = registry.get("response-noise")
    with pytest.raises(ConfigError) as caught:
        configs.resolve(source, registry.load(source), settings=[setting])
    assert message in str(caught.value)
