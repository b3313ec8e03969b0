"""Numbers that summarise a simulated trajectory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lakebatch.errors import ExperimentError, SimulationError

FloatArray = NDArray[np.float64]

STATISTICS = ("auc", "median", "tfc", "tmax", "max", "tmin", "min", "ttsv", "tsv", "init")
"""The ten dynamic features of one trajectory, in the order of their columns."""

STABILITY_TOLERANCE = 0.01
"""Two neighbouring points that differ by less than this stand still (a.u.)."""

START_IS_ZERO = 1000.0
"""Total fold change of a trajectory that starts at 0."""

FALLS_TO_ZERO = -1000.0
"""Total fold change of a trajectory that falls to 0."""

BLOCK_VALUES = 2**17
"""Values handled at a time (1 MiB of float64), so that the intermediate arrays stay in the cache."""


def dynamic_columns(form_names: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the columns of `dynamic_features`.

    Examples
    --------
    >>> dynamic_columns(["R1"])[:3]
    ('auc:R1', 'median:R1', 'tfc:R1')
    """
    return tuple(f"{statistic}:{form}" for form in form_names for statistic in STATISTICS)


def last_columns(form_names: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the columns of `last_values`.

    Examples
    --------
    >>> last_columns(["R1", "R1a"])
    ('last:R1', 'last:R1a')
    """
    return tuple(f"last:{form}" for form in form_names)


def last_values(trajectories: ArrayLike) -> FloatArray:
    """Return every form's value at the last time point.

    Parameters
    ----------
    trajectories : float array, shape (n_samples, n_forms, n_times), a.u.

    Returns
    -------
    float array, shape (n_samples, n_forms), a.u.

    Raises
    ------
    SimulationError
        If any value of a trajectory, not only the last, is not finite.

    Examples
    --------
    >>> last_values([[[1.0, 2.0], [3.0, 4.0]]])
    array([[2., 4.]])
    """
    checked = _three_dimensional(trajectories)
    for samples in _blocks(checked):
        _require_finite(checked[samples], samples.start)
    return checked[:, :, -1].copy()


def dynamic_features(trajectories: ArrayLike) -> FloatArray:
    """Return ten numbers for every form's trajectory of m points.

    ``auc`` area under the curve (`area_under_curve`), ``median``, ``tfc`` (`total_fold_change`),
    ``tmax`` and ``tmin`` the index of the first maximum and minimum divided by m, ``max``, ``min``,
    ``ttsv`` time to stability: the points up to and with `stability_index`, divided by m, ``tsv`` the
    value there, and ``init`` the first value.

    Parameters
    ----------
    trajectories : float array, shape (n_samples, n_forms, n_times), a.u.
        On an even time grid, the same for all.

    Returns
    -------
    float array, shape (n_samples, n_forms * 10)
        Ten columns a form, named by `dynamic_columns`. ``median``, ``max``, ``min``, ``tsv`` and ``init``
        in a.u., ``auc`` in a.u. (time in grid steps, divided by m), the others without unit.

    Raises
    ------
    SimulationError
        If a value is not finite.

    Notes
    -----
    Computed in blocks of samples: beside the result, a few MiB of memory, however many samples.

    Examples
    --------
    >>> values = dynamic_features([[[1.0, 3.0, 2.0, 2.0]]])
    >>> dict(zip(dynamic_columns(["R1"]), values[0].tolist(), strict=True))["ttsv:R1"]
    0.75
    """
    checked = _three_dimensional(trajectories)
    n_samples, n_forms, _ = checked.shape
    features = np.empty((n_samples, n_forms, len(STATISTICS)))
    for samples in _blocks(checked):
        block = np.ascontiguousarray(checked[samples])
        _require_finite(block, samples.start)
        features[samples] = _statistics(block)
    return features.reshape(n_samples, n_forms * len(STATISTICS))


def area_under_curve(values: FloatArray) -> FloatArray:
    """Return the area by the trapezoid rule with unit spacing, divided by the number of points.

    Parameters
    ----------
    values : float array, shape (..., n_times), a.u.

    Returns
    -------
    float array, shape (...), a.u.
        0 for a trajectory of one point.

    Examples
    --------
    >>> area_under_curve(np.array([[0.0, 2.0, 4.0, 2.0]]))
    array([1.75])
    """
    ends = (values[..., 0] + values[..., -1]) / 2
    return (values.sum(axis=-1) - ends) / values.shape[-1]


def total_fold_change(start: FloatArray, end: FloatArray) -> FloatArray:
    """Return how many times a trajectory rose (positive) or fell (negative), from its two ends.

    ``(end - start) / start`` where it does not fall, ``-(start - end) / end`` where it falls.

    Parameters
    ----------
    start, end : float array, shape (...), a.u.

    Returns
    -------
    float array, shape (...), without unit
        1000 where start is 0, also where end is 0 too (it does not fall); -1000 where it falls to 0. A
        ratio beyond the range of float64 is the largest float of its sign.

    Examples
    --------
    >>> total_fold_change(np.array([2.0, 6.0, 0.0, 5.0]), np.array([6.0, 2.0, 7.0, 0.0]))
    array([    2.,    -2.,  1000., -1000.])
    """
    falls = end < start
    largest = np.finfo(np.float64).max
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        change = (end - start) / np.where(falls, end, start)
    change = np.clip(change, -largest, largest)
    change = np.where(falls & (end == 0), FALLS_TO_ZERO, change)
    return np.where(start == 0, START_IS_ZERO, change)


def stability_index(values: FloatArray, tolerance: float = STABILITY_TOLERANCE) -> NDArray[np.intp]:
    """Return the index that is reached walking back from the end while neighbours stand still.

    Parameters
    ----------
    values : float array, shape (..., n_times), a.u.
    tolerance : float, a.u.
        Neighbours that differ by less stand still; by as much or more, they move.

    Returns
    -------
    int array, shape (...)
        The last point that differs from the one before it; 0 where none does.

    Examples
    --------
    >>> stability_index(np.array([[1.0, 3.0, 2.0, 2.0], [5.0, 5.0, 5.0, 5.0]]))
    array([2, 0])
    """
    n_times = values.shape[-1]
    if n_times == 1:
        return np.zeros(values.shape[:-1], dtype=np.intp)
    steps = np.diff(values, axis=-1)
    moves = np.abs(steps, out=steps)[..., ::-1] >= tolerance
    still = moves.argmax(axis=-1)
    return np.where(moves.any(axis=-1), n_times - 1 - still, 0)


def _statistics(values: FloatArray) -> FloatArray:
    """Return the ten numbers of each trajectory, shape (..., 10)."""
    n_times = values.shape[-1]
    start, end = values[..., 0], values[..., -1]
    stable, ordered = stability_index(values), np.sort(values, axis=-1)
    columns = {
        "auc": area_under_curve(values),
        "median": (ordered[..., (n_times - 1) // 2] + ordered[..., n_times // 2]) / 2,
        "tfc": total_fold_change(start, end),
        "tmax": values.argmax(axis=-1) / n_times,
        "max": ordered[..., -1],
        "tmin": values.argmin(axis=-1) / n_times,
        "min": ordered[..., 0],
        "ttsv": (stable + 1) / n_times,
        "tsv": np.take_along_axis(values, stable[..., None], axis=-1)[..., 0],
        "init": start,
    }
    return np.stack([columns[statistic] for statistic in STATISTICS], axis=-1)


def _three_dimensional(trajectories: ArrayLike) -> FloatArray:
    """Return the trajectories as float64, or raise if they do not have samples, forms and times."""
    checked = np.asarray(trajectories, dtype=np.float64)
    if checked.ndim != 3 or checked.shape[2] == 0:
        raise ExperimentError(
            f"Trajectories have shape {checked.shape}, expected (n_samples, n_forms, n_times) with at least "
            "one time point."
        )
    return checked


def _blocks(trajectories: FloatArray) -> Iterator[slice]:
    """Yield slices of samples that hold about `BLOCK_VALUES` values each."""
    n_samples, n_forms, n_times = trajectories.shape
    step = max(1, BLOCK_VALUES // max(1, n_forms * n_times))
    for first in range(0, n_samples, step):
        yield slice(first, min(first + step, n_samples))


def _require_finite(block: FloatArray, first_sample: int) -> None:
    """Raise with the first value that is not finite."""
    finite = np.isfinite(block)
    if finite.all():
        return
    sample, form, time = np.argwhere(~finite)[0].tolist()
    raise SimulationError(
        f"The trajectory of sample {first_sample + sample}, form {form} is {block[sample, form, time]} at "
        f"time point {time}, expected finite values. Simulate with smaller tolerances or parameter ranges."
    )
