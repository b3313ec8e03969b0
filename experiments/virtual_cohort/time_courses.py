"""Simulated time courses, in the precision and form in which they are used and kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class TimeCourses:
    """Concentrations over time of every patient.

    Values are in single precision, 6e-8 of a value, which is below the error of the simulation; features
    are computed from exactly these. Of a conserved pair of forms one is kept, and its total in double
    precision.

    Attributes
    ----------
    names : tuple of str
        The forms that are kept.
    values : float32 array, shape (n_samples, n_names, n_times), a.u.
    counterparts : tuple of str
        The other forms of conserved pairs, in the order of ``names``; empty where nothing is conserved.
    totals : float array, shape (n_samples, n_names), a.u., optional
        Conserved sum of each pair.
    """

    names: tuple[str, ...]
    values: np.ndarray
    counterparts: tuple[str, ...] = ()
    totals: np.ndarray | None = None

    @property
    def form_names(self) -> tuple[str, ...]:
        """The forms of `trajectories`: the counterparts, then those that are kept."""
        return (*self.counterparts, *self.names)

    def trajectories(self) -> np.ndarray:
        """Return the time courses of all forms.

        Returns
        -------
        float array, shape (n_samples, n_forms, n_times), a.u.

        Examples
        --------
        >>> pair = TimeCourses(("Xa",), np.float32([[[0, 2]]]), ("X",), np.array([[5.0]]))
        >>> pair.trajectories().tolist()
        [[[5.0, 3.0], [0.0, 2.0]]]
        """
        kept = self.values.astype(np.float64)
        if self.totals is None:
            return kept
        # single precision can round a value up past its total
        counterparts = np.maximum(self.totals[:, :, np.newaxis] - kept, 0.0)
        return np.concatenate([counterparts, kept], axis=1)

    @classmethod
    def joined(cls, blocks: Sequence[TimeCourses]) -> TimeCourses:
        """Return the time courses of all patients of some blocks, one after the other."""
        first, totals = blocks[0], [each.totals for each in blocks if each.totals is not None]
        values = np.concatenate([each.values for each in blocks])
        return cls(first.names, values, first.counterparts, np.concatenate(totals) if totals else None)

    def last(self, name: str) -> np.ndarray:
        """Return a kept form at the last time point; float array, shape (n_samples,), a.u."""
        return self.values[:, self.names.index(name), -1].astype(np.float64)
