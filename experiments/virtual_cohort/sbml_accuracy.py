"""Sizes of the variables of a custom model, which its tolerances are in proportion to."""

from __future__ import annotations

import numpy as np

REFERENCE = 1000.0
"""The value that `absolute_tolerance` is meant for, as in the built-in network; others have theirs in proportion."""
SMALL = 1e-9
"""Share of a variable's largest value below which its values may have an error of their own size."""
LARGER = 1e-14
# absolute tolerance, relative to the largest value, with which steps pass a discontinuity: above the rounding errors


def absolute_tolerances(courses: np.ndarray, tolerance: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the absolute tolerances of variables, and larger ones for models that cannot be integrated with these.

    Parameters
    ----------
    courses : float array, shape (n_times, n_variables), the model's units
    tolerance : float
        The one of a variable of about 1000.

    Returns
    -------
    two float arrays, shape (n_variables,), the model's units
    """
    wanted = tolerance / REFERENCE * sizes_of(courses)
    return wanted, np.maximum(wanted, LARGER * _decades(_absolute(courses).max(axis=0, initial=0.0), 1.0))


def first_tolerances(start: np.ndarray, tolerance: float) -> tuple[np.ndarray, ...]:
    """Return absolute tolerances to try, where only the values at the start are known.

    The last ones are rough: a variable can start far below its size.
    """
    largest = _absolute(start).max(axis=1, keepdims=True, initial=0.0)
    rough = LARGER * _decades(np.broadcast_to(largest, start.shape)[0], 1.0)
    return (*absolute_tolerances(start, tolerance), rough)


def sizes_of(courses: np.ndarray) -> np.ndarray:
    """Return the sizes of variables, as powers of ten, so that they are the same on every machine.

    Parameters
    ----------
    courses : float array, shape (n_times, n_variables), the model's units
        Values that are not finite are left out.

    Returns
    -------
    float array, shape (n_variables,), the model's units
        The largest absolute value; of a variable that rises from less than `SMALL` of it, so much less, as the
        errors rise too. A variable that is 0 can have any size under a patient's values, and counts as a small one.
    """
    values = _absolute(courses)
    largest = values.max(axis=0, initial=0.0)
    later = np.maximum.accumulate(values[::-1])[::-1]
    rising = (values > 0) & (later >= SMALL * largest)
    smallest = np.where(rising, values, np.inf).min(axis=0, initial=np.inf)
    return _decades(np.minimum(largest, smallest / SMALL), SMALL)


def _absolute(courses: np.ndarray) -> np.ndarray:
    """Return absolute values; 0 for what is not finite."""
    return np.abs(np.where(np.isfinite(courses), courses, 0.0))


def _decades(values: np.ndarray, share: float) -> np.ndarray:
    """Return powers of ten near values that are not negative; for those that are 0, a share of the smallest."""
    least = values[values > 0].min(initial=np.inf)
    values = np.where(values > 0, values, share * least if np.isfinite(least) else 1.0)
    return np.asarray(10.0 ** np.floor(np.log10(values) + 0.25))
