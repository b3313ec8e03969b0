"""A random forest and gradient boosting whose trees are scikit-learn's, with its seeds, and are grown faster."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted, validate_data

from ...compilation.compiling import begins_with_models, reported
from .columns import SortedColumns
from .growth import predict

FloatArray = NDArray[np.float64]

LARGEST_SEED = np.iinfo(np.int32).max
"""scikit-learn draws the seeds of trees, and of the order in which features are tried, below this."""

UNLIMITED = LARGEST_SEED
"""The depth of a tree that is grown until its leaves are pure."""


class _Ensemble(RegressorMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """What the two ensembles share.

    Attributes
    ----------
    trees_ : list of arrays of `growth.NODE`
        The nodes of each tree; the first one is the root.
    """

    trees_: list[NDArray[Any]]
    n_features_in_: int

    def _checked(self, X: ArrayLike, y: ArrayLike) -> tuple[SortedColumns, FloatArray]:
        """Return the features in single precision, as scikit-learn's trees see them, and the target."""
        self._validate_params()
        features, target = validate_data(self, X, y, dtype=np.float32, y_numeric=True)
        return SortedColumns.of(features), np.ascontiguousarray(target, dtype=np.float64)

    def _sum_of_trees(self, X: ArrayLike, start: float, scale: float) -> FloatArray:
        """Return ``start`` plus the scaled predictions of all trees, added one after the other."""
        check_is_fitted(self)
        rows = validate_data(self, X, dtype=np.float32, order="C", reset=False)
        total = np.full(len(rows), start)
        for tree in self.trees_:
            predict(tree, rows, scale, total)
        return total


class PresortedForestRegressor(_Ensemble):
    """`sklearn.ensemble.RandomForestRegressor` with its default settings: the same trees, grown faster.

    Features that are sorted once, instead of in each node, make it 5 to 25 times as fast.

    Parameters
    ----------
    n_estimators : int
        Number of trees.
    random_state : int, RandomState or None
        Where the seeds of the trees come from.

    Examples
    --------
    >>> from sklearn.ensemble import RandomForestRegressor
    >>> rng = np.random.default_rng(1)
    >>> features, target = rng.normal(size=(60, 5)), rng.normal(size=60)
    >>> kinds = (PresortedForestRegressor, RandomForestRegressor)
    >>> one, other = (kind(random_state=1).fit(features, target).predict(features) for kind in kinds)
    >>> bool((one == other).all())
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_estimators": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(self, n_estimators: int = 100, *, random_state: Any = None) -> None:
        self.n_estimators = n_estimators
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Grow each tree to pure leaves on a bootstrap sample.

        Parameters
        ----------
        X : array, shape (n_samples, n_features)
        y : array, shape (n_samples,)

        Raises
        ------
        ValueError
            If a value is missing or not finite in single precision, or the shapes do not match.
        """
        columns, target = self._checked(X, y)
        n_samples = len(target)
        seeds = check_random_state(self.random_state)
        random = check_random_state(0)  # seeded anew for each tree, which is 60 times as fast as a new one
        self.trees_ = []
        for _ in range(self.n_estimators):
            seed = seeds.randint(LARGEST_SEED)
            random.seed(seed)
            counts = np.bincount(random.randint(0, n_samples, n_samples), minlength=n_samples)
            random.seed(seed)
            tree, _ = columns.grow(target, counts, random.randint(0, LARGEST_SEED), UNLIMITED)
            self.trees_.append(tree)
        return self

    def predict(self, X: ArrayLike) -> FloatArray:
        """Return the mean of the trees' predictions, shape (n_samples,)."""
        return self._sum_of_trees(X, 0.0, 1.0) / len(self.trees_)


class PresortedBoostingRegressor(_Ensemble):
    """`sklearn.ensemble.GradientBoostingRegressor` with its default settings: the same trees, grown faster.

    Features that are sorted once, instead of in each node of each tree, make it 15 to 25 times as fast.

    Parameters
    ----------
    n_estimators : int
        Number of trees.
    learning_rate : float
        How much of each tree's prediction is added.
    max_depth : int
        Of each tree.
    random_state : int, RandomState or None
        Decides in which order features are tried, and so which of two equal gains wins.

    Attributes
    ----------
    mean_ : float
        Mean of the target, which the trees' predictions are added to.

    Examples
    --------
    >>> from sklearn.ensemble import GradientBoostingRegressor
    >>> rng = np.random.default_rng(1)
    >>> features, target = rng.normal(size=(60, 5)), rng.normal(size=60)
    >>> kinds = (PresortedBoostingRegressor, GradientBoostingRegressor)
    >>> one, other = (kind(random_state=1).fit(features, target).predict(features) for kind in kinds)
    >>> bool((one == other).all())
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_estimators": [Interval(Integral, 1, None, closed="left")],
        "learning_rate": [Interval(Real, 0.0, None, closed="left")],
        "max_depth": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_estimators: int = 100,
        *,
        learning_rate: float = 0.1,
        max_depth: int = 3,
        random_state: Any = None,
    ) -> None:
        self.n_estimators = n_estimators
        self.learning_rate = learning_rate
        self.max_depth = max_depth
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Grow each tree on what the trees before it leave of the target.

        Parameters
        ----------
        X : array, shape (n_samples, n_features)
        y : array, shape (n_samples,)

        Raises
        ------
        ValueError
            If a value is missing or not finite in single precision, or the shapes do not match.
        """
        columns, target = self._checked(X, y)
        random = check_random_state(self.random_state)
        self.mean_ = float(np.average(target[:, np.newaxis], axis=0)[0])
        each_once = np.ones(len(target), np.int64)
        predicted = np.full(len(target), self.mean_)
        self.trees_ = []
        for _ in range(self.n_estimators):
            seed = random.randint(0, LARGEST_SEED)
            tree, leaves = columns.grow(target - predicted, each_once, seed, self.max_depth)
            predicted += self.learning_rate * tree["value"][leaves]
            self.trees_.append(tree)
        return self

    def predict(self, X: ArrayLike) -> FloatArray:
        """Return the mean plus the scaled predictions of all trees, shape (n_samples,)."""
        check_is_fitted(self)
        return self._sum_of_trees(X, self.mean_, self.learning_rate)


def load_in_turn() -> None:
    """Load the machine code of the trees, compiled where it is not kept on disk, if this process should begin with it."""
    if not begins_with_models():
        return
    with reported("the trees", "loading the trees"):
        PresortedForestRegressor(1, random_state=0).fit([[0.0], [1.0]], [0.0, 1.0]).predict([[0.0]])
