"""The compiled integrator: many patients side by side, each with its own steps.

A block of `LANES` patients advances together, so that every operation runs over a vector of patients;
each lane has its own time, step size, error and acceptance, and takes the next patient when it is done.
No operation mixes lanes: a patient's trajectory is the same to the last bit in whatever company.

The method is Rodas5P, a stiffly accurate Rosenbrock method of order 5 with an embedded solution of
order 4 and a continuous extension of order 4. Signalling networks are stiff here (an explicit method
is held to the step size of its stability limit for most of the time span), and their Jacobian is
sparse: without feedback the stage equations are solved by substitution alone.

Source: Steinebach, BIT Numerical Mathematics 63, 27 (2023), doi:10.1007/s10543-023-00967-x; the form of
the stages without matrix products: Hairer and Wanner, Solving Ordinary Differential Equations II,
section IV.7. Deviation: the system is autonomous between drug onsets, so no derivative in time appears.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..compilation.compiling import compiled
from .rodas5p import COUPLINGS, DENSE_WEIGHTS, GAMMA, STAGE_WEIGHTS, STAGES

LANES = 128
"""Patients that advance side by side: of 16, 32, 64, 128 and 256 the fastest for 100, 1,000 and 5,000
patients of the default network, with AVX-512 and 1 MiB of second-level cache."""

CACHE_LINE = 8
"""Numbers in a cache line of 64 bytes."""

EVALUATIONS_PER_STEP = STAGES
"""Evaluations of the right-hand side in one step; the first one comes with the Jacobian."""

DONE, STEP_LIMIT, STEP_VANISHED = 0, 1, 2
PATIENT, SEGMENT, POINT, REJECTED = 0, 1, 2, 3
NOW, STEP, END, ERROR = 0, 1, 2, 3
NOBODY = -1

SAFETY = 0.9
ESTIMATE_WEIGHT = 2.0
"""Errors of steps add up, and between the ends of a step they are larger than the estimate. With this
weight the largest error of a trajectory is 1 tolerance in the median of the default network's patients,
5 to 7 in one of a hundred, and more than 10 (it was 18) in one of 1,884; without it about twice as much."""

LARGEST_GROWTH, LARGEST_CUT = 6.0, 0.2
FIRST_STEP = 1e-2
SMALLEST_STEP = 1e-14
SMALLEST_ERROR = 1e-8


@compiled
def activities(i, active, constants, base, edges, first_edge, result):
    """Sum what acts on species i: activation rate, deactivation rate, inhibition; shape (3, LANES)."""
    for role in range(3):
        for lane in range(LANES):
            result[role, lane] = base[role, i, lane]
    for edge in range(first_edge[i], first_edge[i + 1]):
        source, role, row = edges[edge, 0], edges[edge, 1], edges[edge, 2]
        for lane in range(LANES):
            result[role, lane] += constants[row, lane] * active[source, lane]


@compiled
def right_hand_side(active, totals, constants, base, edges, first_edge, rates):
    """Evaluate d(Xa)/dt of every species, a.u./time, from the active concentrations."""
    n_species = totals.shape[0]
    acting = np.empty((3, LANES))
    for i in range(n_species):
        activities(i, active, constants, base, edges, first_edge, acting)
        for lane in range(LANES):
            x, xa = totals[i, lane] - active[i, lane], active[i, lane]
            forward = (constants[i, lane] + x) * acting[2, lane]
            backward = constants[n_species + i, lane] + xa
            change = acting[0, lane] * x * backward - acting[1, lane] * xa * forward
            rates[i, lane] = change / (forward * backward)


@compiled
def stage_matrix(active, totals, constants, base, edges, first_edge, frequencies, rates, matrix):
    """Evaluate d(Xa)/dt and the stage matrix I / (gamma * step) - Jacobian, entry by entry."""
    n_species = totals.shape[0]
    for entry in range(n_species, matrix.shape[0]):
        for lane in range(LANES):
            matrix[entry, lane] = 0.0
    acting = np.empty((3, LANES))
    for i in range(n_species):
        activities(i, active, constants, base, edges, first_edge, acting)
        for lane in range(LANES):
            x, xa = totals[i, lane] - active[i, lane], active[i, lane]
            forward = 1.0 / (constants[i, lane] + x)
            backward = 1.0 / (constants[n_species + i, lane] + xa)
            uninhibited = 1.0 / acting[2, lane]
            per_up, per_down = x * forward * uninhibited, xa * backward
            rates[i, lane] = acting[0, lane] * per_up - acting[1, lane] * per_down
            slope_up = acting[0, lane] * constants[i, lane] * forward * forward * uninhibited
            slope_down = acting[1, lane] * constants[n_species + i, lane] * backward * backward
            matrix[i, lane] = frequencies[lane] * (1.0 / GAMMA) + slope_up + slope_down
            acting[2, lane] = acting[0, lane] * per_up * uninhibited
            acting[0, lane] = -per_up
            acting[1, lane] = per_down
        for edge in range(first_edge[i], first_edge[i + 1]):
            role, row, entry = edges[edge, 1], edges[edge, 2], edges[edge, 3]
            for lane in range(LANES):
                matrix[entry, lane] += constants[row, lane] * acting[role, lane]


@compiled
def factorise(matrix, program):
    """Factorise the stage matrix in place: L below the diagonal, the inverted pivots, U above."""
    for k in range(program.shape[0]):
        operation, entry, left, right = program[k, 0], program[k, 1], program[k, 2], program[k, 3]
        if operation == 0:
            for lane in range(LANES):
                matrix[entry, lane] = 1.0 / matrix[entry, lane]
        elif operation == 1:
            for lane in range(LANES):
                matrix[entry, lane] *= matrix[left, lane]
        else:
            for lane in range(LANES):
                matrix[entry, lane] -= matrix[left, lane] * matrix[right, lane]


@compiled
def solve(matrix, program, vector):
    """Solve with the factorised stage matrix, in place."""
    for k in range(program.shape[0]):
        operation, row, entry, other = program[k, 0], program[k, 1], program[k, 2], program[k, 3]
        if operation == 1:
            for lane in range(LANES):
                vector[row, lane] *= matrix[entry, lane]
        else:
            for lane in range(LANES):
                vector[row, lane] -= matrix[entry, lane] * vector[other, lane]


@compiled
def combine(stage, increments, weights, result):
    """Set result to the weighted sum of the earlier stages' increments."""
    for i in range(result.shape[0]):
        for lane in range(LANES):
            result[i, lane] = weights[stage, 0] * increments[0, i, lane]
        for earlier in range(1, stage):
            for lane in range(LANES):
                result[i, lane] += weights[stage, earlier] * increments[earlier, i, lane]


@compiled
def take_step(state, tables, clock, matrix, rates, frequencies, increments, result):
    """Take one step in every lane: the stages' increments, and the solution at its end."""
    active, totals, constants, base = state
    edges, first_edge, factor_program, solve_program = tables
    n_species = active.shape[0]
    for lane in range(LANES):
        frequencies[lane] = 1.0 / clock[STEP, lane]
    stage_matrix(active, totals, constants, base, edges, first_edge, frequencies, increments[0], matrix)
    factorise(matrix, factor_program)
    solve(matrix, solve_program, increments[0])
    for stage in range(1, STAGES):
        combine(stage, increments, STAGE_WEIGHTS, result)
        for i in range(n_species):
            for lane in range(LANES):
                result[i, lane] += active[i, lane]
        right_hand_side(result, totals, constants, base, edges, first_edge, rates)
        combine(stage, increments, COUPLINGS, increments[stage])
        for i in range(n_species):
            for lane in range(LANES):
                increments[stage, i, lane] *= frequencies[lane]
                increments[stage, i, lane] += rates[i, lane]
        solve(matrix, solve_program, increments[stage])
    for i in range(n_species):
        for lane in range(LANES):
            result[i, lane] += increments[STAGES - 1, i, lane]


@compiled
def measure_errors(result, totals, increments, tolerances, clock):
    """Set the error of every lane's step, in units of the tolerance.

    The largest over the species, each relative to the smaller of its two forms, so that both are
    accurate. The embedded solution differs from the solution by the last increment.
    """
    relative_tolerance, absolute_tolerance = tolerances
    for lane in range(LANES):
        clock[ERROR, lane] = 0.0
    for i in range(result.shape[0]):
        for lane in range(LANES):
            xa = result[i, lane]
            size = min(abs(xa), abs(totals[i, lane] - xa))
            error = ESTIMATE_WEIGHT * abs(increments[STAGES - 1, i, lane])
            error /= absolute_tolerance + relative_tolerance * size
            clock[ERROR, lane] = clock[ERROR, lane] if error <= clock[ERROR, lane] else error


@compiled
def growth(error):
    """Return the factor on the step size that an error asks for; a cut where it is not a number."""
    if not error < np.inf:
        return LARGEST_CUT
    return min(LARGEST_GROWTH, max(LARGEST_CUT, SAFETY * max(error, SMALLEST_ERROR) ** -0.2))


@compiled
def write_points(times, lanes, clock, state, result, increments, output):
    """Write the time points that the accepted steps reach."""
    active, totals = state[0], state[1]
    n_species = active.shape[0]
    for lane in range(LANES):
        patient, point = lanes[PATIENT, lane], lanes[POINT, lane]
        last = point
        if patient != NOBODY and clock[ERROR, lane] <= 1.0:
            while last < times.size and times[last] <= clock[END, lane]:
                last += 1
        lanes[POINT, lane] = last
        for i in range(n_species if last > point else 0):
            second, third, fourth = 0.0, 0.0, 0.0
            for stage in range(STAGES):
                second += DENSE_WEIGHTS[0, stage] * increments[stage, i, lane]
                third += DENSE_WEIGHTS[1, stage] * increments[stage, i, lane]
                fourth += DENSE_WEIGHTS[2, stage] * increments[stage, i, lane]
            for k in range(point, last):
                theta = min((times[k] - clock[NOW, lane]) / clock[STEP, lane], 1.0)
                rest = 1.0 - theta
                bend = second + theta * (third + theta * fourth)
                xa = rest * active[i, lane] + theta * (result[i, lane] + rest * bend)
                xa = min(max(xa, 0.0), totals[i, lane])
                output[patient, i, k] = totals[i, lane] - xa
                output[patient, n_species + i, k] = xa


@compiled
def accept_steps(bounds, lanes, clock, active, result):
    """Move every lane whose error is within the tolerance to the end of its step.

    The empty lanes go along, but enter no segment.
    """
    for i in range(active.shape[0]):
        for lane in range(LANES):
            accepted = clock[ERROR, lane] <= 1.0
            active[i, lane] = result[i, lane] if accepted else active[i, lane]
    for lane in range(LANES):
        if clock[ERROR, lane] <= 1.0:
            factor = growth(clock[ERROR, lane])
            clock[STEP, lane] *= min(factor, 1.0) if lanes[REJECTED, lane] else factor
            clock[NOW, lane] = clock[END, lane]
            lanes[REJECTED, lane] = 0
            seated = lanes[PATIENT, lane] != NOBODY
            if seated and clock[NOW, lane] >= bounds[lanes[SEGMENT, lane] + 1]:
                lanes[SEGMENT, lane] += 1


@compiled
def reject_steps(lanes, clock):
    """Cut the step size of every lane whose error is beyond the tolerance."""
    for lane in range(LANES):
        if not clock[ERROR, lane] <= 1.0:
            lanes[REJECTED, lane] = 1
            clock[STEP, lane] *= min(growth(clock[ERROR, lane]), SAFETY)


@compiled
def seat_patients(waiting, problem, columns, lanes, clock, state):
    """Put the next patients into the empty lanes; return the first who still waits."""
    parameters, initial, bounds = problem[0], problem[1], problem[2]
    active, totals, constants = state[0], state[1], state[2]
    for lane in range(LANES):
        if lanes[PATIENT, lane] != NOBODY or waiting == initial.shape[0]:
            continue
        lanes[PATIENT, lane] = waiting
        lanes[SEGMENT, lane], lanes[POINT, lane], lanes[REJECTED, lane] = 0, 0, 0
        clock[NOW, lane] = bounds[0]
        for i in range(active.shape[0]):
            active[i, lane] = 0.0
            totals[i, lane] = initial[waiting, i]
        for row in range(constants.shape[0]):
            constants[row, lane] = parameters[waiting, columns[0][row]]
        waiting += 1
    return waiting


@compiled
def enter_segments(problem, columns, lanes, clock, state):
    """Set what acts from outside in the lanes that begin a segment, and a first step size."""
    parameters, bounds, doses = problem[0], problem[2], problem[3]
    rate_columns, drug_edges, constants, base = columns[1], columns[2], state[2], state[3]
    n_species = base.shape[1]
    for lane in range(LANES):
        patient, segment = lanes[PATIENT, lane], lanes[SEGMENT, lane]
        begins = clock[NOW, lane] == bounds[segment] and not lanes[REJECTED, lane]
        if patient == NOBODY or not begins:
            continue
        fastest = 0.0
        for i in range(n_species):
            base[0, i, lane] = parameters[patient, rate_columns[i]]
            base[1, i, lane] = parameters[patient, rate_columns[n_species + i]]
            base[2, i, lane] = 1.0
        for edge in range(drug_edges.shape[0]):
            drug, role, target = drug_edges[edge, 0], drug_edges[edge, 1], drug_edges[edge, 2]
            weight = parameters[patient, drug_edges[edge, 3]]
            base[role, target, lane] += weight * doses[segment, drug]
        for i in range(n_species):
            fastest = max(fastest, base[0, i, lane] / constants[i, lane])
            fastest = max(fastest, base[1, i, lane] / constants[n_species + i, lane])
        clock[STEP, lane] = FIRST_STEP / fastest


@compiled
def fit_steps(bounds, lanes, clock):
    """Let no step go beyond its segment; set where each one ends, on the bound if it gets there."""
    for lane in range(LANES):
        bound = bounds[lanes[SEGMENT, lane] + 1]
        remaining = bound - clock[NOW, lane]
        reaches = clock[STEP, lane] >= remaining
        clock[STEP, lane] = remaining if reaches else clock[STEP, lane]
        clock[END, lane] = bound if reaches else clock[NOW, lane] + clock[STEP, lane]


@compiled
def leave_lanes(bounds, max_steps, lanes, clock, report):
    """Count the steps; empty the lanes whose patient is done or given up, and return how many."""
    n_steps, outcomes, reached = report
    left = 0
    for lane in range(LANES):
        patient = lanes[PATIENT, lane]
        if patient == NOBODY:
            continue
        n_steps[patient] += 1
        reached[patient] = now = clock[NOW, lane]
        done = lanes[SEGMENT, lane] == bounds.size - 1
        if not done and n_steps[patient] >= max_steps:
            outcomes[patient] = STEP_LIMIT
        elif not done and clock[STEP, lane] < SMALLEST_STEP * max(abs(now), bounds[-1] - bounds[0]):
            outcomes[patient] = STEP_VANISHED
        if done or outcomes[patient] != DONE:
            lanes[PATIENT, lane], lanes[SEGMENT, lane] = NOBODY, 0
            left += 1
    return left


def _aligned(*shape: int) -> np.ndarray:
    """Return an array of ones that begins at a cache line, so that no vector straddles two."""
    size = int(np.prod(shape))
    buffer = np.ones(size + CACHE_LINE)
    first = (-buffer.ctypes.data // buffer.itemsize) % CACHE_LINE
    return buffer[first : first + size].reshape(shape)


def make_workspace(n_species: int, n_constants: int, n_entries: int) -> tuple[Any, ...]:
    """Return the arrays that one run of the integrator works in; their size is that of a block."""
    state = (
        _aligned(n_species, LANES),
        _aligned(n_species, LANES),
        _aligned(n_constants, LANES),
        _aligned(3, n_species, LANES),
    )
    result, matrix = _aligned(n_species, LANES), _aligned(n_entries, LANES)
    increments = _aligned(STAGES, n_species, LANES)
    rates, frequencies = _aligned(n_species, LANES), _aligned(LANES)
    lanes, clock = np.zeros((4, LANES), np.int64), _aligned(4, LANES)
    lanes[PATIENT] = NOBODY
    return state, result, matrix, increments, rates, frequencies, lanes, clock


@compiled
def integrate(problem, columns, tables, tolerances, max_steps, workspace, report, output):
    """Integrate every patient; fill the report and the output.

    Parameters
    ----------
    problem : tuple
        ``parameters``, float array, shape (n_samples, n_parameters);
        ``initial``, float array, shape (n_samples, n_species), a.u.: all of it inactive;
        ``bounds``, float array, shape (n_segments + 1,), a.u. of time: start, onsets, stop;
        ``doses``, float array, shape (n_segments, n_drugs), a.u.;
        ``times``, float array, shape (n_times,), a.u. of time: ascending, within the bounds.
    columns : tuple
        ``constant_columns``, ``rate_columns``, ``drug_edges`` of the network's tables.
    tables : tuple
        ``edges``, ``first_edge``, ``factor_program``, ``solve_program`` of the network's tables.
    tolerances : tuple of float
        Relative; absolute in a.u.
    max_steps : int
        Steps after which a patient is given up.
    workspace : tuple of arrays
        From `make_workspace`.
    report : tuple of arrays, shape (n_samples,)
        Filled with the number of steps, rejected ones included (int); `DONE`, `STEP_LIMIT` or
        `STEP_VANISHED` (int); and the time that was reached (float, a.u. of time).
    output : float array, shape (n_samples, 2 * n_species, n_times), a.u.
        Filled with every X, then every Xa.
    """
    state, result, matrix, increments, rates, frequencies, lanes, clock = workspace
    bounds, times = problem[2], problem[4]
    waiting, left = 0, output.shape[0]
    while left > 0:
        waiting = seat_patients(waiting, problem, columns, lanes, clock, state)
        enter_segments(problem, columns, lanes, clock, state)
        fit_steps(bounds, lanes, clock)
        take_step(state, tables, clock, matrix, rates, frequencies, increments, result)
        measure_errors(result, state[1], increments, tolerances, clock)
        write_points(times, lanes, clock, state, result, increments, output)
        accept_steps(bounds, lanes, clock, state[0], result)
        reject_steps(lanes, clock)
        left -= leave_lanes(bounds, max_steps, lanes, clock, report)
