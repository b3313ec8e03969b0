"""Noise, compared with its closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakebatch.errors import ConfigError, ExperimentError
from lakebatch.experiments.prediction.noise import NoiseKind, add_noise

KINDS = ("additive", "multiplicative", "lognormal")
N = 200_000


def rng(seed: int = 3) -> np.random.Generator:
    return np.random.default_rng(seed)


def values_far_from_zero() -> np.ndarray:
    return rng(1).uniform(500, 1000, N)


def assert_variance(sample: np.ndarray, expected: float) -> None:
    """The variance of n normal numbers has a relative standard error of sqrt(2 / n): allow five."""
    assert sample.var() == pytest.approx(expected, rel=5 * np.sqrt(2 / sample.size))


def test_additive_noise_has_the_variance_of_level_times_the_standard_deviation() -> None:
    clean = values_far_from_zero()
    noisy = add_noise(clean, 0.3, "additive", rng())
    added = noisy.values - clean
    assert noisy.n_clipped == 0
    assert_variance(added, 0.3**2 * clean.var())
    assert abs(added.mean()) < 5 * added.std() / np.sqrt(N)


def test_additive_noise_takes_the_population_standard_deviation_of_each_column() -> None:
    clean = np.array([[1000.0, 2000.0, 500.0], [1010.0, 2400.0, 500.0], [1050.0, 2900.0, 500.0]])
    draws = rng().standard_normal((3, 3))
    deviations = [np.sqrt(np.mean((column - column.mean()) ** 2)) for column in clean.T]
    noisy = add_noise(clean, 0.2, "additive", rng()).values
    np.testing.assert_allclose(noisy - clean, 0.2 * draws * deviations, rtol=1e-9, atol=1e-10)
    np.testing.assert_array_equal(noisy[:, 2], clean[:, 2])


def test_additive_noise_takes_a_scale_in_place_of_the_standard_deviation() -> None:
    clean = np.full((4, 2), 100.0)
    noisy = add_noise(clean, 0.5, "additive", rng(), scale=[2.0, 4.0]).values
    np.testing.assert_allclose(noisy - 100.0, 0.5 * rng().standard_normal((4, 2)) * [2.0, 4.0], rtol=1e-12)


def test_multiplicative_noise_has_the_variance_of_level_relative_to_the_value() -> None:
    clean = values_far_from_zero()
    noisy = add_noise(clean, 0.1, "multiplicative", rng()).values
    assert_variance(noisy / clean - 1, 0.1**2)


def test_lognormal_noise_keeps_the_median_and_has_the_variance_of_level_in_the_logarithm() -> None:
    clean = values_far_from_zero()
    noisy = add_noise(clean, 0.5, "lognormal", rng())
    ratio = noisy.values / clean
    assert noisy.n_clipped == 0
    assert_variance(np.log(ratio), 0.5**2)
    # The median of n normal numbers has a standard error of sqrt(pi / 2 / n) standard deviations.
    assert abs(np.log(np.median(ratio))) < 5 * 0.5 * np.sqrt(np.pi / 2 / N)


def test_clipped_values_are_zero_and_counted() -> None:
    clean = np.array([1.0, 10.0, 0.5, 20.0, 3.0, 0.0] * 50)
    unclipped = clean + 2.0 * clean.std() * rng().standard_normal(300)
    noisy = add_noise(clean, 2.0, "additive", rng())
    assert 0 < noisy.n_clipped == sum(value < 0 for value in unclipped.tolist()) < 300
    np.testing.assert_array_equal(noisy.values, np.where(unclipped < 0, 0.0, unclipped))


def test_multiplicative_noise_is_clipped_where_the_factor_is_negative() -> None:
    noisy = add_noise(np.r_[np.ones(1000), np.zeros(9)], 1.0, "multiplicative", rng())
    assert noisy.n_clipped == np.count_nonzero(rng().standard_normal(1000) < -1) > 0
    assert noisy.values.min() == 0


@pytest.mark.parametrize("kind", KINDS)
def test_level_zero_returns_the_values_unchanged_in_a_new_array(kind: NoiseKind) -> None:
    clean = np.array([0.0, 1.5, -1e-12, 1e9])
    noisy = add_noise(clean, 0, kind, rng())
    assert noisy.values.tobytes() == clean.tobytes()
    assert noisy.n_clipped == 0
    assert not np.shares_memory(noisy.values, clean)


@pytest.mark.parametrize("kind", KINDS)
def test_noise_leaves_its_input_unchanged(kind: NoiseKind) -> None:
    clean = np.array([1.0, 2.0, 3.0])
    add_noise(clean, 1.0, kind, rng())
    assert clean.tolist() == [1.0, 2.0, 3.0]


@given(st.floats(0.01, 0.05), st.floats(0.01, 0.05), st.integers(0, 2**32))
def test_two_levels_share_their_draws(first: float, second: float, seed: int) -> None:
    clean = np.linspace(500, 1000, 12).reshape(6, 2)
    noises = [add_noise(clean, level, "additive", rng(seed)).values - clean for level in (first, second)]
    np.testing.assert_allclose(noises[0] / first, noises[1] / second, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_every_level_leaves_the_generator_in_the_same_state(kind: NoiseKind) -> None:
    following = []
    for level in (0.0, 0.1, 1.0):
        generator = rng()
        add_noise(np.ones(7), level, kind, generator)
        following.append(generator.random())
    assert len(set(following)) == 1


@given(st.sampled_from(KINDS), st.floats(0, 3), st.integers(0, 2**32))
def test_noisy_concentrations_are_never_negative(kind: NoiseKind, level: float, seed: int) -> None:
    noisy = add_noise(np.linspace(0, 100, 50), level, kind, rng(seed))
    assert noisy.values.min() >= 0
    assert noisy.n_clipped <= np.count_nonzero(noisy.values == 0)


@pytest.mark.parametrize("level", [-0.1, np.nan, np.inf])
def test_noise_refuses_an_invalid_level(level: float) -> None:
    with pytest.raises(ConfigError, match=f"Noise level is {level}, expected a finite number of at least 0"):
        add_noise([1.0], level, "additive", rng())


def test_noise_refuses_an_unknown_kind_and_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"'uniform'\. Known: additive, multiplicative, lognormal"):
        add_noise([1.0], 0.1, "uniform", rng())


def test_noise_refuses_values_that_are_not_finite_before_or_after() -> None:
    with pytest.raises(ExperimentError, match="1 of 2 concentrations are not finite before"):
        add_noise([1.0, np.nan], 0.1, "additive", rng())
    with pytest.raises(ExperimentError, match="not finite after lognormal noise of level 10000"):
        add_noise(np.ones(50), 10000.0, "lognormal", rng())
