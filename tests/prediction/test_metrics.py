"""The metrics, compared with independent formulas, and cases without a value."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import t as student_t

from lakebatch.experiments.prediction.metrics import score

TARGET = np.array([310.0, 120.5, 98.0, 240.0, 77.5, 180.0])
PREDICTION = np.array([290.0, 130.0, 110.0, 200.0, 90.0, 205.0])
NUMBERS = arrays(np.float64, 8, elements=st.floats(-1e200, 1e200) | st.sampled_from([0.0, 1.0, 1e-300]))


def test_metrics_equal_independent_formulas() -> None:
    found = score(TARGET, PREDICTION)
    residuals = [y - p for y, p in zip(TARGET.tolist(), PREDICTION.tolist(), strict=True)]
    squares = sum(residual**2 for residual in residuals)
    total = sum((y - sum(TARGET) / 6) ** 2 for y in TARGET.tolist())
    r = np.corrcoef(TARGET, PREDICTION)[0, 1]
    p = 2 * student_t.sf(r * np.sqrt(4 / (1 - r**2)), df=4)
    assert found.mse == pytest.approx(squares / 6, rel=1e-12)
    assert found.r2 == pytest.approx(1 - squares / total, rel=1e-12)
    assert found.pearson_r == pytest.approx(r, rel=1e-12)
    assert found.pearson_p == pytest.approx(p, rel=1e-9)
    assert found.error is None


def test_metrics_of_a_perfect_prediction() -> None:
    found = score(TARGET, TARGET.copy())
    assert (found.mse, found.r2, found.error) == (0.0, 1.0, None)
    assert found.pearson_r == pytest.approx(1.0)


@pytest.mark.parametrize("prediction", [np.full(6, 150.0), 0.1 + np.array([0, 0, 1, 0, 1, 0]) * 1e-17 + 0.2])
def test_constant_prediction_has_no_correlation_but_an_error_and_r2(prediction: np.ndarray) -> None:
    found = score(TARGET, prediction)
    assert (found.pearson_r, found.pearson_p) == (None, None)
    assert found.mse == pytest.approx(np.mean((TARGET - prediction) ** 2))
    assert found.r2 == pytest.approx(1 - found.mse / np.var(TARGET))
    assert found.error.startswith("Pearson r is undefined: all predictions are")


def test_predictions_that_differ_by_rounding_alone_are_constant() -> None:
    rounded = np.where(np.arange(6) % 2, 150.0, np.nextafter(150.0, 151.0))
    assert score(TARGET, rounded).pearson_r is None


@pytest.mark.parametrize("target", [np.full(6, 5.0), np.arange(6) * 1e-200, np.array([5.0])])
def test_constant_target_has_neither_r2_nor_correlation(target: np.ndarray) -> None:
    found = score(target, PREDICTION[: target.size])
    assert (found.r2, found.pearson_r, found.pearson_p) == (None, None, None)
    assert found.mse > 0
    assert found.error == f"R2 and Pearson r are undefined: all test targets are {target[0]}"


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (np.nan, "1 of 6 predictions are not finite"),
        (np.inf, "1 of 6 predictions are not finite"),
        (1e200, "the squared error overflows: predictions reach 1e+200"),
    ],
)
def test_prediction_out_of_range_has_no_metric(bad: float, reason: str) -> None:
    prediction = PREDICTION.copy()
    prediction[2] = bad
    found = score(TARGET, prediction)
    assert (found.mse, found.r2, found.pearson_r, found.pearson_p) == (None, None, None, None)
    assert found.error == reason


def test_target_that_hardly_varies_has_no_r2() -> None:
    found = score(np.arange(6) * 1e-150, np.arange(6) * 1e150)
    assert (found.r2, found.pearson_r, found.pearson_p) == (None, None, None)
    assert found.mse == pytest.approx(55 / 6 * 1e300)
    assert found.error == "R2 overflows: the mean squared error is 9.17e+300"


def test_pearson_p_may_underflow_to_zero() -> None:
    values = np.linspace(0, 1, 5000)
    found = score(values, values + 1e-9 * values**2)
    assert (found.pearson_p, found.error) == (0.0, None)


@given(NUMBERS, NUMBERS)
def test_every_metric_is_finite_or_missing_with_a_reason(target: np.ndarray, prediction: np.ndarray) -> None:
    found = score(target, prediction)
    metrics = [found.mse, found.r2, found.pearson_r, found.pearson_p]
    assert all(metric is None or np.isfinite(metric) for metric in metrics)
    assert (None in metrics) == (found.error is not None)
