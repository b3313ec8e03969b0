"""Write one patient's model as SBML, for other simulators."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from lakebatch.errors import ExperimentError

from .sbml_config import StimulusConfig
from .sbml_document import MATH, elements, parse, tag
from .sbml_model import antimony_to_sbml, has_events

if TYPE_CHECKING:
    from .sbml_simulator import SbmlSimulator

TIME = "http://www.sbml.org/sbml/symbols/time"
ONSET = "lakebatch_onset"
# id of the event of the stimulus


def antimony_document(text: str, values: Mapping[str, float]) -> str:
    """Return an Antimony text as SBML.

    Parameters
    ----------
    values : mapping of str to float, the model's units
        Parameters and initial concentrations, of which Antimony writes 15 digits.

    Raises
    ------
    MissingDependencyError
        If Antimony is not installed.
    """
    root = parse(antimony_to_sbml(text))
    for name, value in values.items():
        _set_value(root, name, value)
    return _text(root)


def patient_document(
    simulator: SbmlSimulator, parameters: Mapping[str, float], initial_concentrations: Mapping[str, float]
) -> str:
    """Return the model with one patient's values, and the stimulus as one of its events.

    Parameters
    ----------
    parameters : mapping of str to float, the model's units
        The patient's values of ``simulator.parameter_names``.
    initial_concentrations : mapping of str to float, the model's units
        The patient's values of ``simulator.input_names``.

    Raises
    ------
    ExperimentError
        If the model has no events and its level of SBML cannot have any, so that a stimulus cannot be written.
    """
    root = parse(simulator.model.runner.getSBML())
    stimulus = simulator.stimulus
    values = dict(parameters) | ({stimulus.parameter: stimulus.before} if stimulus else {})
    if stimulus is not None and not has_events(simulator.model):  # else it is an event of the model
        if stimulus.onset <= simulator.span.start:
            values[stimulus.parameter] = stimulus.after
        else:
            _add_event(root, stimulus)
    for name, value in values.items():
        _set_value(root, name, value)
    has_amounts = root.get("level") == "1"
    for name, value in initial_concentrations.items():
        _set_value(root, name, simulator.initial_amount(name) if has_amounts else value)
    return _text(root)


def _text(root: Element) -> str:
    """Return the text of a document, in which SBML and formulas are without prefixes."""
    core = root.tag.rpartition("}")[0].removeprefix("{")
    for element in root.iter():
        for namespace, begins in ((core, "sbml"), (MATH.strip("{}"), "math")):
            if str(element.tag).startswith(f"{{{namespace}}}"):
                element.tag = tag(element)
                if element.tag == begins:
                    element.set("xmlns", namespace)
    ElementTree.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'


def _set_value(root: Element, name: str, value: float) -> None:
    """Set the value of a parameter, or the initial concentration of a species; in SBML level 1 its amount."""
    key, initial = ("name", "initialAmount") if root.get("level") == "1" else ("id", "initialConcentration")
    for element in root.iter():
        if element.get(key) == name and tag(element) == "parameter":
            element.set("value", repr(float(value)))
        elif element.get(key) == name and tag(element) in ("species", "specie"):
            element.attrib.pop("initialAmount", None)
            element.set(initial, repr(float(value)))


def _add_event(root: Element, stimulus: StimulusConfig) -> None:
    """Add the event of the stimulus to a model without events."""
    level, version = int(root.get("level", "3")), int(root.get("version", "1"))
    if level == 1:
        raise ExperimentError(
            "The model is SBML level 1, which has no events, so its stimulus cannot be written. Expected level 2 or 3: "
            "convert it, e.g. with Antimony, and run it again."
        )
    for parameter in elements(root, "parameter"):
        if parameter.get("id") == stimulus.parameter:
            parameter.set("constant", "false")
    model = next(each for each in root if tag(each) == "model")
    namespace = model.tag.rpartition("}")[0] + "}"
    timed = {"useValuesFromTriggerTime": "true"} if (level, version) >= (2, 4) else {}
    event = _child(_child(model, f"{namespace}listOfEvents"), f"{namespace}event", id=ONSET, **timed)
    lasting = {"initialValue": "true", "persistent": "true"} if level > 2 else {}
    condition = _child(_child(_child(event, f"{namespace}trigger", **lasting), f"{MATH}math"), f"{MATH}apply")
    _child(condition, f"{MATH}geq")
    _child(condition, f"{MATH}csymbol", encoding="text", definitionURL=TIME).text = "time"
    _child(condition, f"{MATH}cn").text = _decimal(stimulus.onset)
    assignments = _child(event, f"{namespace}listOfEventAssignments")
    assignment = _child(assignments, f"{namespace}eventAssignment", variable=stimulus.parameter)
    _child(_child(assignment, f"{MATH}math"), f"{MATH}cn").text = _decimal(stimulus.after)


def _child(parent: Element, name: str, **attributes: str) -> Element:
    return ElementTree.SubElement(parent, name, attributes)


def _decimal(value: float) -> str:
    """Return a number without an exponent, which a plain number in MathML cannot have."""
    return format(Decimal(repr(value)), "f")
