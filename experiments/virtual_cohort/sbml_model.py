"""A model in SBML or Antimony, compiled by libRoadRunner, and its values that can vary between patients."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

from lakebatch.errors import MissingDependencyError
from lakebatch.experiment import environment_defaults

from .sbml_document import (
    declared_parameters,
    event_variables,
    given_concentrations,
    parse,
    require_consistent,
    require_distinct_ids,
    stoichiometry_sources,
    unusable,
    with_event_order,
    with_global_parameters,
)

ANTIMONY_IMPORT = re.compile(r'import(?:[\s\\]|/\*(?:(?!\*/).)*+\*/)*+"', re.DOTALL)
# the statement that makes Antimony read another file, with every token allowed before the file name

BYTE_ORDER_MARK = "\ufeff"
SILENT_SOLVER = {"SUNLOGGER_ERROR_FILENAME": "/dev/null", "SUNLOGGER_WARNING_FILENAME": "/dev/null"}
# CVODE writes warnings and errors to the terminal from C, unless these name a file when it is created; its errors are
# also raised


@dataclass(frozen=True, eq=False)
class SbmlModel:
    """A compiled model.

    Attributes
    ----------
    runner : roadrunner.RoadRunner
        The compiled model and its integrator.
    document : str
        The SBML that was compiled.
    form_names : tuple of str
        What is simulated: the floating species; in a model without any, what rate rules change.
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
    document: str
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
    sbml = text if text.lstrip().startswith("<") else antimony_to_sbml(text)
    require_consistent(parse(sbml))
    try:
        sbml = roadrunner.RoadRunner.getParamPromotedSBML(with_global_parameters(sbml))
        require_distinct_ids(parse(sbml))
        sbml = with_event_order(sbml)
        return _describe(_compile(sbml), sbml)
    except RuntimeError as error:
        raise unusable(first_sentence(str(error))) from error


def _compile(sbml: str) -> Any:
    """Return the runner of a model."""
    roadrunner = import_optional("roadrunner", "libroadrunner")
    with _compiling(roadrunner):
        return roadrunner.RoadRunner(sbml)


@contextmanager
def _compiling(roadrunner: Any) -> Iterator[None]:
    """Make runners whose solver is silent, and without attributes from the ids of the model.

    Such attributes would replace methods.
    """
    key = roadrunner.Config.ROADRUNNER_DISABLE_PYTHON_DYNAMIC_PROPERTIES
    before = roadrunner.Config.getValue(key)
    roadrunner.Config.setValue(key, True)
    try:
        with environment_defaults(SILENT_SOLVER):
            yield
    finally:
        roadrunner.Config.setValue(key, before)


def has_events(model: SbmlModel) -> bool:
    """Return whether a compiled model has events."""
    return bool(model.runner.model.getNumEvents())


def integrated_names(model: SbmlModel) -> list[str]:
    """Return the integrated variables, in the order of the tolerances: floating species, and by rate rules."""
    return _integrated(model.runner)


def _integrated(runner: Any) -> list[str]:
    runner.integrator.absolute_tolerance = (
        1e-12  # a single number, of which a vector of the right length is made
    )
    count = len(runner.integrator.getAbsoluteToleranceVector())
    return [runner.model.getStateVectorId(index) for index in range(count)]


def selection(model: SbmlModel, name: str) -> str:
    """Return what libRoadRunner calls the concentration of a species, or the value of anything else."""
    runner = model.runner.model
    species = {*runner.getFloatingSpeciesIds(), *runner.getBoundarySpeciesIds()}
    return f"[{name}]" if name in species else name


def outcomes(model: SbmlModel) -> list[str]:
    """Return what can be an outcome: what is simulated, and what else a rule or an event changes."""
    runner, root = model.runner, parse(model.document)
    changed = [*runner.getAssignmentRuleIds(), *runner.getRateRuleIds(), *sorted(event_variables(root))]
    known = {
        *runner.model.getBoundarySpeciesIds(),
        *runner.model.getCompartmentIds(),
        *runner.model.getGlobalParameterIds(),
    }
    return list(dict.fromkeys([*model.form_names, *(name for name in changed if name in known)]))


def compile_again(model: SbmlModel, document: str) -> SbmlModel:
    """Return a model with another document, in which nothing that can vary is another.

    Raises
    ------
    ConfigError
        If it cannot be compiled.
    """
    try:
        return replace(model, runner=_compile(document), document=document)
    except RuntimeError as error:
        raise unusable(first_sentence(str(error))) from error


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
            f"SBML models (the config key 'sbml') need the package {package}, which is not installed. "
            "Install it with: pip install 'lakebatch[sbml]'"
        ) from error


def antimony_to_sbml(text: str) -> str:
    """Return an Antimony text as SBML.

    Raises
    ------
    ConfigError
        If it cannot be read, or imports another file.
    MissingDependencyError
        If Antimony is not installed.
    """
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
        sbml,
        species or tuple(_integrated(runner)),
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
