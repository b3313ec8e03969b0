"""Compare the simulation with stacked scipy solvers and with libRoadRunner, side by side on one core.

Run it with ``python tests/benchmarks/simulation.py [--patients N] [--rounds N]``. Every figure is a
median over rounds that alternate between the solvers. Error is the largest over all patients, forms
and times, relative to the form (plus 1 a.u.), against LSODA at 1e-11. Compilation is timed in fresh
processes, with an empty and with a filled cache folder.
"""

# ruff: noqa: T201
from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from itertools import pairwise
from statistics import median

import antimony
import numpy as np
import roadrunner
from scipy.integrate import solve_ivp

from lakebatch.experiments.virtual_cohort import (
    DrugConfig,
    NetworkConfig,
    ParameterConfig,
    SimulationConfig,
    build_network,
    draw_parameters,
    parameter_names,
    simulate,
)
from lakebatch.experiments.virtual_cohort.antimony import to_antimony
from lakebatch.experiments.virtual_cohort.simulation import simulate_with_cost, time_points

MODEL = build_network(NetworkConfig(), [DrugConfig()], np.random.default_rng(1))
NAMES = parameter_names(MODEL)
SPAN = SimulationConfig()
DEFAULT = f"lakebatch {SPAN.relative_tolerance:g}"
START_UP = """
import time
begin = time.perf_counter()
import numpy as np
from lakebatch.experiments.virtual_cohort import *
model = build_network(NetworkConfig(), [DrugConfig()], np.random.default_rng(1))
parameters, initial = nominal_values(model)[np.newaxis], np.full((1, 10), 600.0)
ready = time.perf_counter()
simulate(model, parameters, initial, SimulationConfig())
print(time.perf_counter() - ready)
"""


def main() -> None:
    """Print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patients", type=int, default=384)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    parameters, initial = patients(arguments.patients)
    report_start_up()
    compare(parameters, initial, arguments.rounds)
    report_scaling()


def patients(n_samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Return parameters, shape (n_samples, n_parameters), and initial concentrations, (n_samples, 10)."""
    rng = np.random.default_rng(1)
    return draw_parameters(MODEL, ParameterConfig(), n_samples, rng), rng.uniform(200, 1000, (n_samples, 10))


def compare(parameters: np.ndarray, initial: np.ndarray, rounds: int) -> None:
    """Print milliseconds per patient and error of every solver, and the ratio to lakebatch."""
    expected = stacked(parameters, initial, "LSODA", 1e-11, 1e-11)
    solvers = candidates(parameters, initial)
    results = {name: solver() for name, solver in solvers.items()}
    seconds: dict[str, list[float]] = {name: [] for name in solvers}
    for _ in range(rounds):
        for name, solver in solvers.items():
            begin = time.perf_counter()
            solver()
            seconds[name].append(time.perf_counter() - begin)
    base = median(seconds[DEFAULT])
    print(f"{'solver':<32}{'ms/patient':>12}{'x lakebatch':>13}{'error':>11}")
    for name, values in seconds.items():
        error = np.max(np.abs(results[name] - expected) / (1 + np.abs(expected)))
        per_patient = 1e3 * median(values) / len(initial)
        print(f"{name:<32}{per_patient:>12.3f}{median(values) / base:>13.1f}{error:>11.1e}")


def candidates(parameters: np.ndarray, initial: np.ndarray) -> dict[str, Callable[[], np.ndarray]]:
    """Return the solvers to compare, each as a call that returns trajectories."""
    runner = RoadRunner(parameters, initial)
    return {
        DEFAULT: lambda: simulate(MODEL, parameters, initial, SPAN),
        "libRoadRunner 1e-6, abs 1e-6": lambda: runner.run(1e-6, 1e-6),
        "libRoadRunner 1e-6, abs 1e-12": lambda: runner.run(1e-6, 1e-12),
        "libRoadRunner 1e-8, abs 1e-12": lambda: runner.run(1e-8, 1e-12),
        "scipy RK45 1e-6, stacked": lambda: stacked(parameters, initial, "RK45", 1e-6, 1e-6),
        "scipy DOP853 1e-6, stacked": lambda: stacked(parameters, initial, "DOP853", 1e-6, 1e-6),
        "scipy LSODA 1e-6, one by one": lambda: stacked(parameters, initial, "LSODA", 1e-6, 1e-6),
    }


class RoadRunner:
    """libRoadRunner at its best: one compiled model, values set patient by patient."""

    def __init__(self, parameters: np.ndarray, initial: np.ndarray) -> None:
        antimony.clearPreviousLoads()
        assert antimony.loadAntimonyString(to_antimony(MODEL, parameters[0], initial[0])) != -1
        self.runner = roadrunner.RoadRunner(antimony.getSBMLString("virtual_patient"))
        self.runner.timeCourseSelections = [f"[{form}]" for form in MODEL.form_names]
        self.model = self.runner.getModel()
        known = list(self.model.getGlobalParameterIds())
        self.parameter_indices = [known.index(name) for name in (*NAMES, "D")]
        species = list(self.model.getFloatingSpeciesIds())
        self.species_indices = [species.index(name) for name in MODEL.form_names]
        self.parameters = np.column_stack([parameters, np.zeros(len(parameters))])
        self.initial = np.hstack([initial, np.zeros_like(initial)])

    def run(self, relative: float, absolute: float) -> np.ndarray:
        """Return the trajectories of all patients."""
        self.runner.integrator.relative_tolerance = relative
        self.runner.integrator.absolute_tolerance = absolute
        return np.array([self.one(patient) for patient in range(len(self.initial))])

    def one(self, patient: int) -> np.ndarray:
        """Return one patient's trajectories."""
        self.runner.reset()
        self.model.setGlobalParameterValues(self.parameter_indices, self.parameters[patient])
        self.model.setFloatingSpeciesConcentrations(self.species_indices, self.initial[patient])
        return np.array(self.runner.simulate(SPAN.start, SPAN.stop, SPAN.n_points)).T


def stacked(
    parameters: np.ndarray, initial: np.ndarray, method: str, relative: float, absolute: float
) -> np.ndarray:
    """Return trajectories from scipy: all patients as one system, with LSODA one patient at a time."""
    size = 1 if method == "LSODA" else len(initial)
    blocks = [slice(first, first + size) for first in range(0, len(initial), size)]
    return np.concatenate(
        [_stack(parameters[block], initial[block], method, relative, absolute) for block in blocks]
    )


def _stack(
    parameters: np.ndarray, initial: np.ndarray, method: str, relative: float, absolute: float
) -> np.ndarray:
    """Return the trajectories of patients that are integrated as one system."""
    times, pieces = time_points(SPAN), []
    active = np.zeros(initial.size)
    for begin, end in pairwise((SPAN.start, MODEL.drugs[0].start, SPAN.stop)):
        change = vectorised(parameters, initial, MODEL.drugs[0].dose if begin else 0.0)
        inside = times[(times >= begin) & (times < end)]
        solution = solve_ivp(
            change, (begin, end), active, method, np.append(inside, end), rtol=relative, atol=absolute
        )
        pieces.append(solution.y[:, :-1])
        active = solution.y[:, -1]
    xa = np.column_stack([*pieces, active]).reshape(*initial.shape, -1)
    return np.concatenate([initial[:, :, np.newaxis] - xa, xa], axis=1)


def vectorised(
    parameters: np.ndarray, initial: np.ndarray, dose: float
) -> Callable[[float, np.ndarray], np.ndarray]:
    """Return the right-hand side of all patients at once, for the default network."""

    def columns(kind: str, reaction: str) -> np.ndarray:
        return parameters[:, [NAMES.index(f"{kind}_{name}_{reaction}") for name in MODEL.species]]

    km_up, km_down = columns("Km", "activation"), columns("Km", "deactivation")
    v_up, v_down = columns("Vmax", "activation"), columns("Vmax", "deactivation")
    v_down[:, 0] += dose * parameters[:, NAMES.index("Kw_R1_deactivation_D")]
    weights = np.zeros((len(initial), 10, 10))
    for edge in MODEL.regulations:
        if edge.direction == "up":
            ends = MODEL.species.index(edge.target), MODEL.species.index(edge.source)
            weights[:, *ends] = parameters[:, NAMES.index(f"Kw_{edge.target}_activation_{edge.source}")]

    def change(_: float, flat: np.ndarray) -> np.ndarray:
        xa = flat.reshape(initial.shape)
        x = initial - xa
        rate = v_up + (weights @ xa[..., np.newaxis])[..., 0]
        return (rate * x / (km_up + x) - v_down * xa / (km_down + xa)).ravel()

    return change


def report_start_up() -> None:
    """Print the first call's seconds in fresh processes, without and with a filled cache."""
    with tempfile.TemporaryDirectory() as folder:
        for label in ("compiled", "from the cache", "from the cache"):
            environment = {**os.environ, "NUMBA_CACHE_DIR": folder}
            run = subprocess.run(
                [sys.executable, "-c", START_UP], env=environment, capture_output=True, text=True, check=True
            )
            print(f"first call of a process, {label}: {float(run.stdout):.2f} s")


def report_scaling() -> None:
    """Print time per patient, memory without the result, and evaluations for growing cohorts."""
    print(f"{'patients':>10}{'ms/patient':>12}{'MB beside':>12}{'evaluations':>13}")
    for n_samples in (100, 1_000, 10_000, 100_000):
        parameters, initial = patients(n_samples)
        begin = time.perf_counter()
        trajectories, cost = simulate_with_cost(MODEL, parameters, initial, SPAN)
        seconds = time.perf_counter() - begin
        size, evaluations = trajectories.nbytes, cost.n_evaluations.mean()
        del trajectories
        beside = (peak_bytes(parameters, initial) - size) / 1e6
        print(f"{n_samples:>10}{1e3 * seconds / n_samples:>12.4f}{beside:>12.1f}{evaluations:>13.0f}")


def peak_bytes(parameters: np.ndarray, initial: np.ndarray) -> int:
    """Return the peak memory allocated by a simulation."""
    tracemalloc.start()
    simulate(MODEL, parameters, initial, SPAN)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


if __name__ == "__main__":
    main()
