"""Edits of an SBML document: infusions, and events at given times."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from .sbml_document import MATH, elements, tag, unusable
from .stimulus_changes import Change

TIME = "http://www.sbml.org/sbml/symbols/time"
FIRST_PRIORITY = 1_000_000
# of the events of the stimuli, which differ: above those that a model gives
LISTS = (
    "notes",
    "annotation",
    "listOfFunctionDefinitions",
    "listOfUnitDefinitions",
    "listOfCompartmentTypes",
    "listOfSpeciesTypes",
    "listOfCompartments",
    "listOfSpecies",
    "listOfParameters",
    "listOfInitialAssignments",
    "listOfRules",
    "listOfConstraints",
    "listOfReactions",
    "listOfEvents",
)
# the order of what a model consists of


class Editor:
    """Edits an SBML document.

    Attributes
    ----------
    root : Element
        The document.
    changed : bool
        Whether it was edited.
    """

    def __init__(self, root: Element) -> None:
        self.root = root
        self.changed = False
        self._model = next(each for each in root if tag(each) == "model")
        self._ids = {each.get("id", "") for each in root.iter()}
        self._level, self._version = int(root.get("level", "3")), int(root.get("version", "1"))

    def text(self) -> str:
        """Return the text of the document."""
        return ElementTree.tostring(self.root, encoding="unicode")

    def symbol(self, name: str) -> str:
        """Return what libRoadRunner calls the quantity that the name of a target stands for in formulas."""
        species = self._find("species", name)
        return name if species is None or _is_true(species, "hasOnlySubstanceUnits") else f"[{name}]"

    def add_infusion(self, target: str) -> str:
        """Return a new parameter, 0, which is the rate of infusion into a target; amount / time.

        Raises
        ------
        ConfigError
            If the level of SBML has no formulas in MathML.
        """
        if self._level < 2:
            raise unusable("it is SBML level 1, to which no infusion can be added; convert it to level 3")
        rate = self._add_parameter("infusion", target)
        rule = next(
            (each for each in elements(self.root, "rateRule") if each.get("variable") == target), None
        )
        if rule is None:
            self._require_variable(target)
            self._add_reaction(target, rate)
        else:
            (math,) = (each for each in rule if each.tag == f"{MATH}math")
            math[:] = [_apply("plus", math[0], self._per_volume(_name(rate), target))]
        return rate

    def add_events(self, changes: Iterable[Change], infusions: Mapping[str, str]) -> None:
        """Add an event for each time of changes, before all other events.

        Raises
        ------
        ConfigError
            If the level of SBML has no events, or none at time 0.
        """
        starts: dict[str, str] = {}
        for place, change in enumerate(changes):
            assigned = {infusions[name]: _number(rate) for name, rate in change.rates.items()}
            for name, value in change.values.items():
                if value is None:
                    starts[name] = starts.get(name) or self._add_start(name)
                    assigned[name] = _name(starts[name])
                else:
                    assigned[name] = self._concentration(name, value)
            for name, dose in change.doses.items():
                assigned[name] = _apply("plus", _name(name), self._per_volume(_number(dose), name))
            self._add_event(change.time, FIRST_PRIORITY + place, assigned)

    def _find(self, kind: str, name: str) -> Element | None:
        """Return the element of a name, which is an attribute of another name in level 1."""
        found = (each for each in elements(self.root, kind) if each.get("id", each.get("name")) == name)
        return next(found, None)

    def _volume(self, species: Element | None) -> Element | None:
        """Return the volume by which an amount becomes what the name of a target stands for, if there is one."""
        if species is None or _is_true(species, "hasOnlySubstanceUnits"):
            return None
        return _name(species.attrib["compartment"])

    def _per_volume(self, amount: Element, target: str) -> Element:
        volume = self._volume(self._find("species", target))
        return amount if volume is None else _apply("divide", amount, volume)

    def _concentration(self, target: str, value: float) -> Element:
        """Return the formula of a value, which is a concentration if the target is a species."""
        species = self._find("species", target)
        if species is None or not _is_true(species, "hasOnlySubstanceUnits"):
            return _number(value)
        return _apply("times", _number(value), _name(species.attrib["compartment"]))

    def _add_start(self, target: str) -> str:
        """Return a new parameter that keeps what a target is at the start.

        Raises
        ------
        ConfigError
            If the level of SBML has no initial assignments.
        """
        if (self._level, self._version) < (2, 2):
            raise unusable(
                f"it is SBML level {self._level} version {self._version}, which cannot keep the value from before a "
                "pulse; convert it to level 3"
            )
        name = self._add_parameter("start", target)
        assignments = self._list("listOfInitialAssignments")
        assignment = self._element(assignments, "initialAssignment", symbol=name)
        _math(assignment, _name(target))
        return name

    def _add_parameter(self, what: str, target: str) -> str:
        name = f"lakebatch_{what}_{target}"
        while name in self._ids:
            name += "_"
        self._ids.add(name)
        self._element(self._list("listOfParameters"), "parameter", id=name, value="0", constant="false")
        return name

    def _add_reaction(self, target: str, rate: str) -> None:
        """Add the reaction that makes a species at a rate."""
        fast = {"fast": "false"} if (self._level, self._version) == (3, 1) else {}
        attributes = {"id": f"{rate}_reaction", "reversible": "false", **fast}
        reaction = self._element(self._list("listOfReactions"), "reaction", **attributes)
        constant = {"constant": "true"} if self._level > 2 else {}
        products = self._element(reaction, "listOfProducts")
        self._element(products, "speciesReference", species=target, stoichiometry="1", **constant)
        factor = self._conversion_factor(target)
        formula = _name(rate) if factor is None else _apply("divide", _name(rate), _name(factor))
        _math(self._element(reaction, "kineticLaw"), formula)

    def _conversion_factor(self, target: str) -> str | None:
        """Return the factor by which the extent of a reaction becomes the amount of a species."""
        species = self._find("species", target)
        own = None if species is None else species.get("conversionFactor")
        return own or self._model.get("conversionFactor")

    def _add_event(self, time: float, priority: int, assigned: Mapping[str, Element]) -> None:
        if self._level < 2 or (self._level == 2 and time <= 0):
            raise unusable(
                f"it is SBML level {self._level}, which has no event at time {time:g}; convert it to level 3"
            )
        events = self._list("listOfEvents")
        name = f"lakebatch_stimulus_{len(events)}"
        while name in self._ids:
            name += "_"
        modern = self._level > 2
        event = self._element(
            events, "event", id=name, **{"useValuesFromTriggerTime": "false"} if modern else {}
        )
        trigger = self._element(
            event, "trigger", **{"initialValue": "false", "persistent": "false"} if modern else {}
        )
        _math(trigger, _apply("geq", _time(), _number(time)))
        if modern:
            _math(self._element(event, "priority"), _number(priority))
        assignments = self._element(event, "listOfEventAssignments")
        for variable, formula in assigned.items():
            self._require_variable(variable)
            _math(self._element(assignments, "eventAssignment", variable=variable), formula)

    def _require_variable(self, name: str) -> None:
        """Declare that a target is not constant."""
        for kind in ("species", "parameter"):
            element = self._find(kind, name)
            if element is not None:
                element.set("constant", "false")

    def _list(self, name: str) -> Element:
        """Return a list of the model, which is added in its place if there is none."""
        found = next((each for each in self._model if tag(each) == name), None)
        if found is not None:
            return found
        before = LISTS[: LISTS.index(name)]
        place = sum(tag(each) in before for each in self._model)
        new = ElementTree.Element(f"{self._namespace}{name}")
        self._model.insert(place, new)
        return new

    @property
    def _namespace(self) -> str:
        return self._model.tag.rpartition("}")[0] + "}"

    def _element(self, parent: Element, kind: str, **attributes: str) -> Element:
        self.changed = True
        return ElementTree.SubElement(parent, f"{self._namespace}{kind}", attributes)


def _is_true(element: Element, attribute: str) -> bool:
    return element.get(attribute) in ("true", "1")


def _math(parent: Element, formula: Element) -> None:
    ElementTree.SubElement(parent, f"{MATH}math").append(formula)


def _apply(operator: str, *arguments: Element) -> Element:
    element = ElementTree.Element(f"{MATH}apply")
    element.append(ElementTree.Element(f"{MATH}{operator}"))
    element.extend(arguments)
    return element


def _name(name: str) -> Element:
    element = ElementTree.Element(f"{MATH}ci")
    element.text = name
    return element


def _number(value: float) -> Element:
    """Return a number without an exponent, so that it is read as the same one."""
    element = ElementTree.Element(f"{MATH}cn")
    element.text = format(Decimal(repr(value)), "f")
    return element


def _time() -> Element:
    element = ElementTree.Element(f"{MATH}csymbol", encoding="text", definitionURL=TIME)
    element.text = "time"
    return element
