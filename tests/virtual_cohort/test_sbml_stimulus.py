"""Schedules of a custom model, held against a fresh libRoadRunner with the same schedule written as events."""

from __future__ import annotations

import numpy as np
import pytest

from lakebatch.errors import ConfigError
from lakebatch.experiment import config as configs
from lakebatch.experiment import registry
from lakebatch.experiments.virtual_cohort import ScheduleConfig, SbmlConfig, SimulationConfig
from lakebatch.experiments.virtual_cohort.sbml_model import load_model
from lakebatch.experiments.virtual_cohort.sbml_simulator import build_sbml_simulator
from lakebatch.experiments.virtual_cohort.stimulus_changes import plan_changes

SPAN = {"stop": 10.0, "n_points": 21, "relative_tolerance": 1e-10, "absolute_tolerance": 1e-12}
AT = "\nat (time >= {0!r}), t0 = false, priority = {1}: {2}"
QUIET, BUSY = "", "\nat (A > 12): B = B + 5; at (F > 4), priority = 2: C = C / 2; at (dose > 9): D = D + 1;"
MODEL = """model m()
  compartment V = 0.05 * BW, W = 3; species A in V, B in V, D in V, $F in V; substanceOnly species C in W, $G in W;
  A = %(A)s; B = 1; C = 4; D = 2 / V; F = %(F)s; G = 2; BW = %(BW)s; k = %(k)s; s = 1; twice = 2 * k;
  A -> B; V * k * s * A * F; B -> ; V * twice * B * G; C -> ; 0.2 * C;
  -> A; 0.5 * dose; dose = 5; dose' = %(in_dose)s - 0.5 * dose; E in V; E = 3; E' = %(in_E)s - 0.3 * E;
  %(reactions)s
"""
NOMINAL = {"A": 8, "F": 3, "BW": 60, "k": 0.1, "in_dose": "0", "in_E": "0", "reactions": ""}
A_, B_, C_, DOSE, F_, G_, S_, TWICE = (
    {"target": name} for name in ("A", "B", "C", "dose", "F", "G", "s", "twice")
)
EVERY_2 = {"start": 1, "interval": 2, "count": 3}


def simulator_of(text, stimulus, span=None, **config):
    """Return the simulator of a model with a stimulus and tight tolerances."""
    config = {"outcome": "B", "inputs": ("A", "F"), "parameters": ("BW", "k"), "stimulus": stimulus} | config
    return build_sbml_simulator(SbmlConfig(model=text, **config), SimulationConfig(**SPAN | (span or {})))


def written(text, forms):
    """Return the time courses of a fresh libRoadRunner that loaded a text."""
    runner = load_model(text).runner
    runner.integrator.relative_tolerance, runner.integrator.absolute_tolerance = 1e-10, 1e-12
    species = {*runner.model.getFloatingSpeciesIds(), *runner.model.getBoundarySpeciesIds()}
    runner.timeCourseSelections = [f"[{name}]" if name in species else name for name in forms]
    return np.array(runner.simulate(0, 10, 21)).T


def at(*changes):
    """Return the events of some (time, assignments)."""
    return "".join(
        AT.format(float(time), 1_000_000 + place, text) for place, (time, text) in enumerate(changes)
    )


def on_off(times, on, off):
    return at(*((time, off if index % 2 else on) for index, time in enumerate(times)))


INFLOW_A = {"reactions": "inflow = 0; -> A; inflow;"}
SCHEDULES = {
    "doses": ({**A_, "dose": 6, **EVERY_2}, at(*((t, "A = A + 6 / V") for t in (1, 3, 5))), {}),
    "dose-at-the-start": ({**A_, "dose": 9, "start": 0}, at((0, "A = A + 9 / V")), {}),
    "dose-of-amounts": ({**C_, "dose": 6, "start": 2.3}, at((2.3, "C = C + 6")), {}),
    "dose-into-a-rule": (
        {**DOSE, "dose": 6, **EVERY_2},
        at(*((t, "dose = dose + 6") for t in (1, 3, 5))),
        {},
    ),
    "dose-into-a-boundary": ({**F_, "dose": 4, "start": 2}, at((2, "F = F + 4 / V")), {}),
    "dose-into-a-ruled-species": ({"target": "E", "dose": 4, "start": 2}, at((2, "E = E + 4 / V")), {}),
    "infusion": (
        {**A_, "dose": 6, **EVERY_2, "duration": 0.7},
        on_off((1, 1.7, 3, 3.7, 5, 5.7), "inflow = 6 / 0.7", "inflow = 0"),
        INFLOW_A,
    ),
    "infusion-that-lasts": ({**A_, "rate": 2, "start": 0}, at((0, "inflow = 2")), INFLOW_A),
    "infusion-into-a-rule": (
        {**DOSE, "rate": 6, "start": 1, "duration": 2},
        "\ninflow = 0;" + on_off((1, 3), "inflow = 6", "inflow = 0"),
        {"in_dose": "inflow"},
    ),
    "infusion-into-a-ruled-species": (
        {"target": "E", "rate": 6, "start": 1, "duration": 2},
        "\ninflow = 0;" + on_off((1, 3), "inflow = 6", "inflow = 0"),
        {"in_E": "inflow / V"},
    ),
    "pulses-of-a-parameter": (
        {**S_, "value": 4, **EVERY_2, "duration": 0.5},
        on_off((1, 1.5, 3, 3.5, 5, 5.5), "s = 4", "s = 1"),
        {},
    ),
    "pulse-of-an-assigned-parameter": (
        {**TWICE, "value": 1, "start": 1, "duration": 2},
        "\nkeep = twice;" + on_off((1, 3), "twice = 1", "twice = keep"),
        {},
    ),
    "pulse-of-a-boundary": (
        {**F_, "value": 9, "start": 1, "duration": 2},
        "\nkeep = F;" + on_off((1, 3), "F = 9", "F = keep"),
        {},
    ),
    "pulse-of-a-boundary-of-amounts": (
        {**G_, "value": 1, "start": 1, "duration": 2},
        "\nkeep = G;" + on_off((1, 3), "G = 1 * W", "G = keep"),
        {},
    ),
    "value-that-lasts": ({**F_, "value": 9, "start": 1}, at((1, "F = 9")), {}),
    "pulses-without-a-gap": (
        {**S_, "value": 4, **EVERY_2, "duration": 2},
        on_off((1, 7), "s = 4", "s = 1"),
        {},
    ),
    "several": (
        [
            {**A_, "dose": 6, "start": 0},
            {**A_, "dose": 3, "start": 2, "interval": 2, "count": 3},
            {**F_, "value": 5, "start": 2, "duration": 4},
            {"parameter": "s", "before": 0.5, "after": 2, "onset": 4},
            {**A_, "rate": 1, "start": 3, "duration": 3},
            {**A_, "rate": 2, "start": 4, "duration": 4},
        ],
        "\nkeep = F; s = 0.5;"
        + at(
            (0, "A = A + 6 / V"),
            (2, "A = A + 3 / V, F = 5"),
            (3, "inflow = 1"),
            (4, "A = A + 3 / V, s = 2, inflow = 3"),
            (6, "A = A + 3 / V, F = keep, inflow = 2"),
            (8, "inflow = 0"),
        ),
        INFLOW_A,
    ),
}


@pytest.mark.parametrize("events", [QUIET, BUSY], ids=["quiet", "busy"])
@pytest.mark.parametrize("name", SCHEDULES)
def test_schedule_equals_the_same_one_written_as_events(name, events):
    stimulus, text, changed = SCHEDULES[name]
    simulator = simulator_of(MODEL % NOMINAL + events + "\nend", stimulus)
    inputs, parameters = np.array([[8.0, 3.0], [5.0, 1.5]]), np.array([[60.0, 0.1], [90.0, 0.3]])
    values = simulator.simulate(parameters, inputs).values
    np.testing.assert_array_equal(simulator.simulate(parameters[1:], inputs[1:]).values[0], values[1])
    for patient in range(2):
        row = dict(zip(("A", "F", "BW", "k"), [*inputs[patient], *parameters[patient]], strict=True))
        expected = written(
            MODEL % {**NOMINAL, **row, **changed} + events + text + "\nend", simulator.form_names
        )
        np.testing.assert_allclose(values[patient], expected, rtol=2e-6, atol=1e-6)
