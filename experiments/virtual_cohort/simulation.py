"""Simulate every patient of a cohort together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np

from lakebatch.errors import SimulationError
from lakebatch.experiment import report_phase

from .config import DrugConfig, SimulationConfig
from .failures import patient_error
from .network import NetworkModel
from .parameters import kinetic_parameters
from .tables import build_tables

PATIENTS_AT_ONCE = 1_000
"""Patients simulated in double precision before their trajectories are kept: 16 MB in the default network."""


@dataclass(frozen=True)
class SimulationCost:
    """Cost of a simulation, patient by patient.

    Attributes
    ----------
    n_steps : int array, shape (n_samples,)
        Steps of the integrator, rejected ones included.
    n_evaluations : int array, shape (n_samples,)
        Evaluations of the right-hand side; every eighth comes with the Jacobian.
    """

    n_steps: np.ndarray
    n_evaluations: np.ndarray


@dataclass(frozen=True)
class _Report:
    """Steps of each patient, how its integration ended, and the time that it reached; arrays, shape (n_samples,)."""

    n_steps: np.ndarray
    outcomes: np.ndarray
    reached: np.ndarray

    def failures(self, config: SimulationConfig) -> dict[int, str]:
        """Return the patients that could not be integrated, with their reasons."""
        return dict(self._failures(config))

    def _failures(self, config: SimulationConfig) -> Iterator[tuple[int, str]]:
        from . import kernel

        for patient in np.flatnonzero(self.outcomes != kernel.DONE).tolist():
            limited = self.outcomes[patient] == kernel.STEP_LIMIT
            why = f"it took {config.max_steps} steps" if limited else "its step size vanished"
            yield patient, f"could not be integrated past time {self.reached[patient]:.6g}: {why}"


def time_points(config: SimulationConfig) -> np.ndarray:
    """Return the even time grid, first and last point included.

    Returns
    -------
    float array, shape (n_points,), a.u. of time

    Examples
    --------
    >>> time_points(SimulationConfig(n_points=3))
    array([   0.,  500., 1000.])
    """
    return np.linspace(config.start, config.stop, config.n_points)


def simulate(
    model: NetworkModel, parameters: np.ndarray, initial_concentrations: np.ndarray, config: SimulationConfig
) -> np.ndarray:
    """Simulate every patient from the start to the stop.

    Parameters
    ----------
    model : NetworkModel
        The network; each of its drugs must start within the span.
    parameters : float array, shape (n_samples, n_parameters)
        One parameter set per patient, columns as in `kinetic_parameters`; Km above 0, the rest not below.
    initial_concentrations : float array, shape (n_samples, n_species), a.u.
        Inactive concentrations at the start, columns as in ``model.species``; nothing is active.
    config : SimulationConfig
        Span, grid, tolerances.

    Returns
    -------
    float array, shape (n_samples, n_forms, n_times), a.u.
        Forms as in ``model.form_names``; between 0 and the total of the species.

    Raises
    ------
    SimulationError
        If an array does not fit, a value cannot be simulated, or an integration fails; the message
        names the first patient that is concerned.

    Notes
    -----
    X + Xa = total holds by construction: only Xa is integrated. A drug's onset is a discontinuity, so
    the spans between onsets are integrated one after the other. The method is described in `kernel`.
    A patient's trajectory does not depend on who else is simulated.

    Examples
    --------
    >>> from .config import NetworkConfig
    >>> from .network import build_network
    >>> from .parameters import nominal_values
    >>> model = build_network(NetworkConfig(), [DrugConfig()], np.random.default_rng(1))
    >>> patient = np.full((1, 10), 600.0)
    >>> simulate(model, nominal_values(model)[np.newaxis], patient, SimulationConfig()).shape
    (1, 20, 100)
    """
    return simulate_with_cost(model, parameters, initial_concentrations, config)[0]


def simulate_with_cost(
    model: NetworkModel, parameters: np.ndarray, initial_concentrations: np.ndarray, config: SimulationConfig
) -> tuple[np.ndarray, SimulationCost]:
    """Simulate every patient; return the trajectories of `simulate` and their cost."""
    checked = _checked(model, parameters, initial_concentrations)
    trajectories = np.empty((len(checked[0]), len(model.form_names), config.n_points))
    report = _integrate(model, *checked, config, lambda these: trajectories[these])
    from . import kernel  # numba is slow to import, and only a simulation needs it

    _require_all(model, *checked, report.failures(config))
    return trajectories, SimulationCost(report.n_steps, report.n_steps * kernel.EVALUATIONS_PER_STEP)


def simulate_active(
    model: NetworkModel,
    parameters: np.ndarray,
    initial_concentrations: np.ndarray,
    config: SimulationConfig,
    *,
    drop: bool = False,
) -> tuple[np.ndarray, dict[int, str]]:
    """Simulate every patient and keep the active forms in single precision; double precision for some at a time only.

    Parameters
    ----------
    drop : bool
        Whether patients that cannot be integrated are left out, where they would be an error.

    Returns
    -------
    active : float32 array, shape (n_samples, n_species, n_times), a.u.
        The second half of the forms of `simulate`, which has the other parameters and errors.
    failures : dict of int to str
        The patients that were left out, whose values are NaN, with their reasons.
    """
    checked = _checked(model, parameters, initial_concentrations)
    active = np.empty((len(checked[0]), len(model.species), config.n_points), dtype=np.float32)
    block = np.empty((min(PATIENTS_AT_ONCE, len(active)), len(model.form_names), config.n_points))

    def keep(these: slice, trajectories: np.ndarray) -> None:
        active[these] = trajectories[:, len(model.species) :]

    report = _integrate(model, *checked, config, lambda these: block[: these.stop - these.start], keep)
    failures = report.failures(config)
    if not drop:
        _require_all(model, *checked, failures)
    return active, failures


def _integrate(
    model: NetworkModel,
    parameters: np.ndarray,
    initial: np.ndarray,
    config: SimulationConfig,
    room_for: Callable[[slice], np.ndarray],
    keep: Callable[[slice, np.ndarray], None] = lambda these, trajectories: None,
) -> _Report:
    """Simulate block by block of patients, in the room that there is for the trajectories of each, and keep them."""
    report_phase("loading the solver")
    from . import kernel  # numba is slow to import, and only a simulation needs it

    tables, times, segments = build_tables(model), time_points(config), _segments(model.drugs, config)
    workspace = kernel.make_workspace(len(model.species), tables.constant_columns.size, tables.n_entries)
    report = (np.zeros(len(initial), np.int64), np.zeros(len(initial), np.int64), np.zeros(len(initial)))
    for first in range(0, len(initial), PATIENTS_AT_ONCE):
        these = slice(first, min(first + PATIENTS_AT_ONCE, len(initial)))
        trajectories = room_for(these)
        with _reported(first, len(initial)):
            kernel.integrate(
                (parameters[these], initial[these], *segments, times),
                (tables.constant_columns, tables.rate_columns, tables.drug_edges),
                (tables.edges, tables.first_edge, tables.factor_program, tables.solve_program),
                (config.relative_tolerance, config.absolute_tolerance),
                config.max_steps,
                workspace,
                tuple(each[these] for each in report),
                trajectories,
            )
        trajectories[report[1][these] != kernel.DONE] = np.nan
        keep(these, trajectories)
    return _Report(*report)


def _reported(first: int, n_samples: int) -> AbstractContextManager[None]:
    """Report the simulation of the patients from one on; before it, the solver's compilation if it is not kept on disk."""
    from ..compilation.compiling import reported

    counts = (first, n_samples) if n_samples > PATIENTS_AT_ONCE else ()
    return reported("the solver", f"simulating {n_samples:,} patients", *counts)


def _segments(drugs: Sequence[DrugConfig], config: SimulationConfig) -> tuple[np.ndarray, np.ndarray]:
    """Return the bounds of the spans between onsets, and every drug's concentration in each."""
    for drug in drugs:
        if not config.start <= drug.start < config.stop:
            raise SimulationError(
                f"Drug {drug.name} starts at {drug.start:g}; expected a time from {config.start:g} "
                f"to before {config.stop:g}, the simulated span."
            )
    bounds = sorted({config.start, config.stop, *(drug.start for drug in drugs)})
    doses = [[drug.dose if drug.start <= begin else 0.0 for drug in drugs] for begin in bounds[:-1]]
    return np.array(bounds, dtype=float), np.array(doses, dtype=float).reshape(len(bounds) - 1, len(drugs))


def _checked(
    model: NetworkModel, parameters: np.ndarray, initial_concentrations: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return both arrays as the kernel takes them, or raise where one cannot be simulated."""
    expected = kinetic_parameters(model)
    parameters = _prepared(parameters, "Parameters", len(expected))
    initial = _prepared(initial_concentrations, "Initial concentrations", len(model.species))
    if len(parameters) != len(initial):
        raise SimulationError(
            f"There are {len(parameters)} parameter sets and {len(initial)} sets of initial "
            "concentrations; expected one of each per patient."
        )
    constants = np.array([parameter.kind == "Km" for parameter in expected])
    valid = np.isfinite(parameters) & np.where(constants, parameters > 0, parameters >= 0)
    _refuse_invalid(valid, parameters, [parameter.name for parameter in expected])
    _refuse_invalid(np.isfinite(initial) & (initial >= 0), initial, model.species)
    return parameters, initial


def _prepared(values: np.ndarray, what: str, n_columns: int) -> np.ndarray:
    """Return values as a writable C-ordered float array, the one type the kernel is compiled for."""
    if np.ndim(values) != 2 or np.shape(values)[1] != n_columns:
        raise SimulationError(
            f"{what} have shape {np.shape(values)}; expected (n_samples, {n_columns}) for this network."
        )
    return np.require(values, dtype=float, requirements=["C", "W", "A"])


def _refuse_invalid(valid: np.ndarray, values: np.ndarray, names: Sequence[str]) -> None:
    """Raise for the first value that cannot be simulated."""
    if valid.all():
        return
    patient, column = np.argwhere(~valid)[0]
    raise SimulationError(
        f"Patient {patient} has {names[column]} = {values[patient, column]}; expected a finite number "
        "that is not negative (Km: above 0)."
    )


def _require_all(
    model: NetworkModel, parameters: np.ndarray, initial: np.ndarray, failures: dict[int, str]
) -> None:
    """Raise for the first patient whose integration failed."""
    for patient, reason in failures.items():
        names = [parameter.name for parameter in kinetic_parameters(model)]
        values = dict(zip(model.species, initial[patient].tolist(), strict=True))
        values |= zip(names, parameters[patient].tolist(), strict=True)
        raise patient_error(
            patient, f"{reason} ({len(failures)} of {len(parameters)} patients failed)", values
        )
