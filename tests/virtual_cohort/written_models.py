"""The oracle of custom models: a fresh libRoadRunner that loaded a document with a patient's values in it."""

from __future__ import annotations

from contextlib import contextmanager
from itertools import count
from xml.etree import ElementTree

import antimony
import numpy as np
import roadrunner

MATH = "http://www.w3.org/1998/Math/MathML"
RULED = ("assignmentRule", "rateRule", "eventAssignment", "initialAssignment", "parameterRule")


def tag(element):
    """Return the name of an element without its namespace."""
    return element.tag.rpartition("}")[2]


def identifiers(root):
    """Return the elements that hold a value, by the names that lakebatch gives them."""
    key = "name" if root.get("level") == "1" else "id"
    model = next(child for child in root if tag(child) == "model")
    found = {}
    for child in model:
        if tag(child) in ("listOfSpecies", "listOfParameters"):
            found |= {each.get(key): each for each in child}
    taken = {each.get(key) for each in root.iter() if tag(each) not in ("parameter", "localParameter")} | {
        *found
    }
    reactions = [each for each in root.iter() if tag(each) == "reaction"]
    for reaction in reactions:
        for each in reaction.iter():
            if tag(each) in ("parameter", "localParameter"):
                found[_free_name(f"{reaction.get(key)}_{each.get(key)}", taken)] = each
    return found


def _free_name(name, taken):
    """Return a name as it is, or with the first number that makes it a new one, as libRoadRunner gives it."""
    names = (f"{name}_{number}" if number else name for number in count())
    return next(each for each in names if each not in taken)


def free_inputs(sbml):
    """Return the species that no assignment determines, and the parameters with a rate rule."""
    root = ElementTree.fromstring(sbml.encode())
    fixed = {
        each.get("variable") or each.get("symbol")
        for each in root.iter()
        if tag(each) in ("assignmentRule", "initialAssignment")
    }
    ruled = {each.get("variable") for each in root.iter() if tag(each) == "rateRule"} - fixed
    elements = identifiers(root).items()
    return {
        name for name, each in elements if name in ruled or (tag(each) == "species" and name not in fixed)
    }


def free_parameters(sbml):
    """Return the parameters with a number that no rule, initial assignment or event changes."""
    root = ElementTree.fromstring(sbml.encode())
    key = "name" if root.get("level") == "1" else "id"
    changed = {
        each.get("variable") or each.get("symbol") or each.get("name")
        for each in root.iter()
        if tag(each) in RULED
    }
    return {
        name
        for name, each in identifiers(root).items()
        if "arameter" in tag(each)
        and each.get("value") is not None
        and not (name == each.get(key) and name in changed)
    }


def written(sbml, values, stimulus=None):
    """Return a document with these values, and with the event of a stimulus (name, value, onset)."""
    root = ElementTree.fromstring(sbml.encode())
    elements = identifiers(root)
    for name, value in values.items():
        element = elements[name]
        if "arameter" in tag(element):
            element.set("value", repr(float(value)))
        elif root.get("level") == "1":
            element.set("initialAmount", repr(float(value) * _volume(root, element.get("compartment"))))
        else:
            element.attrib.pop("initialAmount", None)
            element.set("initialConcentration", repr(float(value)))
    if stimulus is not None:
        _add_event(root, *stimulus)
    return ElementTree.tostring(root, encoding="unicode")


def _volume(root, name):
    compartments = (each for each in root.iter() if tag(each) == "compartment")
    return float(next(each for each in compartments if each.get("name") == name).get("volume", 1))


def _add_event(root, variable, value, onset):
    """Add the event that sets a variable at an onset, before all others."""
    identifiers(root)[variable].set("constant", "false")
    level_3 = root.get("level") == "3"
    core = root.tag.rpartition("}")[0].removeprefix("{")
    flags = ' persistent="true" initialValue="false"' if level_3 else ""
    priority = f'<priority><math xmlns="{MATH}"><cn>1e7</cn></math></priority>' if level_3 else ""
    event = ElementTree.fromstring(
        f'<event xmlns="{core}" useValuesFromTriggerTime="true">'
        f'<trigger{flags}><math xmlns="{MATH}"><apply><geq/><csymbol encoding="text" '
        'definitionURL="http://www.sbml.org/sbml/symbols/time"> t </csymbol>'
        f"<cn>{onset!r}</cn></apply></math></trigger>{priority}"
        f'<listOfEventAssignments><eventAssignment variable="{variable}"><math xmlns="{MATH}"><cn>{value!r}</cn>'
        "</math></eventAssignment></listOfEventAssignments></event>"
    )
    model = next(child for child in root if tag(child) == "model")
    events = next((child for child in model if tag(child) == "listOfEvents"), None)
    if events is None:
        events = ElementTree.SubElement(model, f"{{{core}}}listOfEvents")
    events.append(event)


def sbml_of(text):
    """Return an Antimony text as SBML."""
    antimony.clearPreviousLoads()
    assert antimony.loadAntimonyString(text) != -1, antimony.getLastError()
    return antimony.getSBMLString(antimony.getMainModuleName())


@contextmanager
def _settings(**values):
    """Set keys of libRoadRunner: no attributes from ids, which would replace methods; the faster compiler."""
    config = roadrunner.Config
    before = {name: config.getValue(getattr(config, name)) for name in values}
    try:
        for name, value in values.items():
            config.setValue(getattr(config, name), value)
        yield
    finally:
        for name, value in before.items():
            config.setValue(getattr(config, name), value)


def fresh(sbml, names, times, relative=1e-10, absolute=1e-13):
    """Return the concentrations of a fresh libRoadRunner; float array, shape (n_names, n_times)."""
    roadrunner.Logger.setLevel(roadrunner.Logger.LOG_FATAL)
    with _settings(ROADRUNNER_DISABLE_PYTHON_DYNAMIC_PROPERTIES=True, LLVM_BACKEND=roadrunner.Config.LLJIT):
        runner = roadrunner.RoadRunner(sbml)
    runner.integrator.relative_tolerance, runner.integrator.absolute_tolerance = relative, absolute
    runner.integrator.maximum_num_steps = 200_000
    runner.timeCourseSelections = [f"[{name}]" for name in names]
    return np.array(runner.simulate(times=list(times))).T
