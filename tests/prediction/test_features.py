"""The dynamic features, compared with hand-computed values and a plain reference."""

from __future__ import annotations

import sys
import tracemalloc
from itertools import pairwise
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from lakebatch.errors import ExperimentError, SimulationError
from lakebatch.experiments.prediction import features
from lakebatch.experiments.prediction.features import (
    STATISTICS,
    dynamic_columns,
    dynamic_features,
    last_columns,
    last_values,
)

TRAJECTORIES = arrays(
    np.float64,
    array_shapes(min_dims=3, max_dims=3, min_side=1, max_side=6),
    elements=st.sampled_from([0.0, 0.004, 0.012, 1.0, 1.005, 2.5, 300.0]) | st.floats(0, 1e6),
)


def statistics_of(*values: float) -> dict[str, float]:
    """Return the ten features of one trajectory by name."""
    row = dynamic_features([[values]])[0].tolist()
    return dict(zip(STATISTICS, row, strict=True))


def plain_statistics(values: list[float]) -> list[float]:
    """Return the ten features of one trajectory, one number at a time."""
    m, start, end = len(values), values[0], values[-1]
    area = sum((left + right) / 2 for left, right in pairwise(values))
    ordered = sorted(values)
    if start == 0:
        change = 1000.0
    elif end >= start:
        change = (end - start) / start
    else:
        change = -1000.0 if end == 0 else -(start - end) / end
    left = m
    while left > 1 and abs(values[left - 1] - values[left - 2]) < 0.01:
        left -= 1
    return [
        area / m,
        (ordered[(m - 1) // 2] + ordered[m // 2]) / 2,
        max(-sys.float_info.max, min(change, sys.float_info.max)),
        values.index(max(values)) / m,
        max(values),
        values.index(min(values)) / m,
        min(values),
        left / m,
        values[left - 1],
        start,
    ]


def test_dynamic_features_of_a_rise_and_fall() -> None:
    assert statistics_of(2.0, 6.0, 10.0, 4.0, 4.005) == pytest.approx(
        {
            "auc": (4 + 8 + 7 + 4.0025) / 5,
            "median": 4.005,
            "tfc": 2.005 / 2,
            "tmax": 0.4,
            "max": 10.0,
            "tmin": 0.0,
            "min": 2.0,
            "ttsv": 0.8,
            "tsv": 4.0,
            "init": 2.0,
        },
        rel=1e-14,
    )


def test_dynamic_features_of_a_constant_trajectory() -> None:
    assert statistics_of(7.0, 7.0, 7.0, 7.0) == {
        "auc": 21 / 4,
        "median": 7.0,
        "tfc": 0.0,
        "tmax": 0.0,
        "max": 7.0,
        "tmin": 0.0,
        "min": 7.0,
        "ttsv": 1 / 4,
        "tsv": 7.0,
        "init": 7.0,
    }


def test_dynamic_features_of_a_single_point() -> None:
    single = statistics_of(7.0)
    assert (single["auc"], single["ttsv"], single["tsv"], single["tfc"]) == (0.0, 1.0, 7.0, 0.0)


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (2.0, 6.0, 2.0),
        (6.0, 2.0, -2.0),
        (5.0, 5.0, 0.0),
        (0.0, 3.0, 1000.0),
        (0.0, 0.0, 1000.0),
        (3.0, 0.0, -1000.0),
        (1e300, 1e-300, -np.finfo(np.float64).max),
        (1e-300, 1e300, np.finfo(np.float64).max),
    ],
)
def test_total_fold_change_of_every_branch(start: float, end: float, expected: float) -> None:
    assert statistics_of(start, 1.0, end)["tfc"] == expected


@pytest.mark.parametrize(
    ("values", "time_to_stability", "stable_value"),
    [
        ((1.0, 2.0, 3.0, 4.0), 1.0, 4.0),
        ((1.0, 2.0, 2.0, 2.0), 0.5, 2.0),
        ((1.0, 1.005, 1.01, 1.015), 0.25, 1.0),
        ((0.0, 0.0, 0.0, 0.01), 1.0, 0.01),
        ((0.0, 0.0, 0.0, 0.00999), 0.25, 0.0),
        ((3.0, 5.0, 4.0, 4.001), 0.75, 4.0),
        ((5.0, 4.99, 4.99, 4.99), 0.25, 5.0),
        ((5.0, 4.98, 4.98, 4.98), 0.5, 4.98),
    ],
)
def test_time_to_stability_of_every_branch(
    values: tuple[float, ...], time_to_stability: float, stable_value: float
) -> None:
    found = statistics_of(*values)
    assert (found["ttsv"], found["tsv"]) == (time_to_stability, stable_value)


def test_maximum_and_minimum_are_the_first_of_several() -> None:
    found = statistics_of(2.0, 5.0, 1.0, 5.0, 1.0)
    assert (found["tmax"], found["tmin"]) == (0.2, 0.4)


@given(TRAJECTORIES)
def test_dynamic_features_equal_the_plain_reference(trajectories: np.ndarray) -> None:
    expected = [
        [number for form in sample for number in plain_statistics(form)] for sample in trajectories.tolist()
    ]
    np.testing.assert_allclose(dynamic_features(trajectories), expected, rtol=1e-12, atol=1e-12)


@given(TRAJECTORIES)
def test_dynamic_features_keep_their_bounds(trajectories: np.ndarray) -> None:
    found = dynamic_features(trajectories).reshape(*trajectories.shape[:2], -1)
    by_name = {name: found[..., column] for column, name in enumerate(STATISTICS)}
    for name in ("median", "tsv", "init"):
        assert np.all((by_name["min"] <= by_name[name]) & (by_name[name] <= by_name["max"]))
    for name in ("tmin", "tmax"):
        assert np.all((by_name[name] >= 0) & (by_name[name] < 1))
    assert np.all((by_name["ttsv"] > 0) & (by_name["ttsv"] <= 1))
    assert np.all(by_name["auc"] <= by_name["max"])


@given(TRAJECTORIES, st.randoms(use_true_random=False))
def test_dynamic_features_follow_a_permutation_of_the_samples(
    trajectories: np.ndarray, random: Random
) -> None:
    order = list(range(len(trajectories)))
    random.shuffle(order)
    np.testing.assert_array_equal(
        dynamic_features(trajectories[order]), dynamic_features(trajectories)[order]
    )


def test_dynamic_features_depend_on_neither_blocks_nor_memory_layout(monkeypatch: pytest.MonkeyPatch) -> None:
    trajectories = np.random.default_rng(1).uniform(0, 1000, (23, 4, 37))
    expected = dynamic_features(trajectories)
    monkeypatch.setattr(features, "BLOCK_VALUES", 1000)
    np.testing.assert_array_equal(dynamic_features(np.asfortranarray(trajectories)), expected)


def test_dynamic_features_need_little_memory_beside_their_result() -> None:
    trajectories = np.random.default_rng(1).uniform(0, 1000, (1000, 18, 100))
    tracemalloc.start()
    found = dynamic_features(trajectories)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak - found.nbytes < trajectories.nbytes / 4


@pytest.mark.parametrize("function", [last_values, dynamic_features])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_features_refuse_a_value_that_is_not_finite(function, bad: float) -> None:
    trajectories = np.ones((3000, 2, 40))
    trajectories[2500, 1, 7] = bad
    with pytest.raises(SimulationError, match=f"sample 2500, form 1 is {bad} at time point 7"):
        function(trajectories)


@pytest.mark.parametrize("function", [last_values, dynamic_features])
@pytest.mark.parametrize("shape", [(5,), (5, 4), (5, 4, 0)])
def test_features_refuse_a_shape_without_samples_forms_and_times(function, shape: tuple[int, ...]) -> None:
    with pytest.raises(ExperimentError, match=r"expected \(n_samples, n_forms, n_times\)"):
        function(np.zeros(shape))


def test_last_values_are_a_copy_of_the_end() -> None:
    trajectories = np.arange(24.0).reshape(2, 3, 4)
    last = last_values(trajectories)
    assert last.tolist() == [[3.0, 7.0, 11.0], [15.0, 19.0, 23.0]]
    assert not np.shares_memory(last, trajectories)


def test_columns_name_every_feature_once() -> None:
    forms = ["R1", "R1a"]
    trajectories = np.zeros((1, 2, 3))
    assert last_columns(forms) == ("last:R1", "last:R1a")
    assert dynamic_columns(forms)[9:11] == ("init:R1", "auc:R1a")
    assert len(set(dynamic_columns(forms))) == dynamic_features(trajectories).shape[1] == 20


def test_features_of_no_samples_are_empty() -> None:
    assert dynamic_features(np.empty((0, 3, 5))).shape == (0, 30)
