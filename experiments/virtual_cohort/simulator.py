"""What a cohort's patients are simulated with: the built-in network, or a model that plays its part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from .antimony import to_antimony
from .config import ParameterConfig, SimulationConfig
from .initial_conditions import complete_concentrations, draw_initial_concentrations
from .network import NetworkModel, active_form
from .parameters import draw_parameters, parameter_names
from .sbml_export import antimony_document
from .simulation import simulate_active, time_points
from .time_courses import TimeCourses


class Simulator(Protocol):
    """Simulates patients from their varying values."""

    @property
    def input_names(self) -> tuple[str, ...]:
        """Species whose initial concentrations vary."""

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """Parameters that vary."""

    @property
    def form_names(self) -> tuple[str, ...]:
        """Forms that are simulated, in the order of `TimeCourses.trajectories`."""

    def draw_parameters(
        self, ranges: ParameterConfig, n_samples: int, rng: np.random.Generator
    ) -> np.ndarray:
        """Return parameter sets; float array, shape (n_samples, n_parameters)."""

    def draw_initial_concentrations(
        self, ranges: ParameterConfig, n_samples: int, rng: np.random.Generator
    ) -> np.ndarray:
        """Return initial concentrations; float array, shape (n_samples, n_inputs)."""

    def simulate(
        self, parameters: np.ndarray, initial_concentrations: np.ndarray, *, drop: bool = False
    ) -> TimeCourses:
        """Return the time courses of patients; one row of parameters and initial concentrations each.

        With ``drop``, patients that cannot be integrated are `TimeCourses.failures` and no error.
        """

    def to_sbml(self, parameters: np.ndarray, inputs: np.ndarray) -> str:
        """Return the model of one patient, from a row of each, as SBML."""


@dataclass(frozen=True)
class NetworkSimulator:
    """Simulates patients of the built-in network.

    Attributes
    ----------
    model : NetworkModel
        The network that all patients share.
    config : SimulationConfig
        Span, grid and tolerances.
    input_names : tuple of str
        Species whose initial concentrations vary.
    base_concentration : float, a.u.
        Initial concentration of every other species.
    """

    model: NetworkModel
    config: SimulationConfig
    input_names: tuple[str, ...]
    base_concentration: float

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """The kinetic parameters; all vary."""
        return parameter_names(self.model)

    @property
    def form_names(self) -> tuple[str, ...]:
        """Every X, then every Xa."""
        return self.model.form_names

    @property
    def times(self) -> np.ndarray:
        """Time points; float array, shape (n_times,), a.u. of time."""
        return time_points(self.config)

    def draw_parameters(
        self, ranges: ParameterConfig, n_samples: int, rng: np.random.Generator
    ) -> np.ndarray:
        """Draw parameter sets; float array, shape (n_samples, n_parameters), columns as `parameter_names`."""
        return draw_parameters(self.model, ranges, n_samples, rng)

    def draw_initial_concentrations(
        self, ranges: ParameterConfig, n_samples: int, rng: np.random.Generator
    ) -> np.ndarray:
        """Draw initial concentrations; float array, shape (n_samples, n_inputs), a.u."""
        return draw_initial_concentrations(len(self.input_names), ranges, n_samples, rng)

    def simulate(
        self, parameters: np.ndarray, initial_concentrations: np.ndarray, *, drop: bool = False
    ) -> TimeCourses:
        """Return the time courses of patients.

        Parameters
        ----------
        parameters : float array, shape (n_samples, n_parameters)
            Columns as in ``parameter_names``.
        initial_concentrations : float array, shape (n_samples, n_inputs), a.u.
            Columns as in ``input_names``; not below 0.
        drop : bool
            Whether patients that cannot be integrated are `TimeCourses.failures`, and no error.

        Raises
        ------
        ExperimentError
            If the columns do not fit.
        SimulationError
            If a patient cannot be integrated.
        """
        totals = complete_concentrations(
            self.model, initial_concentrations, self.input_names, self.base_concentration
        )
        active, failures = simulate_active(self.model, parameters, totals, self.config, drop=drop)
        species = self.model.species
        return TimeCourses(tuple(active_form(name) for name in species), active, species, totals, failures)

    def to_sbml(self, parameters: np.ndarray, inputs: np.ndarray) -> str:
        """Return the model of one patient as SBML, with the onset of each drug as an event.

        Raises
        ------
        MissingDependencyError
            If Antimony or libRoadRunner is not installed.
        """
        rows = inputs[np.newaxis]
        (totals,) = complete_concentrations(self.model, rows, self.input_names, self.base_concentration)
        text = to_antimony(self.model, parameters, totals, start=self.config.start)
        values = {
            **dict(zip(self.parameter_names, parameters.tolist(), strict=True)),
            **dict(zip(self.model.species, totals.tolist(), strict=True)),
        }
        return antimony_document(text, values)
