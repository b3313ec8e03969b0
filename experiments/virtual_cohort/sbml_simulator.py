"""Simulates patients of a custom model with libRoadRunner."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from lakebatch.errors import ExperimentError, SimulationError
from lakebatch.experiment import report_phase

from .config import ParameterConfig, SimulationConfig
from .failures import check_values, patient_error
from .ranges import draw_around, draw_latin_hypercube
from .sbml_accuracy import REFERENCE, absolute_tolerances, first_tolerances
from .sbml_config import SbmlConfig, model_text
from .sbml_export import patient_document
from .sbml_model import SbmlModel, first_sentence, integrated_names, load_model, outcomes, selection
from .sbml_names import input_names, parameter_names, require, require_fixed_stoichiometries
from .sbml_stimulus import SetStimulus, set_stimuli
from .simulation import time_points
from .time_courses import TimeCourses

EVERYTHING = 1 | 8 | 16 | 32 | 787520 | 787584
# flags of libRoadRunner's SelectionRecord: time, rate rules, boundary and floating species, compartments, parameters


@dataclass(frozen=True, eq=False)
class SbmlSimulator:
    """Simulates patients of a model in SBML or Antimony.

    Attributes
    ----------
    model : SbmlModel
        The compiled model that all patients share.
    span : SimulationConfig
        Span, grid and tolerances.
    config : SbmlConfig
        Config of the model; it holds the range of factors on initial concentrations.
    input_names : tuple of str
        Species whose initial concentrations vary, and parameters with a rate rule whose initial values do.
    parameter_names : tuple of str
        Global parameters that vary.
    stimulus : SetStimulus
        What changes the model from outside.
    tolerances : tuple of float arrays, shape (n_variables,), the model's units
        Absolute tolerances, and larger ones for patients that cannot be integrated with these.
    """

    model: SbmlModel
    span: SimulationConfig
    config: SbmlConfig
    input_names: tuple[str, ...]
    parameter_names: tuple[str, ...]
    stimulus: SetStimulus
    tolerances: tuple[np.ndarray, ...] = ()

    def __reduce__(self) -> tuple[Callable[..., SbmlSimulator], tuple[SbmlConfig, SimulationConfig]]:
        """Let another process compile the model again: a compiled model cannot be pickled."""
        return build_sbml_simulator, (self.config, self.span)

    @property
    def form_names(self) -> tuple[str, ...]:
        """What is simulated: the floating species of the model, or what rate rules change; and the outcome."""
        return tuple(dict.fromkeys([*self.model.form_names, self.config.outcome]))

    def nominal_courses(self) -> np.ndarray:
        """Return the integrated variables under the model's own values.

        Returns
        -------
        float array, shape (n_times, n_variables), amounts of species and values of parameters, the model's units
            The start alone if the model cannot be integrated.
        """
        names = integrated_names(self.model)
        self._reset(*self._nominal_values())
        start = np.array([[self.model.runner.model.getValue(name) for name in names]])
        self.model.runner.timeCourseSelections = names
        for tolerances in first_tolerances(start, self.span.absolute_tolerance) if names else ():
            with suppress(RuntimeError):  # said of a patient, if it is one
                return np.concatenate([start, self._attempt(*self._nominal_values(), tolerances)])
        return start

    def with_tolerances(self) -> SbmlSimulator:
        """Return the simulator with the tolerances that fit its model."""
        courses = self.nominal_courses()
        self.model.runner.timeCourseSelections = [selection(self.model, name) for name in self.form_names]
        wanted, larger = absolute_tolerances(courses, self.span.absolute_tolerance)
        with suppress(RuntimeError):
            self._attempt(*self._nominal_values(), wanted)
            return replace(self, tolerances=(wanted, larger))
        return replace(self, tolerances=(larger,))

    def _nominal_values(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the model's values of the parameters and of the inputs."""
        return np.array(
            [self.model.parameters[name] for name in self.parameter_names]
        ), self._nominal_inputs()

    def draw_parameters(
        self, ranges: ParameterConfig, n_samples: int, rng: np.random.Generator
    ) -> np.ndarray:
        """Draw parameter sets: the model's value * U(param_range) * U(param_mul_range), each by itself.

        Returns
        -------
        float array, shape (n_samples, n_parameters), the model's units
            Columns as in ``parameter_names``.
        """
        nominal, _ = self._nominal_values()
        return draw_around(nominal, (ranges.param_range, ranges.param_mul_range), n_samples, rng)

    def draw_initial_concentrations(
        self, ranges: ParameterConfig, n_samples: int, rng: np.random.Generator
    ) -> np.ndarray:
        """Draw initial concentrations: the model's value times a Latin hypercube over `input_range`.

        Returns
        -------
        float array, shape (n_samples, n_inputs), the model's units
            Columns as in ``input_names``.
        """
        nominal = self._nominal_inputs()
        return nominal * draw_latin_hypercube(self.config.input_range, nominal.size, n_samples, rng)

    def _nominal_inputs(self) -> np.ndarray:
        """Return the model's values of the inputs; float array, shape (n_inputs,)."""
        known = {**self.model.initial_concentrations, **self.model.other_inputs}
        return np.array([known[name] for name in self.input_names])

    def simulate(
        self, parameters: np.ndarray, initial_concentrations: np.ndarray, *, drop: bool = False
    ) -> TimeCourses:
        """Return the time courses of patients.

        Parameters
        ----------
        parameters : float array, shape (n_samples, n_parameters), the model's units
            Columns as in ``parameter_names``.
        initial_concentrations : float array, shape (n_samples, n_inputs), the model's units
            Columns as in ``input_names``; not below 0.
        drop : bool
            Whether patients that cannot be integrated are `TimeCourses.failures`, and no error.

        Raises
        ------
        ExperimentError
            If the columns do not fit.
        SimulationError
            If a value cannot be simulated, or a patient cannot be integrated; the message names the patient.

        Notes
        -----
        Whatever the model derives from a value follows each patient's value. A stimulus is a
        discontinuity, so the spans between its changes are integrated one after the other; in a
        model with events they are some of them, so that they trigger others. A
        patient's time courses do not depend on who else is simulated. The integrator is CVODE (Hindmarsh
        et al., ACM Trans. Math. Softw. 31, 363 (2005), doi:10.1145/1089014.1089020), whose tolerances bound
        the local error, and which counts `max_steps` from one time point to the next.
        """
        check_values(parameters, self.parameter_names, "parameters", lowest=-np.inf)
        check_values(initial_concentrations, self.input_names, "initial concentrations", lowest=0.0)
        if len(parameters) != len(initial_concentrations):
            raise ExperimentError(
                f"There are {len(parameters)} parameter sets and {len(initial_concentrations)} sets of initial "
                "concentrations; expected one of each per patient."
            )
        courses = np.full((len(parameters), len(self.form_names), self.span.n_points), np.nan, np.float32)
        failures: dict[int, str] = {}
        for patient, values in enumerate(zip(parameters, initial_concentrations, strict=True)):
            report_phase(f"simulating {len(parameters):,} patients", patient, len(parameters))
            try:
                courses[patient] = self._simulate_patient(*values)
            except SimulationError as error:
                failures[patient] = str(error)
                if not drop:
                    raise patient_error(patient, str(error), self._named(*values)) from error
        return TimeCourses(self.form_names, courses, failures=failures)

    def _named(self, parameters: np.ndarray, inputs: np.ndarray) -> dict[str, float]:
        """Return one patient's values by name."""
        names = (*self.input_names, *self.parameter_names)
        return dict(zip(names, [*inputs.tolist(), *parameters.tolist()], strict=True))

    def to_sbml(self, parameters: np.ndarray, inputs: np.ndarray) -> str:
        """Return the model of one patient as SBML, with the stimulus as events of it.

        Raises
        ------
        ConfigError
            If its level of SBML cannot have them.
        """
        self._reset(parameters, inputs)
        names = zip(self.parameter_names, parameters.tolist(), strict=True)
        return patient_document(self, dict(names), dict(zip(self.input_names, inputs.tolist(), strict=True)))

    def initial_amount(self, name: str) -> float:
        """Return the initial amount of a species of the patient whose model was written last."""
        return float(self.model.runner.model.getValue(f"init({name})"))

    def _simulate_patient(self, parameters: np.ndarray, inputs: np.ndarray) -> np.ndarray:
        """Return one patient's concentrations; float32 array, shape (n_forms, n_times); raise the reason why not."""
        try:
            values = self._integrate_patient(parameters, inputs).T
        except RuntimeError as error:
            reached = self.model.runner.model.getTime()
            raise SimulationError(
                f"could not be integrated: {first_sentence(str(error))} (at time {reached:.6g})"
            ) from error
        species = [selection(self.model, name) != name for name in self.form_names]
        values[species] = _without_error_below_zero(values[species], self.span)
        with np.errstate(over="ignore"):  # said of the patient
            values = values.astype(np.float32)
        if not np.isfinite(values).all():
            raise SimulationError("has a concentration that is not finite, or above 3e38")
        return values

    def _integrate_patient(self, parameters: np.ndarray, inputs: np.ndarray) -> np.ndarray:
        """Return the time courses of a patient, with larger tolerances if it cannot be integrated with the first."""
        for tolerances in self.tolerances[:-1]:
            with suppress(RuntimeError):
                return self._attempt(parameters, inputs, tolerances)
        return self._attempt(parameters, inputs, self.tolerances[-1])

    def _attempt(self, parameters: np.ndarray, inputs: np.ndarray, tolerances: np.ndarray) -> np.ndarray:
        """Return the selected time courses of a patient; float array, shape (n_times, n_selections)."""
        if tolerances.size:
            self.model.runner.integrator.absolute_tolerance = tolerances.tolist()
        self._reset(parameters, inputs)
        return self._integrate_all()

    def _reset(self, parameters: np.ndarray, inputs: np.ndarray) -> None:
        """Put the model at the start of a patient.

        Initial values are set in the compiled model: set through the runner, it would be compiled anew.
        A concentration is turned into an amount by the initial volume, so volumes come first, without the
        events at time 0, which the runner's reset applies.
        """
        model = self.model.runner.model
        for name, value in zip(self.parameter_names, parameters.tolist(), strict=True):
            model.setValue(f"init({name})", value)
        for name, value in self.stimulus.initial_values.items():
            model.setValue(f"init({name})", value)
        values = dict(zip(self.input_names, inputs.tolist(), strict=True))
        for name in set(values).intersection(model.getGlobalParameterIds()):
            model.setValue(f"init({name})", values.pop(name))
        self._set_concentrations({**self.model.given_concentrations, **values})
        self.model.runner.resetAll()

    def _set_concentrations(self, values: Mapping[str, float]) -> None:
        """Set initial concentrations, again and again while volumes, and so amounts, follow from them."""
        model, before = self.model.runner.model, None
        for _ in range(len(values) + 1):
            model.reset(EVERYTHING)
            for name, value in values.items():
                model.setValue(f"init([{name}])", value)
            amounts = [model.getValue(f"init({name})") for name in values]
            if amounts == before:
                return
            before = amounts

    def _integrate_all(self) -> np.ndarray:
        """Return the values at all time points, from the start of a patient; float array, shape (n_times, n_forms)."""
        own_values = self.stimulus.own_values(self.model.runner.model)
        spans = pairwise(sorted({self.span.start, *self.stimulus.times, self.span.stop}))
        return np.concatenate([self._integrate(begin, end, own_values) for begin, end in spans])

    def _integrate(self, begin: float, end: float, own_values: Mapping[str, float]) -> np.ndarray:
        """Return the time points of a span that no later one has; float array, shape (n_times, n_forms)."""
        runner, times = self.model.runner, time_points(self.span)
        self.stimulus.apply(runner.model, begin, own_values)
        inside = times[(times >= begin) & ((times < end) | (end == self.span.stop))]
        points = np.union1d(inside, [begin, end])
        return np.array(runner.simulate(times=points.tolist()))[np.isin(points, inside)]


def build_sbml_simulator(config: SbmlConfig, span: SimulationConfig) -> SbmlSimulator:
    """Return the simulator of a config: its model is compiled, and its names are checked.

    Raises
    ------
    ConfigError
        If the model cannot be simulated or lacks a name of the config.
    MissingDependencyError
        If libRoadRunner or Antimony is not installed.
    """
    model = load_model(model_text(config.model))
    require(
        "outcome",
        [config.outcome],
        outcomes(model),
        "a species of the model, or what a rule or an event changes",
    )
    inputs = (*model.initial_concentrations, *model.other_inputs)
    require("inputs", config.inputs or (), inputs, "species or parameters with an initial value")
    require(
        "parameters", config.parameters or (), model.parameters, "parameters that no rule or event changes"
    )
    targets = [each.target for each in config.stimuli]
    names = input_names(config, model), parameter_names(config, model, targets)
    changed, stimulus = set_stimuli(model, config.stimuli, span)
    require_fixed_stoichiometries(model, [*names[0], *names[1], *stimulus.initial_values])
    integrator = changed.runner.integrator
    integrator.relative_tolerance, integrator.maximum_num_steps = span.relative_tolerance, span.max_steps
    return SbmlSimulator(changed, span, config, *names, stimulus).with_tolerances()


def _without_error_below_zero(values: np.ndarray, span: SimulationConfig) -> np.ndarray:
    """Return concentrations with 0 for those that the error of the integration can have made negative."""
    error = (span.absolute_tolerance / REFERENCE + span.relative_tolerance) * np.abs(values).max(initial=0.0)
    return np.where((values < 0) & (values >= -error), 0.0, values)
