"""Write one patient's model as SBML, for other simulators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from .sbml_document import MATH, parse, tag
from .sbml_model import antimony_to_sbml

if TYPE_CHECKING:
    from .sbml_simulator import SbmlSimulator


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
    """Return the model with one patient's values, and the stimulus as events of it.

    Parameters
    ----------
    parameters : mapping of str to float, the model's units
        The patient's values of ``simulator.parameter_names``.
    initial_concentrations : mapping of str to float, the model's units
        The patient's values of ``simulator.input_names``.

    Raises
    ------
    ConfigError
        If there is a stimulus, and the level of SBML of the model cannot have it as events.
    """
    root = parse(simulator.stimulus.as_events(simulator.model.document))
    for name, value in {**parameters, **simulator.stimulus.initial_values}.items():
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
