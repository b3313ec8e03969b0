"""Simulates patients of a custom model with libRoadRunner."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from lakebatch.errors import ConfigError, ExperimentError, SimulationError

from .config import ParameterConfig, SimulationConfig
from .failures import check_values, patient_error
from .ranges import draw_around, draw_latin_hypercube
from .sbml_config import SbmlConfig, StimulusConfig, model_text
from .sbml_export import patient_document
from .sbml_model import SbmlModel, add_event, first_sentence, has_events, integrated_names, load_model
from .simulation import time_points
from .time_courses import TimeCourses

REFERENCE = 1000.0
"""The value that `absolute_tolerance` is meant for, as in the built-in network; others have theirs in proportion."""
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
    """

    model: SbmlModel
    span: SimulationConfig
    config: SbmlConfig
    input_names: tuple[str, ...]
    parameter_names: tuple[str, ...]

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

    def largest_values(self) -> np.ndarray:
        """Return the largest values of the integrated variables under the model's own values.

        Returns
        -------
        float array, shape (n_variables,), amounts of species and values of parameters, the model's units
            Absolute values, as powers of ten; from the start alone if the model cannot be integrated.
        """
        runner = self.model.runner
        names = integrated_names(self.model)
        nominal = [self.model.parameters[name] for name in self.parameter_names]
        self._reset(np.array(nominal), self._nominal_inputs())
        largest = np.abs([runner.model.getValue(name) for name in names])
        if names:
            runner.integrator.absolute_tolerance = (1e-12 * _decades(largest)).tolist()
        runner.timeCourseSelections = names
        with suppress(RuntimeError):  # said of a patient, if it is one
            values = np.concatenate([self._integrate(*segment) for segment in self._segments()])
            largest = np.fmax(largest, np.nanmax(np.abs(values), axis=0, initial=0.0))
        return _decades(np.where(np.isfinite(largest), largest, 0.0))

    def draw_parameters(
        self, ranges: ParameterConfig, n_samples: int, rng: np.random.Generator
    ) -> np.ndarray:
        """Draw parameter sets: the model's value * U(param_range) * U(param_mul_range), each by itself.

        Returns
        -------
        float array, shape (n_samples, n_parameters), the model's units
            Columns as in ``parameter_names``.
        """
        nominal = np.array([self.model.parameters[name] for name in self.parameter_names])
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
        Whatever the model derives from a value follows each patient's value. The stimulus is a
        discontinuity, so the spans before and after its onset are integrated one after the other; in a
        model with events it is one of them, so that it triggers others. A
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
        """Return the model of one patient as SBML, with the stimulus as one of its events.

        Raises
        ------
        ExperimentError
            If its level of SBML has no events.
        """
        self._reset(parameters, inputs)
        names = zip(self.parameter_names, parameters.tolist(), strict=True)
        return patient_document(self, dict(names), dict(zip(self.input_names, inputs.tolist(), strict=True)))

    def initial_amount(self, name: str) -> float:
        """Return the initial amount of a species of the patient whose model was written last."""
        return float(self.model.runner.model.getValue(f"init({name})"))

    def _simulate_patient(self, parameters: np.ndarray, inputs: np.ndarray) -> np.ndarray:
        """Return one patient's concentrations; float array, shape (n_forms, n_times); raise the reason why not."""
        try:
            self._reset(parameters, inputs)
            values = np.concatenate([self._integrate(*segment) for segment in self._segments()]).T
        except RuntimeError as error:
            reached = self.model.runner.model.getTime()
            raise SimulationError(
                f"could not be integrated: {first_sentence(str(error))} (at time {reached:.6g})"
            ) from error
        if not np.isfinite(values).all():
            raise SimulationError("has a concentration that is not finite")
        return _without_error_below_zero(values, self.span)

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
        model.reset(EVERYTHING)
        values = dict(zip(self.input_names, inputs.tolist(), strict=True))
        doses = set(values).intersection(model.getGlobalParameterIds())
        for name, value in {**self.model.given_concentrations, **values}.items():
            model.setValue(f"init({name})" if name in doses else f"init([{name}])", value)
        self.model.runner.resetAll()

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
    _set_accuracy(simulator)
    return simulator


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


def _set_accuracy(simulator: SbmlSimulator) -> None:
    """Set the tolerances, each by the largest value of its variable in the model's own time course."""
    runner, span = simulator.model.runner, simulator.span
    runner.integrator.relative_tolerance = span.relative_tolerance
    runner.integrator.maximum_num_steps = span.max_steps
    largest = simulator.largest_values()
    if largest.size:
        runner.integrator.absolute_tolerance = (span.absolute_tolerance / REFERENCE * largest).tolist()
    runner.timeCourseSelections = [f"[{name}]" for name in simulator.form_names]


def _decades(values: np.ndarray) -> np.ndarray:
    """Return values rounded to powers of ten, so that they are the same on every machine; no value is 0."""
    smallest = values[values > 0].min(initial=np.inf)
    values = np.where(values > 0, values, smallest if np.isfinite(smallest) else 1.0)
    return np.asarray(10.0 ** np.floor(np.log10(values) + 0.25))


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


def _without_error_below_zero(values: np.ndarray, span: SimulationConfig) -> np.ndarray:
    """Return values with 0 for those that the error of the integration can have made negative."""
    error = (span.absolute_tolerance / REFERENCE + span.relative_tolerance) * np.abs(values).max(initial=0.0)
    return np.where((values < 0) & (values >= -error), 0.0, values)
