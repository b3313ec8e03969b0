"""The text of an SBML document: what is refused in it, and how its values depend on each other."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import NamedTuple
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from lakebatch.errors import ConfigError

DOCUMENT_TYPE = "<!DOCTYPE"
# a document type can declare entities for other files or gigabytes of text; SBML has none
EXTERNAL_MODEL = "externalModelDefinition"
PACKAGE = "http://www.sbml.org/sbml/level3/version1/"
READ_PACKAGES = {"comp", "distrib", "extendedmath"}
# packages without which a model has another meaning, and that libRoadRunner reads or `parse` refuses itself

IDENTIFIED = {
    "functionDefinition",
    "compartment",
    "species",
    "specie",
    "parameter",
    "reaction",
    "speciesReference",
    "specieReference",
    "event",
}
# elements whose ids must differ; those of the parameters of a reaction are its own
RULE = "a rule"
REFERENCES = (
    ("assignmentRule", "variable", RULE),
    ("rateRule", "variable", RULE),
    ("initialAssignment", "symbol", "an initial assignment"),
    ("eventAssignment", "variable", "an event"),
    ("speciesReference", "species", "a reaction"),
    ("specieReference", "specie", "a reaction"),
    ("modifierSpeciesReference", "species", "a reaction"),
)
# elements, their attribute with an id of another element, and what people call them

MATH = "{http://www.w3.org/1998/Math/MathML}"
LAST_PRIORITY = -1e12
# of events without a priority: below those that a model gives
TIE = 1e-12
# difference that breaks a tie of priorities, relative to them: above rounding errors, below the solver's errors
RANDOM = ("/symbols/distrib/", "/annotations/distribution")
# addresses of the definitions of random draws: in a formula, and in the annotation of a function


def parse(sbml: str) -> Element:
    """Return the root of an SBML document.

    Raises
    ------
    ConfigError
        If it has no SBML model, or one that libRoadRunner would read as another one. libRoadRunner ends the
        process where a text is not XML.
    """
    if DOCUMENT_TYPE in sbml:
        raise unusable("it has a document type, which SBML has not")
    try:
        root = ElementTree.fromstring(sbml.encode())
    except ElementTree.ParseError as error:
        raise unusable(f"it is not well-formed XML ({error})") from error
    if tag(root) != "sbml" or "model" not in [tag(child) for child in root]:
        raise unusable("it is XML without an SBML model")
    _require_flat(root)
    _require_repeatable(root)
    return root


def require_consistent(root: Element) -> None:
    """Raise if ids are not unique, or something is set or reacts that a model lacks.

    Of elements with the same id libRoadRunner mixes them up or ends the process; it leaves out what refers to a
    missing one.
    """
    key = "name" if root.get("level") == "1" else "id"
    local = {each for law in elements(root, "kineticLaw") for each in law.iter()}
    named = (
        each for each in root.iter() if tag(each) in IDENTIFIED and key in each.attrib and each not in local
    )
    ids = Counter(each.attrib[key] for each in named)
    for name, count in ids.items():
        if not name:
            raise unusable(f"one of its elements has an empty {key}; expected one that names it")
        if count > 1:
            raise unusable(f"{count} of its elements have the id {name!r}; give each another one")
    for name, count in Counter(_references(root)).items():
        if name.id not in ids:
            raise unusable(f"{name.by} refers to {name.id!r}, which it lacks")
        if name.by == RULE and count > 1:
            raise unusable(f"{count} rules determine {name.id!r}; expected one")


class _Reference(NamedTuple):
    """A reference to an id, by something with a name for people."""

    by: str
    id: str


def _references(root: Element) -> Iterator[_Reference]:
    """Yield the ids that rules, events and initial assignments set, and the species in reactions."""
    for kind, key, by in REFERENCES:
        for each in elements(root, kind):
            if key in each.attrib:
                yield _Reference(by, each.attrib[key])


def _require_flat(root: Element) -> None:
    """Raise if a model consists of several, or needs a package that libRoadRunner does not read."""
    if has(root, EXTERNAL_MODEL):
        raise unusable("it refers to a model in another file, and a record must be whole without one")
    if has(root, "submodel"):
        raise unusable(
            "it has submodels (SBML comp); write it as one model with roadrunner.RoadRunner(PATH).getCurrentSBML()"
        )
    for name in _required_packages(root):
        if name not in READ_PACKAGES:
            raise unusable(f"it needs the SBML package {name}, which libRoadRunner does not read")


def _require_repeatable(root: Element) -> None:
    """Raise if a model draws random numbers, so that no patient could be simulated again."""
    for element in root.iter():
        addresses = (element.tag, *element.attrib.values())
        if any(part in address for part in RANDOM for address in addresses):
            raise unusable("it draws random numbers, and rows must be the same whenever they are computed")


def _required_packages(root: Element) -> Iterator[str]:
    """Yield the packages that a document declares as required."""
    for key, value in root.attrib.items():
        namespace, _, name = key.removeprefix("{").rpartition("}")
        if name == "required" and value in ("true", "1"):
            yield namespace.removeprefix(PACKAGE).partition("/")[0]


def unusable(reason: str) -> ConfigError:
    """Return the error of a model that cannot be simulated."""
    return ConfigError(
        f"Config key 'sbml.model' cannot be simulated: {reason.rstrip('.')}. Expected an SBML or Antimony model."
    )


def tag(element: Element) -> str:
    """Return the name of an element without its namespace."""
    return str(element.tag).rpartition("}")[2]


def elements(root: Element, name: str) -> Iterator[Element]:
    """Yield the elements of a name, whatever their namespace."""
    return (element for element in root.iter() if tag(element) == name)


def has(root: Element, name: str) -> bool:
    """Return whether there is an element of a name."""
    return next(elements(root, name), None) is not None


def given_concentrations(root: Element) -> dict[str, float]:
    """Return the initial concentrations of the species that have one as an attribute."""
    attribute = "initialConcentration"
    species = (each.attrib for each in elements(root, "species") if attribute in each.attrib)
    return {each["id"]: float(each[attribute]) for each in species}


def declared_parameters(root: Element) -> set[str]:
    """Return the names of the parameters; of SBML level 1, whose elements have no id, the names."""
    return {each.get("id") or each.get("name", "") for each in elements(root, "parameter")}


def event_variables(root: Element) -> set[str]:
    """Return the names that events change."""
    return {each.attrib["variable"] for each in elements(root, "eventAssignment")}


def stoichiometry_sources(root: Element) -> set[str]:
    """Return the names that initial stoichiometries follow from, also through other values."""
    formulas = _formulas(root)
    sources: set[str] = set()
    found = _stoichiometry_names(root, formulas)
    while found:
        sources |= found
        found = {source for name in found for source in formulas.get(name, ())} - sources
    return sources


def _stoichiometry_names(root: Element, formulas: Mapping[str, set[str]]) -> set[str]:
    """Return the names in the formulas of initial stoichiometries."""
    names = {name for each in elements(root, "stoichiometryMath") for name in _names(each)}
    assigned = {each.get("symbol", "") for each in elements(root, "initialAssignment")}
    references = {each.get("id", "") for each in elements(root, "speciesReference")}
    return names.union(*(formulas[each] for each in references & assigned))


def _formulas(root: Element) -> dict[str, set[str]]:
    """Return the names that values follow from at the start: by assignments, and of a species its compartment."""
    formulas: dict[str, set[str]] = {
        each.get("id", ""): {each.get("compartment", "")} for each in elements(root, "species")
    }
    for kind, key in (("initialAssignment", "symbol"), ("assignmentRule", "variable")):
        for each in elements(root, kind):
            formulas.setdefault(each.attrib[key], set()).update(_names(each))
    return formulas


def _names(element: Element) -> set[str]:
    """Return the names in a formula."""
    return {(each.text or "").strip() for each in elements(element, "ci")}


def with_global_parameters(sbml: str) -> str:
    """Return a document of SBML level 1 whose parameters of reactions are global ones.

    Of higher levels libRoadRunner does this itself; of level 1 it leaves the formulas as they are.
    """
    root = parse(sbml)
    if root.get("level") != "1":
        return sbml
    model = next(child for child in root if tag(child) == "model")
    taken = {each.get("name", "") for each in root.iter()}
    for reaction in elements(model, "reaction"):
        for law in elements(reaction, "kineticLaw"):
            local = list(elements(law, "parameter"))
            names = {each.get("name", ""): f"{reaction.get('name')}_{each.get('name')}" for each in local}
            if taken & {*names.values()}:
                raise unusable(
                    f"the parameters of the reaction {reaction.get('name')} become {', '.join(names.values())}, which "
                    "something else is called; give one of them another name"
                )
            words = re.split(r"(\w+)", law.get("formula", ""))
            law.set("formula", "".join(names.get(word, word) for word in words))
            _add_parameters(model, local, names)
            law[:] = [child for child in law if tag(child) != "listOfParameters"]
    return ElementTree.tostring(root, encoding="unicode")


def _add_parameters(model: Element, parameters: list[Element], names: Mapping[str, str]) -> None:
    """Add parameters to those of a model, under new names."""
    listed = next((child for child in model if tag(child) == "listOfParameters"), None)
    if listed is None:
        before = ("listOfRules", "listOfReactions")
        index = next(index for index, child in enumerate(model) if tag(child) in before)
        listed = ElementTree.Element(f"{model.tag.rpartition('}')[0]}}}listOfParameters")
        model.insert(index, listed)
    for each in parameters:
        each.set("name", names[each.get("name", "")])
        listed.append(each)


def require_distinct_ids(root: Element) -> None:
    """Raise if a parameter has the id of something else, as one of a reaction can when it becomes a global one."""
    kinds = ("species", "compartment", "reaction", "speciesReference", "functionDefinition", "event")
    taken = {each.get("id") for kind in kinds for each in elements(root, kind)}
    for name in sorted(declared_parameters(root) & taken):
        raise unusable(
            f"the parameter {name.rpartition('_')[2]} of a reaction becomes {name}, which something else is called; "
            "give one of them another id"
        )


def with_event_order(sbml: str) -> str:
    """Return a document in which no two events have the same priority.

    Events that fire at the same time with equal or no priorities are executed in random order. Here those with
    equal ones are executed in their order in the document, and those without one after all others.

    Raises
    ------
    ConfigError
        If there are several events in a level of SBML without priorities.
    """
    root = parse(sbml)
    events = list(elements(root, "event"))
    if len(events) < 2:
        return sbml
    require_priorities(root)
    for index, event in enumerate(events):
        math = next((math for each in elements(event, "priority") for math in elements(each, "math")), None)
        if math is None:
            _set_priority(event, LAST_PRIORITY - index)
        else:
            _lower(math, index * TIE)
    return ElementTree.tostring(root, encoding="unicode")


def _lower(math: Element, share: float) -> None:
    """Lower a formula by a share of itself, to break ties."""
    size = _apply("plus", _number(1.0), _apply("abs", math[-1]))
    math[-1] = _apply("minus", math[-1], _apply("times", _number(share), size))


def _apply(operator: str, *arguments: Element) -> Element:
    """Return a formula of an operator."""
    element = ElementTree.Element(f"{MATH}apply")
    ElementTree.SubElement(element, f"{MATH}{operator}")
    element.extend(arguments)
    return element


def _number(value: float) -> Element:
    """Return a number in a formula, which has no exponent there."""
    element = ElementTree.Element(f"{MATH}cn")
    element.text = f"{value:.15f}"
    return element


def require_priorities(root: Element) -> None:
    """Raise if the level of SBML has no priorities of events."""
    if root.get("level") in ("1", "2"):
        raise unusable(
            "it has several events in SBML level 2, the stimulus included, which are executed in random order where "
            "they fire at the same time; convert it to level 3"
        )


def _set_priority(event: Element, priority: float) -> None:
    """Give an event a priority; libsbml reads it anywhere after the trigger."""
    for empty in list(elements(event, "priority")):
        event.remove(empty)
    element = ElementTree.Element(f"{event.tag.rpartition('}')[0]}}}priority")
    ElementTree.SubElement(element, f"{MATH}math").append(_number(priority))
    before = ("notes", "annotation", "trigger")
    event.insert(sum(tag(child) in before for child in event), element)
