"""The features of an ensemble, sorted once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from .growth import NODE, grow
from .splits import CLOSEST


@dataclass(frozen=True, eq=False)
class SortedColumns:
    """Features in the layouts that growing a tree reads, see `growth.grow`.

    Attributes
    ----------
    columns, rows : float32 array, shape (n_features, n_samples) and (n_samples, n_features)
    orders : unsigned integer array, shape (n_features, n_samples)
        The samples in the order of each feature.
    is_distinct : bool array, shape (n_features,)
        Whether all values of a feature differ by more than `splits.CLOSEST`.
    reciprocals : float64 array, shape (n_samples + 1,)
    """

    columns: NDArray[np.float32]
    rows: NDArray[np.float32]
    orders: NDArray[Any]
    is_distinct: NDArray[np.bool_]
    reciprocals: NDArray[np.float64]

    @classmethod
    def of(cls, features: NDArray[np.float32]) -> Self:
        """Return the sorted columns of finite features, shape (n_samples, n_features)."""
        rows = np.ascontiguousarray(features)
        columns = np.ascontiguousarray(rows.T)
        orders = np.argsort(columns, axis=1, kind="stable")
        ordered = np.take_along_axis(columns, orders, axis=1)
        is_distinct = (ordered[:, 1:] > ordered[:, :-1] + CLOSEST).all(axis=1)
        index = np.uint16 if len(rows) <= np.iinfo(np.uint16).max else np.uint32
        reciprocals = 1 / np.maximum(np.arange(len(rows) + 1), 1)
        return cls(columns, rows, orders.astype(index), is_distinct, reciprocals)

    def grow(
        self, target: NDArray[np.float64], counts: NDArray[np.int64], seed: int, max_depth: int
    ) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Return the nodes of a tree, and the leaf of each drawn sample.

        Parameters
        ----------
        target : float64 array, shape (n_samples,)
        counts : int64 array, shape (n_samples,)
            How often each sample is drawn, n_samples together.
        seed : int, 0 <= seed < 2**31 - 1
            Decides in which order features are tried.
        max_depth : int
        """
        nodes = np.empty(2 * len(target), NODE)
        leaf_of = np.zeros(len(target), np.int64)
        size = grow(
            self.columns,
            self.rows,
            self.orders,
            self.is_distinct,
            target,
            counts,
            self.reciprocals,
            seed,
            max_depth,
            nodes,
            leaf_of,
        )
        return nodes[:size].copy(), leaf_of
