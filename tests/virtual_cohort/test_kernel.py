"""The compiled kernel: the order of the method, and the cache of its machine code."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from lakebatch.experiments.compilation import compiling
from lakebatch.experiments.virtual_cohort import kernel, rodas5p
from lakebatch.experiments.virtual_cohort.tables import build_tables

SCRIPT = """
import logging, sys
logging.basicConfig(level="INFO", stream=sys.stdout, format="%(message)s")
sys.path.insert(0, sys.argv[1])
from copied.solver import kernel
print(kernel.growth(1.0))
"""


def test_step_has_order_five(default_model, patients):
    ends = {step: one_span(default_model, patients, step)[0] for step in (1.0, 0.5, 0.0625)}
    errors = [np.abs(ends[step] - ends[0.0625]).max() for step in (1.0, 0.5)]
    assert 4.5 < np.log2(errors[0] / errors[1]) < 5.5


def test_error_estimate_has_order_five(default_model, patients):
    estimates = [one_span(default_model, patients, step, span=step)[1] for step in (0.5, 0.25)]
    assert 4.5 < np.log2(estimates[0] / estimates[1]) < 5.5


def one_span(model, patients, step, span=8.0):
    """Return Xa at the end of a span of equal steps, and the last error estimate."""
    tables = build_tables(model)
    parameters, initial = patients(model, 1)
    sizes = len(model.species), tables.constant_columns.size, tables.n_entries
    state, result, matrix, increments, rates, frequencies, lanes, clock = kernel.make_workspace(*sizes)
    columns = tables.constant_columns, tables.rate_columns, tables.drug_edges
    problem = parameters, initial, np.array([0.0, span]), np.zeros((1, 1)), np.array([0.0])
    kernel.seat_patients(0, problem, columns, lanes, clock, state)
    kernel.enter_segments(problem, columns, lanes, clock, state)
    programs = tables.edges, tables.first_edge, tables.factor_program, tables.solve_program
    for _ in range(round(span / step)):
        clock[kernel.STEP] = step
        kernel.take_step(state, programs, clock, matrix, rates, frequencies, increments, result)
        state[0][:] = result
    return result[:, 0].copy(), np.abs(increments[-1, :, 0]).max()


def test_stage_matrix_holds_the_jacobian(model, patients):
    tables = build_tables(model)
    parameters, initial = patients(model, kernel.LANES)
    state, rates, matrix = seated(model, tables, parameters, initial)
    state[0][:] = np.random.default_rng(2).uniform(0.1, 0.9, state[0].shape) * state[1]
    edges = tables.edges, tables.first_edge
    kernel.stage_matrix(*state, *edges, np.zeros(kernel.LANES), rates, matrix)
    n_species = len(model.species)
    jacobian = np.zeros((n_species, n_species, kernel.LANES))
    jacobian[np.arange(n_species), np.arange(n_species)] = -matrix[:n_species]
    targets = np.repeat(np.arange(n_species), np.diff(tables.first_edge))
    jacobian[targets, tables.edges[:, 0]] = -matrix[tables.edges[:, 3]]
    for source in range(n_species):
        slope = central_difference(source, state, edges)
        np.testing.assert_allclose(jacobian[:, source], slope, rtol=1e-5, atol=1e-8)


def seated(model, tables, parameters, initial):
    """Return state, rates and matrix of a block of patients before any step."""
    sizes = len(model.species), tables.constant_columns.size, tables.n_entries
    state, _, matrix, _, rates, _, lanes, clock = kernel.make_workspace(*sizes)
    columns = tables.constant_columns, tables.rate_columns, tables.drug_edges
    problem = parameters, initial, np.array([0.0, 1.0]), np.full((1, len(model.drugs)), 50.0), np.zeros(1)
    kernel.seat_patients(0, problem, columns, lanes, clock, state)
    kernel.enter_segments(problem, columns, lanes, clock, state)
    return state, rates, matrix


def central_difference(source, state, edges, width=1e-3):
    """Return the derivative of every rate with respect to one active form."""
    sides = []
    for shift in (width, -width):
        active, rates = state[0].copy(), np.empty_like(state[0])
        active[source] += shift
        kernel.right_hand_side(active, *state[1:], *edges, rates)
        sides.append(rates)
    return (sides[0] - sides[1]) / (2 * width)


def test_step_growth_follows_the_error():
    assert kernel.growth(0.0) == kernel.LARGEST_GROWTH
    assert kernel.growth(1.0) == kernel.SAFETY
    assert kernel.growth(np.nan) == kernel.growth(np.inf) == kernel.LARGEST_CUT


@pytest.mark.parametrize("writable", [True, False])
def test_kernel_compiles_where_its_folder_cannot_be_written(tmp_path, writable):
    package = tmp_path / "copied" / "solver"
    package.mkdir(parents=True)
    (package.parent / "compilation").mkdir()
    shutil.copy(compiling.__file__, package.parent / "compilation")
    for module in (kernel, rodas5p):
        shutil.copy(module.__file__, package)
    (package / "__pycache__").touch()
    home = tmp_path / "home"
    home.mkdir() if writable else home.touch()
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("NUMBA_", "XDG_"))}
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT, str(tmp_path)],
        env={**kept, "HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.endswith("0.9\n")
    assert ("Compiled code is not kept" in run.stdout) is not writable
    assert bool(list(home.rglob("*.nbc")) if writable else []) is writable
