"""Scorers of scikit-learn by name, beside the metrics of the study."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError
from sklearn import metrics as sklearn_metrics

from lakebatch.experiments.degradation.study import DegradationStudy
from lakebatch.experiments.prediction import scorers
from lakebatch.experiments.prediction.config import EvaluationConfig
from lakebatch.experiments.prediction.evaluation import RESULT_SCHEMA, evaluate
from lakebatch.experiments.prediction.feature_sets import FeatureSet
from lakebatch.experiments.response_noise import ResponseNoise, ResponseNoiseConfig

SEEDS = (1, 2)
N = 30


def evaluated(target: np.ndarray | None = None, **settings: Any) -> pl.DataFrame:
    """Return what `evaluate` does for a noisy line; linear regression predicts values on both sides of 0."""
    rng = np.random.default_rng(1)
    features = rng.normal(size=(N, 1))
    noisy = features[:, 0] + 0.1 * rng.normal(size=N) if target is None else target
    config = EvaluationConfig(models=("linear_regression",), **settings)
    rows = evaluate(FeatureSet("initial", ("x",), features), noisy, config, SEEDS, level=0.0)
    return rows.drop("fit_seconds")


def test_default_config_leaves_records_and_rows_as_they_were() -> None:
    assert "metrics" not in EvaluationConfig().model_dump()
    assert "metrics" not in EvaluationConfig(metrics=("mse", "r2", "pearson_r")).model_dump()
    assert evaluated().columns == [name for name in RESULT_SCHEMA if name != "fit_seconds"]


def test_equal_requests_are_equal_configs() -> None:
    asked = EvaluationConfig(metrics=("explained_variance",))
    assert asked.metrics == (*scorers.BUILT_IN, "explained_variance")
    assert asked == EvaluationConfig(metrics=("r2", "explained_variance", "mse"))
    assert EvaluationConfig.model_validate(asked.model_dump()) == asked


def test_scores_are_those_of_scikit_learn() -> None:
    target, prediction = np.array([1.0, 2.0, 4.0]), np.array([1.5, 2.0, 3.0])
    names = ["explained_variance", "neg_mean_absolute_error", "neg_mean_poisson_deviance"]
    found, reasons = scorers.apply(names, target, prediction)
    assert reasons is None
    assert found == {
        "explained_variance": sklearn_metrics.explained_variance_score(target, prediction),
        "neg_mean_absolute_error": -0.5,
        "neg_mean_poisson_deviance": -sklearn_metrics.mean_poisson_deviance(target, prediction),
    }


def test_other_metrics_stay_as_they_were() -> None:
    before, after = evaluated(), evaluated(metrics=("neg_max_error",))
    assert after.drop("neg_max_error").equals(before)
    assert (after["neg_max_error"] < 0).all()


def test_scorer_that_fails_is_null_with_its_reason() -> None:
    rows = evaluated(metrics=("neg_mean_gamma_deviance", "explained_variance"))
    assert rows["neg_mean_gamma_deviance"].null_count() == len(SEEDS)
    assert rows["explained_variance"].null_count() == rows["mse"].null_count() == 0
    assert rows["error"].str.starts_with("neg_mean_gamma_deviance: ").all()


def test_reasons_of_the_study_stay_beside_those_of_scorers() -> None:
    rows = evaluated(np.full(N, -1.0), metrics=("neg_mean_gamma_deviance",))
    assert rows["error"].str.contains("all test targets are -1.0; neg_mean_gamma_deviance: ").all()


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["mean_absolute_error"], "did you mean 'neg_mean_absolute_error'"),
        (["explained_varience"], "did you mean 'explained_variance'; expected pearson_r, r2, mse, or"),
        (["roc_auc"], "'roc_auc' scores classes or clusters, and the models are regressors"),
        (["f1_macro"], "scores classes or clusters"),
        (["v_measure_score"], "scores classes or clusters"),
        (["r2", "r2"], "metric r2 is listed more than once"),
        ([""], "unknown metric ''"),
    ],
)
def test_name_that_is_no_scorer_of_regressors_is_refused(names: list[str], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        EvaluationConfig(metrics=names)


def test_record_with_a_scorer_of_another_release_can_be_read() -> None:
    record = {"metrics": [*scorers.BUILT_IN, "neg_unknown"]}
    read = EvaluationConfig.model_validate(record, context={"imports": None})
    assert read.metrics[-1] == "neg_unknown"
    assert scorers.apply(["neg_unknown"], np.ones(2), np.ones(2))[0] == {"neg_unknown": None}


def test_every_installed_scorer_is_described() -> None:
    assert set(scorers.known()) == set(scorers.DESCRIBED)
    columns = scorers.columns(scorers.known())
    assert all(each.higher_is_better and each.own and each.type == "double" for each in columns)
    assert scorers.columns(["another"])[0].unit == "1"


def test_study_declares_the_columns_that_its_config_asks_for() -> None:
    study: DegradationStudy[Any] = ResponseNoise()
    config = ResponseNoiseConfig(evaluation=EvaluationConfig(metrics=("neg_max_error",)))
    assert [each.name for each in study.own_columns(config)] == ["neg_max_error"]
    assert study.metric_names(config) == (*scorers.BUILT_IN, "neg_max_error")
    assert study.own_columns(ResponseNoiseConfig()) == ()
