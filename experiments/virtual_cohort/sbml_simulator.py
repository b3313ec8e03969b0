"""Simulates patients of a custom model with libRoadRunner."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from lakebatch.errors import ConfigError, ExperimentError, SimulationError

from .config import ParameterConfig, SimulationConfig
from .ranges import draw_around, draw_latin_hypercube
from .sbml_accuracy import REFERENCE, absolute_tolerances, first_tolerances
from .sbml_config import SbmlConfig, StimulusConfig, model_text
from .sbml_model import SbmlModel, add_event, first_sentence, has_events, integrated_names, load_model
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
        Config of the model; it holds the range of factors on initial concentrations, and the parameter
        that changes at an onset.
    input_names : tuple of str
        Species whose initial concentrations vary, and parameters with a rate rule whose initial values do.
    parameter_names : tuple of str
        Global parameters that vary.
    tolerances : tuple of float arrays, shape (n_variables,), the model's units
        Absolute tolerances, and larger ones for patients that cannot be integrated with these.
    """

    model: SbmlModel
    span: SimulationConfig
    config: SbmlConfig
    input_names: tuple[str, ...]
    parameter_names: tuple[str, ...]
    tolerances: tuple[np.ndarray, ...] = ()

    def __reduce__(self) -> tuple[Callable[..., SbmlSimulator], tuple[SbmlConfig, SimulationConfig]]:
        """Let another process compile the model again: a compiled model cannot be pickled."""
        return build_sbml_simulator, (self.config, self.span)

    @property
    def stimulus(self) -> StimulusConfig | None:
        """The parameter that changes at an onset, if one does."""
        return self.config.stimulus

    @property
    def form_names(self) -> tuple[str, ...]:
        """The floating species of the model."""
        return self.model.form_names

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
        self.model.runner.timeCourseSelections = [f"[{name}]" for name in self.form_names]
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

    def simulate(self, parameters: np.ndarray, initial_concentrations: np.ndarray) -> TimeCourses:
        """Return the time courses of patients.

        Parameters
        ----------
        parameters : float array, shape (n_samples, n_parameters), the model's units
            Columns as in ``parameter_names``.
        initial_concentrations : float array, shape (n_samples, n_inputs), the model's units
            Columns as in ``input_names``; not below 0.

        Raises
        ------
        ExperimentError
            If the columns do not fit.
        SimulationError
            If a value cannot be simulated, or a patient cannot be integrated; the message names the patient.

        Notes
        -----
        Whatever the model derives from a value follows each patient's value. The stimulus is a
        discontinuity, so the spans before and after its onset are integrated one after the other; in a
        model with events it is one of them, so that it triggers others. A
        patient's time courses do not depend on who else is simulated. The integrator is CVODE (Hindmarsh
        et al., ACM Trans. Math. Softw. 31, 363 (2005), doi:10.1145/1089014.1089020), whose tolerances bound
        the local error, and which counts `max_steps` from one time point to the next.
        """
        _check_values(parameters, self.parameter_names, "parameters", lowest=-np.inf)
        _check_values(initial_concentrations, self.input_names, "initial concentrations", lowest=0.0)
        if len(parameters) != len(initial_concentrations):
            raise ExperimentError(
                f"There are {len(parameters)} parameter sets and {len(initial_concentrations)} sets of initial "
                "concentrations; expected one of each per patient."
            )
        courses = np.empty((len(parameters), len(self.form_names), self.span.n_points), np.float32)
        for patient, values in enumerate(zip(parameters, initial_concentrations, strict=True)):
            courses[patient] = self._simulate_patient(patient, *values)
        return TimeCourses(self.form_names, courses)

    def _simulate_patient(self, patient: int, parameters: np.ndarray, inputs: np.ndarray) -> np.ndarray:
        """Return one patient's concentrations; float32 array, shape (n_forms, n_times)."""
        try:
            values = self._integrate_patient(parameters, inputs).T
        except RuntimeError as error:
            raise SimulationError(
                f"Patient {patient} could not be integrated: {first_sentence(str(error))}. Raise "
                "simulation.max_steps, loosen simulation.relative_tolerance, or check the patient's parameters."
            ) from error
        with np.errstate(over="ignore"):  # said of the patient
            values = _without_error_below_zero(values, self.span).astype(np.float32)
        if not np.isfinite(values).all():
            raise SimulationError(
                f"Patient {patient} has a concentration that is not finite, or above 3e38. Check the patient's "
                "parameters."
            )
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
        if self.stimulus is not None:
            model.setValue(f"init({self.stimulus.parameter})", self.stimulus.before)
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
        return np.concatenate([self._integrate(*segment) for segment in self._segments()])

    def _segments(self) -> Iterator[tuple[float, float]]:
        """Yield the spans before and after the onset."""
        onsets = {self.stimulus.onset} if self.stimulus and not has_events(self.model) else set()
        yield from pairwise(sorted({self.span.start, *onsets, self.span.stop}))

    def _integrate(self, begin: float, end: float) -> np.ndarray:
        """Return the time points of a span that no later one has; float array, shape (n_times, n_forms)."""
        runner, times = self.model.runner, time_points(self.span)
        if self.stimulus and self.stimulus.onset <= begin and not has_events(self.model):
            runner.model.setValue(self.stimulus.parameter, self.stimulus.after)
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
    _require("outcome", [config.outcome], model.form_names, "a species of the model")
    inputs = (*model.initial_concentrations, *model.other_inputs)
    _require("inputs", config.inputs or (), inputs, "species or parameters with an initial value")
    _require(
        "parameters", config.parameters or (), model.parameters, "parameters that no rule or event changes"
    )
    stimulus = [] if config.stimulus is None else [config.stimulus.parameter]
    _require("stimulus.parameter", stimulus, model.parameters, "a parameter that no rule or event changes")
    names = _input_names(config, model), _parameter_names(config, model, stimulus)
    _require_fixed_stoichiometries(model, [*names[0], *names[1], *stimulus])
    if config.stimulus is not None and has_events(model):
        _add_stimulus(model, config.stimulus, span)
    simulator = SbmlSimulator(model, span, config, *names)
    integrator = model.runner.integrator
    integrator.relative_tolerance, integrator.maximum_num_steps = span.relative_tolerance, span.max_steps
    return simulator.with_tolerances()


def _require_fixed_stoichiometries(model: SbmlModel, varied: Sequence[str]) -> None:
    """Raise if a stoichiometry follows from a value that varies: it would keep the model's value."""
    for name in varied:
        if name in model.stoichiometry_sources:
            raise ConfigError(
                f"A stoichiometry of the model follows from {name}, which varies, and libRoadRunner works it out only "
                "once. Expected 'sbml.inputs', 'sbml.parameters' and 'sbml.stimulus' without it, or an assignment "
                "rule for the stoichiometry."
            )


def _add_stimulus(model: SbmlModel, stimulus: StimulusConfig, span: SimulationConfig) -> None:
    """Make the stimulus an event of the model."""
    if span.start != 0:
        raise ConfigError(
            f"Config key 'simulation.start' is {span.start:g}, and the model has events, which its stimulus can "
            "trigger from time 0 on only. Expected 0."
        )
    add_event(model, stimulus.parameter, stimulus.after, stimulus.onset)


def _input_names(config: SbmlConfig, model: SbmlModel) -> tuple[str, ...]:
    if config.inputs is not None:
        return config.inputs
    starting = (name for name, value in model.initial_concentrations.items() if value > 0)
    names = tuple(name for name in starting if name != config.outcome)
    if not names:
        raise ConfigError("Config key 'sbml.inputs' is not set, and no species of the model starts above 0.")
    return names


def _parameter_names(config: SbmlConfig, model: SbmlModel, stimulus: Sequence[str]) -> tuple[str, ...]:
    if config.parameters is not None:
        return config.parameters
    return tuple(name for name in model.parameters if name not in stimulus)


def _require(key: str, names: Sequence[str], known: Collection[str], expected: str) -> None:
    for name in names:
        if name not in known:
            raise ConfigError(
                f"Config key 'sbml.{key}' has {name!r}. Expected {expected}: {', '.join(known) or 'none'}."
            )


def _check_values(values: np.ndarray, names: Sequence[str], what: str, *, lowest: float) -> None:
    """Raise unless there is one column a name, and every value can be simulated."""
    if np.ndim(values) != 2 or np.shape(values)[1] != len(names):
        raise ExperimentError(
            f"The {what} have shape {np.shape(values)}; expected (n_samples, {len(names)})."
        )
    invalid = np.argwhere(~(np.isfinite(values) & (values >= lowest)))
    if invalid.size:
        patient, column = invalid[0]
        raise SimulationError(
            f"Patient {patient} has {names[column]} = {values[patient, column]}; expected a finite number"
            f"{' that is not negative' if lowest == 0 else ''}."
        )


def _without_error_below_zero(values: np.ndarray, span: SimulationConfig) -> np.ndarray:
    """Return values with 0 for those that the error of the integration can have made negative."""
    error = (span.absolute_tolerance / REFERENCE + span.relative_tolerance) * np.abs(values).max(initial=0.0)
    return np.where((values < 0) & (values >= -error), 0.0, values)
