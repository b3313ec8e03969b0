"""A virtual cohort: patients of one network, each with parameters and initial concentrations."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from lakebatch.errors import ConfigError, ExperimentError, SimulationError
from lakebatch.experiment import Diagram, Spread

from .config import CohortModelConfig
from .initial_conditions import base_concentration, input_names
from .network import build_network, network_diagram
from .sbml_simulator import build_sbml_simulator
from .simulator import NetworkSimulator, Simulator
from .time_courses import TimeCourses


@dataclass(frozen=True, eq=False)
class Cohort:
    """Virtual patients and their clean simulation.

    Attributes
    ----------
    simulator : Simulator
        The model that all patients share, and how it is simulated.
    parameters : float array, shape (n_samples, n_parameters)
        One parameter set per patient, columns as in ``simulator.parameter_names``.
    initial_concentrations : float array, shape (n_samples, n_inputs), a.u.
        Of the species that vary between patients, columns as in ``simulator.input_names``.
    time_courses : TimeCourses
        Under these parameters and initial concentrations.
    target : float array, shape (n_samples,), a.u.
        The response: the outcome at the last time point (its active form, in the built-in network).
    drop : bool
        Whether patients that cannot be integrated are `TimeCourses.failures`, with NaN as target, and no error.
    """

    simulator: Simulator
    parameters: np.ndarray
    initial_concentrations: np.ndarray
    time_courses: TimeCourses
    target: np.ndarray
    drop: bool = False

    @property
    def simulated(self) -> np.ndarray:
        """Whether each patient could be simulated; bool array, shape (n_samples,)."""
        simulated = np.ones(len(self.target), dtype=bool)
        simulated[list(self.time_courses.failures)] = False
        return simulated

    def resimulate(
        self, *, parameters: np.ndarray | None = None, initial_concentrations: np.ndarray | None = None
    ) -> TimeCourses:
        """Return the time courses of the patients under other parameters or initial concentrations.

        Parameters
        ----------
        parameters : float array, shape (n_samples, n_parameters), optional
            Instead of the cohort's, e.g. from `distort_parameters`.
        initial_concentrations : float array, shape (n_samples, n_inputs), a.u., optional
            Instead of the cohort's; not below 0. The cohort's target stays the clean one.

        Raises
        ------
        ExperimentError
            If the columns are not the cohort's.
        SimulationError
            If a patient cannot be integrated and is not dropped.
        """
        return self.simulator.simulate(
            self.parameters if parameters is None else parameters,
            self.initial_concentrations if initial_concentrations is None else initial_concentrations,
            drop=self.drop,
        )


PATIENTS_PER_BLOCK = 500
"""How many patients are simulated in one go where the work is spread over a cluster."""


def generate_cohort(
    config: CohortModelConfig, rng: np.random.Generator, spread: Spread | None = None
) -> Cohort:
    """Return a cohort: model, parameters, initial concentrations and their clean simulation.

    Parameters
    ----------
    config : CohortModelConfig
        Config of the cohort.
    rng : numpy.random.Generator
        Network, parameters and initial concentrations come from three children of it, so that a
        change of one leaves the others as they were.
    spread : callable, optional
        Has blocks of patients simulated all over a cluster, see `lakebatch.experiment.Spread`.

    Raises
    ------
    ConfigError
        If a custom model cannot be simulated or lacks a name of the config.
    SimulationError
        If a patient cannot be integrated, unless ``cohort.on_failure`` is "drop".

    Examples
    --------
    >>> from .config import CohortConfig
    >>> config = CohortModelConfig(cohort=CohortConfig(n_samples=3))
    >>> cohort = generate_cohort(config, np.random.default_rng(1))
    >>> cohort.initial_concentrations.shape, cohort.time_courses.values.shape, cohort.target.shape
    ((3, 9), (3, 10, 100), (3,))
    """
    simulator, parameters, inputs = draw_patients(config, rng)
    drop = config.cohort.on_failure == "drop"
    courses = _simulate(simulator, parameters, inputs, spread, drop=drop)
    return Cohort(simulator, parameters, inputs, courses, courses.last(config.outcome_forms[-1]), drop)


def draw_patients(
    config: CohortModelConfig, rng: np.random.Generator
) -> tuple[Simulator, np.ndarray, np.ndarray]:
    """Return the simulator, the parameters and the initial concentrations of `generate_cohort`, which raises the same."""
    network_rng, parameter_rng, initial_rng = rng.spawn(3)
    simulator = build_simulator(config, network_rng)
    ranges, n_samples = config.parameter_generation, config.cohort.n_samples
    parameters = simulator.draw_parameters(ranges, n_samples, parameter_rng)
    return simulator, parameters, simulator.draw_initial_concentrations(ranges, n_samples, initial_rng)


def _simulate(
    simulator: Simulator, parameters: np.ndarray, inputs: np.ndarray, spread: Spread | None, *, drop: bool
) -> TimeCourses:
    """Return the time courses of all patients, which do not depend on how they are cut into blocks."""
    cuts = range(PATIENTS_PER_BLOCK, len(parameters), PATIENTS_PER_BLOCK)
    if spread is None or not cuts:
        return simulator.simulate(parameters, inputs, drop=drop)
    blocks = list(zip(np.split(parameters, cuts), np.split(inputs, cuts), strict=True))
    try:
        return TimeCourses.joined(spread(partial(_simulate_block, simulator, drop), blocks))
    except SimulationError:
        return simulator.simulate(parameters, inputs)  # which names the patient by its number in the cohort


def _simulate_block(simulator: Simulator, drop: bool, block: tuple[np.ndarray, np.ndarray]) -> TimeCourses:
    return simulator.simulate(*block, drop=drop)


def build_simulator(config: CohortModelConfig, rng: np.random.Generator) -> Simulator:
    """Return the simulator of a cohort: of the built-in network, or of the model of the key ``sbml``.

    Parameters
    ----------
    rng : numpy.random.Generator
        Draws the network's random regulations.

    Raises
    ------
    ConfigError
        If a custom model cannot be simulated or lacks a name of the config.
    MissingDependencyError
        If such a model needs a package that is not installed.
    """
    if config.sbml is not None:
        return build_sbml_simulator(config.sbml, config.simulation)
    model = build_network(config.spec, config.drugs, rng)
    names = input_names(model, config.cohort.excluded_layers)
    return NetworkSimulator(model, config.simulation, names, base_concentration(config.parameter_generation))


def cohort_diagram(config: CohortModelConfig, rng: np.random.Generator) -> Diagram:
    """Return the network of a cohort as a diagram.

    Parameters
    ----------
    config : CohortModelConfig
        Config of the cohort.
    rng : numpy.random.Generator
        The generator that `generate_cohort` gets, so that random regulations are the same.

    Raises
    ------
    ExperimentError
        If the cohort has a custom model.
    """
    if config.sbml is not None:
        raise ExperimentError(
            "The config has a model of its own in 'sbml', of which there is no diagram. Expected the built-in network."
        )
    return network_diagram(build_network(config.spec, config.drugs, rng.spawn(3)[0]))


def check_own_model(config: CohortModelConfig, *, distorted: bool = False, others: bool = False) -> None:
    """Raise the error of `build_simulator` if a custom model cannot be used; else do nothing.

    Parameters
    ----------
    distorted : bool
        Whether its parameters are distorted, so that one has to vary.
    others : bool
        Whether features are made of the time courses of other species than the outcome.

    Raises
    ------
    ConfigError
        If the model cannot be used.
    """
    if config.sbml is None:
        return
    simulator = build_sbml_simulator(config.sbml, config.simulation)
    if distorted and not simulator.parameter_names:
        raise ConfigError(
            "No parameter of the model varies, so no level would distort it. Expected a model with a parameter "
            "that no rule or event changes, and its name in 'sbml.parameters' if that is set."
        )
    if others and set(simulator.form_names) <= set(config.outcome_forms):
        raise ConfigError(
            f"The model has no species but the outcome, {simulator.form_names[0]}, and 'evaluation.outcome_features' is "
            "false, so 'last' and 'dynamic' have no features. Expected a model with another species, or "
            "evaluation.outcome_features=true."
        )
