"""Sizes of the variables of a custom model, which its tolerances are in proportion to."""

from __future__ import annotations

import numpy as np

REFERENCE = 1000.0
"""The value that `absolute_tolerance` is meant for, as in the built-in network; others have theirs in proportion."""
SMALL = 1e-9
"""Share of a variable's largest value below which its values may have an error of their own size."""
SMALLEST = 1e-18
# absolute tolerance of the first integration, which finds the sizes, relative to the values at the start


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
    values = np.abs(np.where(np.isfinite(courses), courses, 0.0))
    largest = values.max(axis=0, initial=0.0)
    later = np.maximum.accumulate(values[::-1])[::-1]
    rising = (values > 0) & (later >= SMALL * largest)
    smallest = np.where(rising, values, np.inf).min(axis=0, initial=np.inf)
    sizes = np.minimum(largest, smallest / SMALL)
    least = sizes[sizes > 0].min(initial=np.inf)
    sizes = np.where(sizes > 0, sizes, SMALL * least if np.isfinite(least) else 1.0)
    return np.asarray(10.0 ** np.floor(np.log10(sizes) + 0.25))
