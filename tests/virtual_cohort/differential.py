"""Compare random custom models with a fresh libRoadRunner: python tests/virtual_cohort/differential.py 2000"""

from __future__ import annotations

import random
import re
import sys
import time
from collections import Counter
from contextlib import suppress
from xml.etree import ElementTree

import numpy as np
import roadrunner
from random_models import random_model
from written_models import free_inputs, free_parameters, fresh, tag, written

from lakebatch.errors import ConfigError, SimulationError
from lakebatch.experiments.virtual_cohort import SbmlConfig, SimulationConfig, StimulusConfig
from lakebatch.experiments.virtual_cohort.sbml_config import TOLERANCES
from lakebatch.experiments.virtual_cohort.sbml_simulator import build_sbml_simulator

SPAN = SimulationConfig(stop=6.0, n_points=7, **TOLERANCES)
TIMES = np.linspace(0, 6, 7)
LARGEST = 3e38
"""Of the values that lakebatch stores."""
MATH = "http://www.w3.org/1998/Math/MathML"


def in_order(sbml):
    """Return a document whose events without a priority come last, in their order: the convention of lakebatch."""
    root = ElementTree.fromstring(sbml.encode())
    events = [each for each in root.iter() if tag(each) == "event"] if root.get("level") == "3" else []
    for index, event in enumerate(events):
        if not any(tag(child) == "priority" for child in event):
            priority = ElementTree.SubElement(event, root.tag.replace("}sbml", "}priority"))
            math = ElementTree.SubElement(priority, f"{{{MATH}}}math")
            ElementTree.SubElement(math, f"{{{MATH}}}cn").text = str(-1e6 - index)
            event.remove(priority)
            event.insert(1, priority)
    return ElementTree.tostring(root, encoding="unicode")


def simulator_of(model):
    """Return the simulator of a random model."""
    stimulus = model.stimulus and StimulusConfig(
        parameter=model.stimulus[0], before=1.0, after=model.stimulus[1], onset=model.stimulus[2]
    )
    inputs, parameters = model.inputs, model.parameters
    if inputs == "all":
        inputs = tuple(sorted(free_inputs(model.sbml)))
    config = SbmlConfig(
        model=model.sbml, outcome=model.outcome, inputs=inputs, parameters=parameters, stimulus=stimulus
    )
    return build_sbml_simulator(config, SPAN)


def check(model):
    """Return "agrees" or why a model is refused; fail if patients differ from a fresh libRoadRunner."""
    try:
        simulator = simulator_of(model)
    except ConfigError as error:
        return str(error)
    names = (*simulator.parameter_names, *simulator.input_names)
    if model.parameters is None:
        expected = free_parameters(model.sbml) - {model.stimulus[0] if model.stimulus else None}
        assert set(simulator.parameter_names) == expected, (simulator.parameter_names, expected)
    rng = np.random.default_rng(model.seed)
    known = {
        **simulator.model.parameters,
        **simulator.model.initial_concentrations,
        **simulator.model.other_inputs,
    }
    rows = np.array([known[name] for name in names]) * rng.uniform(0.6, 1.6, (3, len(names)))
    count = len(simulator.parameter_names)
    assert np.isfinite(rows).all(), names
    values = dict(zip(names, rows[-1], strict=True))
    oracle = patient_of(model, simulator.form_names, values)
    try:
        courses = simulator.simulate(rows[:, :count], rows[:, count:]).values
    except SimulationError:
        if oracle is not None and (np.abs(oracle) < LARGEST).all():
            simulator.simulate(rows[-1:, :count], rows[-1:, count:])  # the others may be at fault
        return "a patient cannot be integrated"
    for order in ([2, 0], [1]):
        again = simulator.simulate(rows[order, :count], rows[order, count:]).values
        np.testing.assert_array_equal(again, courses[order], "patients depend on each other")
    if oracle is not None and same(courses[-1], oracle):
        return "agrees"
    looser = patient_of(model, simulator.form_names, values, 3e-9)
    if oracle is None or looser is None or not same(looser, oracle):
        return "libRoadRunner differs from itself by more than the tolerance"
    promoted = roadrunner.RoadRunner.getParamPromotedSBML
    if same(courses[-1], patient_of(model, simulator.form_names, values, change=promoted)):
        return "libRoadRunner takes a parameter of another reaction for a global one, in rateOf"
    raise AssertionError(
        f"{simulator.form_names} are {courses[-1].tolist()}, by libRoadRunner {oracle.tolist()}"
    )


def same(courses, expected):
    """Return whether time courses are equal to the solver's tolerance."""
    scale = np.abs(expected).max(axis=1, keepdims=True)
    return bool((np.abs(courses - expected) <= 2e-6 * scale + 1e-5 * np.abs(expected) + 1e-12).all())


def patient_of(model, forms, values, tolerance=1e-10, change=str):
    """Return the time courses of a fresh libRoadRunner with a patient's values; None if it cannot integrate."""
    if model.stimulus:
        values = {**values, model.stimulus[0]: 1.0}
    text = change(in_order(written(model.sbml, values, model.stimulus)))
    # libRoadRunner does not load a formula with the rate of a reaction that has parameters of its own
    for document in (text, roadrunner.RoadRunner.getParamPromotedSBML(text)):
        for looser in (tolerance, 10 * tolerance, 100 * tolerance):
            with suppress(RuntimeError):
                return fresh(document, forms, TIMES, looser, looser * 1e-3)
    return None


def reason_of(outcome):
    """Return the reason of a refusal without names and numbers."""
    return re.sub(r"'[^']*'|\bfrom \S+|[\d.]+", "*", outcome)[:110]


def main(count, first=0):
    """Check models; print how many agree, are refused by reason, and differ."""
    started, reasons, faults = time.monotonic(), Counter(), {}
    for seed in range(first, first + count):
        try:
            reasons[reason_of(check(random_model(random.Random(seed))))] += 1
        except Exception as error:  # noqa: BLE001
            faults[seed] = f"{type(error).__name__}: {' '.join(str(error).split())[:1500]}"
            sys.stdout.write(f"{seed} {faults[seed]}\n")
            sys.stdout.flush()
    lines = [f"{number:6d}  {reason}" for reason, number in reasons.most_common()]
    title = f"{count} models from seed {first} in {time.monotonic() - started:.0f} s, {len(faults)} faults"
    sys.stdout.write("\n".join([title, *lines, ""]))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int((sys.argv[2:] or ["0"])[0])))
