"""Preprocessing of a feature set for a model."""

from __future__ import annotations

import numpy as np
import pytest

from lakebatch.errors import ExperimentError
from lakebatch.experiments.prediction.models import Model
from lakebatch.experiments.prediction.pipeline import Split, draw_split, preprocess, target_regressor


def split_of(train: list[list[float]], test: list[list[float]]) -> Split:
    return Split(np.array(train), np.array(test), np.zeros(len(train)), np.zeros(len(test)))


def test_features_are_clipped_before_missing_ones_are_imputed() -> None:
    seen = preprocess(
        split_of([[np.inf, 1.0], [np.nan, 2.0], [-3e9, 6.0]], [[np.nan, np.nan], [-np.inf, 4.0]]),
        standardise_features=False,
    )
    assert seen.train_features.tolist() == [[1e9, 1.0], [0.0, 2.0], [-1e9, 6.0]]
    assert seen.test_features.tolist() == [[0.0, 3.0], [-1e9, 4.0]]


def test_column_that_is_missing_in_the_training_split_becomes_zero() -> None:
    seen = preprocess(split_of([[np.nan, 1.0], [np.nan, 2.0]], [[5.0, 3.0]]), standardise_features=False)
    assert seen.train_features.tolist() == [[0.0, 1.0], [0.0, 2.0]]
    assert seen.test_features.shape == (1, 2)


def test_standardised_features_have_the_training_splits_mean_and_variance() -> None:
    rng = np.random.default_rng(3)
    raw = Split(rng.normal(50, 9, (30, 4)), rng.normal(80, 9, (10, 4)), np.zeros(30), np.zeros(10))
    seen = preprocess(raw, standardise_features=True)
    mean, deviation = raw.train_features.mean(axis=0), raw.train_features.std(axis=0)
    np.testing.assert_allclose(seen.train_features, (raw.train_features - mean) / deviation, atol=1e-12)
    np.testing.assert_allclose(seen.test_features, (raw.test_features - mean) / deviation, atol=1e-12)


def test_preprocessing_leaves_the_split_and_its_targets_unchanged() -> None:
    raw = split_of([[1e12], [np.nan]], [[7.0]])
    seen = preprocess(raw, standardise_features=True)
    np.testing.assert_array_equal(raw.train_features, [[1e12], [np.nan]])
    assert seen.train_target is raw.train_target
    assert seen.test_target is raw.test_target


@pytest.mark.parametrize(
    ("n_samples", "test_size", "n_test"), [(10, 0.2, 2), (11, 0.2, 3), (2, 0.5, 1), (10, 0.35, 4)]
)
def test_split_divides_the_samples(n_samples: int, test_size: float, n_test: int) -> None:
    target = np.arange(n_samples, dtype=np.float64)
    split = draw_split(target[:, None] * 10, target, test_size=test_size, seed=4)
    assert split.test_target.size == n_test
    assert sorted([*split.train_target, *split.test_target]) == target.tolist()
    np.testing.assert_array_equal(split.train_features[:, 0], split.train_target * 10)
    np.testing.assert_array_equal(split.test_features[:, 0], split.test_target * 10)


def test_split_depends_on_its_seed_alone() -> None:
    target = np.arange(50.0)
    features = (target[:, None], np.random.default_rng(1).normal(size=(50, 3)))
    first, second = (draw_split(values, target, test_size=0.2, seed=4) for values in features)
    other = draw_split(features[0], target, test_size=0.2, seed=5)
    assert first.test_target.tolist() == second.test_target.tolist() != other.test_target.tolist()


def test_split_of_too_few_samples_is_refused() -> None:
    with pytest.raises(
        ExperimentError, match=r"1 samples cannot be split with test_size = 0\.2: .*at least one"
    ):
        draw_split(np.zeros((1, 1)), np.zeros(1), test_size=0.2, seed=0)


def test_standardised_target_is_transformed_back() -> None:
    # Ridge shrinks the slope towards 0, so that its answer depends on the scale that it sees.
    features, target = np.array([[0.0], [1.0], [2.0]]), np.array([100.0, 300.0, 200.0])
    path, arguments = "sklearn.kernel_ridge.KernelRidge", {"alpha": 1.0}
    plain = target_regressor(Model("ridge", path, arguments), seed=0).fit(features, target)
    scaled = target_regressor(Model("ridge", path, arguments, standardise_target=True), seed=0)
    mean, deviation = 200.0, np.sqrt(20_000 / 3)

    def ridge(values: np.ndarray) -> np.ndarray:
        """Return linear ridge regression without intercept, in closed form."""
        slope = (features[:, 0] @ values) / (features[:, 0] @ features[:, 0] + 1.0)
        return slope * features[:, 0]

    np.testing.assert_allclose(plain.predict(features), ridge(target))
    expected = mean + deviation * ridge((target - mean) / deviation)
    np.testing.assert_allclose(scaled.fit(features, target).predict(features), expected)
