"""Simulated time courses, in the precision and form in which they are used and kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate

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
    failures : mapping of int to str
        The samples that could not be simulated, whose values are NaN, with their reasons.
    """

    names: tuple[str, ...]
    values: np.ndarray
    counterparts: tuple[str, ...] = ()
    totals: np.ndarray | None = None
    failures: Mapping[int, str] = field(default_factory=dict)

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
        firsts = accumulate((len(each.values) for each in blocks), initial=0)
        failures = {
            first_sample + sample: reason
            for first_sample, block in zip(firsts, blocks, strict=False)
            for sample, reason in block.failures.items()
        }
        return cls(
            first.names, values, first.counterparts, np.concatenate(totals) if totals else None, failures
        )

    def of_samples(self, samples: np.ndarray) -> TimeCourses:
        """Return the time courses of some samples, all of which could be simulated."""
        totals = None if self.totals is None else self.totals[samples]
        return replace(self, values=self.values[samples], totals=totals, failures={})

    def last(self, name: str) -> np.ndarray:
        """Return a kept form at the last time point; float array, shape (n_samples,), a.u."""
        return self.values[:, self.names.index(name), -1].astype(np.float64)
