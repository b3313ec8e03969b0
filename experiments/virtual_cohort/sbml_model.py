"""A model in SBML or Antimony, compiled by libRoadRunner, and its values that can vary between patients."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from lakebatch.errors import MissingDependencyError

from .sbml_document import (
    declared_parameters,
    event_variables,
    given_concentrations,
    parse,
    require_distinct_ids,
    require_priorities,
    stoichiometry_sources,
    unusable,
    with_event_order,
    with_global_parameters,
)

ANTIMONY_IMPORT = re.compile(r'import(?:[\s\\]|/\*(?:(?!\*/).)*+\*/)*+"', re.DOTALL)
# the statement that makes Antimony read another file, with every token allowed before the file name

BYTE_ORDER_MARK = "\ufeff"
ONSET = "lakebatch_onset"
"""Id of the event that is added to a model."""


@dataclass(frozen=True, eq=False)
class SbmlModel:
    """A compiled model.

    Attributes
    ----------
    runner : roadrunner.RoadRunner
        The compiled model and its integrator.
    form_names : tuple of str
        The floating species; all are simulated.
    initial_concentrations : mapping of str to float, the model's units
        Of the species whose initial concentration the model gives as a number; the others follow from
        rules or other values.
    other_inputs : mapping of str to float, the model's units
        Initial values of what varies as an input only where it is named: boundary species, by their
        concentrations, and parameters with a rate rule, such as doses.
    parameters : mapping of str to float, the model's units
        The global parameters that the model gives as a number and that no rule or event changes.
    given_concentrations : mapping of str to float, the model's units
        Of the species, boundary species included, whose initial value the model gives as a concentration:
        their amounts follow the volume.
    stoichiometry_sources : frozenset of str
        What the stoichiometries at the start follow from; libRoadRunner works these out only once.
    """

    runner: Any
    form_names: tuple[str, ...]
    initial_concentrations: Mapping[str, float]
    other_inputs: Mapping[str, float]
    parameters: Mapping[str, float]
    given_concentrations: Mapping[str, float]
    stoichiometry_sources: frozenset[str]


def load_model(text: str) -> SbmlModel:
    """Return the compiled model of an SBML or Antimony text.

    The parameters of single reactions become global ones, called ``{reaction}_{parameter}``.

    Raises
    ------
    ConfigError
        If the text is no model that can be simulated.
    MissingDependencyError
        If libRoadRunner or Antimony is not installed.
    """
    roadrunner = import_optional("roadrunner", "libroadrunner")
    roadrunner.Logger.setLevel(roadrunner.Logger.LOG_FATAL)  # its errors are raised, and shown once
    text = text.removeprefix(BYTE_ORDER_MARK)
    sbml = text if text.lstrip().startswith("<") else _to_sbml(text)
    parse(sbml)
    try:
        sbml = roadrunner.RoadRunner.getParamPromotedSBML(with_global_parameters(sbml))
        require_distinct_ids(parse(sbml))
        sbml = with_event_order(sbml)
        return _describe(_compile(roadrunner, sbml), sbml)
    except RuntimeError as error:
        raise unusable(first_sentence(str(error))) from error


def _compile(roadrunner: Any, sbml: str) -> Any:
    """Return the runner of a model."""
    with _no_attributes(roadrunner):
        return roadrunner.RoadRunner(sbml)


@contextmanager
def _no_attributes(roadrunner: Any) -> Iterator[None]:
    """Make no attributes of a runner from the ids of its model: they would replace its methods."""
    key = roadrunner.Config.ROADRUNNER_DISABLE_PYTHON_DYNAMIC_PROPERTIES
    before = roadrunner.Config.getValue(key)
    roadrunner.Config.setValue(key, True)
    try:
        yield
    finally:
        roadrunner.Config.setValue(key, before)


def has_events(model: SbmlModel) -> bool:
    """Return whether a compiled model has events."""
    return bool(model.runner.model.getNumEvents())


def integrated_names(model: SbmlModel) -> list[str]:
    """Return the integrated variables, in the order of the tolerances: floating species, and by rate rules."""
    runner = model.runner
    runner.integrator.absolute_tolerance = (
        1e-12  # a single number, of which a vector of the right length is made
    )
    count = len(runner.integrator.getAbsoluteToleranceVector())
    return [runner.model.getStateVectorId(index) for index in range(count)]


def add_event(model: SbmlModel, variable: str, value: float, onset: float) -> None:
    """Add the event that sets a variable at an onset, before all others, and compile the model again.

    Raises
    ------
    ConfigError
        If the level of SBML has no priorities of events.
    """
    runner = model.runner
    with _no_attributes(import_optional("roadrunner", "libroadrunner")):
        require_priorities(parse(runner.getSBML()))
        runner.setConstant(variable, False, False)
        runner.addEvent(ONSET, False, f"time >= {onset!r}", False)
        runner.setTriggerInitialValue(ONSET, False, False)
        runner.addPriority(ONSET, "1000000", False)
        runner.addEventAssignment(ONSET, variable, repr(value), True)


def import_optional(module: str, package: str) -> Any:
    """Return a module of the extra ``sbml``.

    Raises
    ------
    MissingDependencyError
        If its package is not installed; the message says what to install.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingDependencyError(
            f"The config key 'sbml' needs the package {package}, which is not installed. "
            "Install it with: pip install 'lakebatch[sbml]'"
        ) from error


def _to_sbml(text: str) -> str:
    """Return an Antimony text as SBML."""
    if ANTIMONY_IMPORT.search(text):
        raise unusable(
            "it imports another file, and a record must be whole without one; put both into one text"
        )
    antimony = import_optional("antimony", "antimony")
    antimony.clearPreviousLoads()
    if antimony.loadAntimonyString(text) == -1:
        raise unusable(_antimony_error(antimony))
    return str(antimony.getSBMLString(antimony.getMainModuleName()))


def _antimony_error(antimony: Any) -> str:
    try:
        return " ".join(antimony.getLastError().split())
    except UnicodeDecodeError:  # it quotes the first byte of a character
        return "it has a character that Antimony does not know"


def first_sentence(message: str) -> str:
    """Return an error of libRoadRunner on one line, without the place in its source.

    >>> first_sentence("CVODE Error: CV_TOO_MUCH_WORK; In virtual double rr::integrate(double)")
    'CVODE Error: CV_TOO_MUCH_WORK'
    """
    return " ".join(re.sub(r"[;,] (In|at) [^;,]*::.*", "", message, flags=re.DOTALL).split()).rstrip(".")


def _describe(runner: Any, sbml: str) -> SbmlModel:
    """Return a model with the nominal values that can vary."""
    model = runner.model
    species = tuple(model.getFloatingSpeciesIds())
    root = parse(sbml)
    rules = {*runner.getAssignmentRuleIds(), *runner.getInitialAssignmentIds()}
    declared = declared_parameters(root)  # libRoadRunner's parameters include stoichiometries
    determined = rules | {*runner.getRateRuleIds(), *event_variables(root)}
    concentrations = zip(species, model.getFloatingSpeciesInitConcentrations().tolist(), strict=True)
    parameters = zip(model.getGlobalParameterIds(), model.getGlobalParameterValues().tolist(), strict=True)
    given = given_concentrations(root).items()
    return SbmlModel(
        runner,
        species,
        {name: value for name, value in concentrations if name not in rules},
        {name: value for name, value in _other_inputs(runner, declared).items() if name not in rules},
        {name: value for name, value in parameters if name in declared - determined},
        {name: value for name, value in given if name not in rules},
        frozenset(stoichiometry_sources(root)),
    )


def _other_inputs(runner: Any, parameters: set[str]) -> dict[str, float]:
    """Return the initial values of boundary species and of parameters with a rate rule."""
    model = runner.model
    boundary = {name: model.getValue(f"init([{name}])") for name in model.getBoundarySpeciesIds()}
    ruled = parameters.intersection(runner.getRateRuleIds())
    return {**boundary, **{name: model.getValue(f"init({name})") for name in sorted(ruled)}}
