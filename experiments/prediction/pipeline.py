"""What happens between a feature set and a regressor."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sklearn.base import RegressorMixin
from sklearn.compose import TransformedTargetRegressor
from sklearn.impute import SimpleImputer
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from lakebatch.errors import ExperimentError

from .models import Model, build_regressor

FloatArray = NDArray[np.float64]

LARGEST_FEATURE = 1e9
"""Features are clipped to plus and minus this."""


@dataclass(frozen=True, eq=False)
class Split:
    """One division of the samples.

    Attributes
    ----------
    train_features, test_features : float array, shape (n_train, n_columns) and (n_test, n_columns)
    train_target, test_target : float array, shape (n_train,) and (n_test,), a.u.
    """

    train_features: FloatArray
    test_features: FloatArray
    train_target: FloatArray
    test_target: FloatArray

    def copy(self) -> Split:
        """Return the split in arrays of its own, of the same memory layout."""
        return Split(*(array.copy(order="K") for array in vars(self).values()))


def draw_split(features: FloatArray, target: FloatArray, *, test_size: float, seed: int) -> Split:
    """Return a random division of the samples that depends on their number, the size and the seed alone.

    Parameters
    ----------
    features : float array, shape (n_samples, n_columns)
    target : float array, shape (n_samples,), a.u.
    test_size : float, 0 < test_size < 1
        Fraction of the samples in the test split, rounded up to a whole number.
    seed : int

    Raises
    ------
    ExperimentError
        If there are too few samples for two splits.

    Examples
    --------
    >>> split = draw_split(np.zeros((10, 2)), np.arange(10.0), test_size=0.2, seed=1)
    >>> split.train_features.shape, split.test_target.shape
    ((8, 2), (2,))
    """
    try:
        train, test = train_test_split(np.arange(len(target)), test_size=test_size, random_state=seed)
    except ValueError as error:
        raise ExperimentError(
            f"{len(target)} samples cannot be split with test_size = {test_size}: {error}. Expected at least "
            "one sample in each split: raise the number of samples or change test_size."
        ) from error
    return Split(features[train], features[test], target[train], target[test])


def preprocess(split: Split, *, standardise_features: bool) -> Split:
    """Return a split as a model sees it: clipped to +-1e9, missing values the training column's mean.

    Parameters
    ----------
    split : Split
        A NaN is a missing value; a column that is missing in the whole training split becomes 0.
    standardise_features : bool
        Whether columns are then scaled to mean 0 and variance 1 of the training split.

    Examples
    --------
    >>> split = Split(np.array([[1.0], [3.0]]), np.array([[np.nan], [np.inf]]), np.zeros(2), np.zeros(2))
    >>> preprocess(split, standardise_features=False).test_features.tolist()
    [[2.0], [1000000000.0]]
    """
    steps = _preprocessing(standardise_features)
    train_features = steps.fit_transform(split.train_features)
    return replace(split, train_features=train_features, test_features=steps.transform(split.test_features))


def _preprocessing(standardise_features: bool) -> Pipeline:
    clip = FunctionTransformer(np.clip, kw_args={"a_min": -LARGEST_FEATURE, "a_max": LARGEST_FEATURE})
    impute = SimpleImputer(strategy="mean", keep_empty_features=True)
    return make_pipeline(clip, impute, StandardScaler() if standardise_features else None)


def target_regressor(model: Model, seed: int) -> RegressorMixin:
    """Return a new regressor that scales the target by itself where its model asks for that."""
    regressor = build_regressor(model, seed)
    if not model.standardise_target:
        return regressor
    return TransformedTargetRegressor(regressor, transformer=StandardScaler(), check_inverse=False)
