"""Rows of the evaluation: paired, reproducible, and with the reason of every missing metric."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import warnings
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import sklearn
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from scipy.stats import pearsonr
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.ensemble import RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.metrics import mean_squared_error, r2_score
from sklearn.model_selection import train_test_split
from sklearn.utils import all_estimators
from threadpoolctl import threadpool_info, threadpool_limits

from lakebatch.errors import ExperimentError
from lakebatch.experiments.prediction.config import EvaluationConfig
from lakebatch.experiments.prediction.evaluation import RESULT_SCHEMA, draw_split_seeds, evaluate
from lakebatch.experiments.prediction.feature_sets import FeatureSet

METRICS = ["mse", "r2", "pearson_r", "pearson_p"]
SEEDS = (11, 12, 13)
FAST = ["linear_regression", "support_vector"]


SHAPED = {
    "column": lambda X: X[:, :1],
    "short": lambda X: np.zeros(len(X) - 1),
    "row": lambda X: X[:, :1].T,
    "two": lambda X: X[:, :2],
    "classes": lambda X: np.array(["1.5", "2.5"] * (len(X) // 2)),
    "objects": lambda X: np.array(["1.5", "2.5"] * (len(X) // 2), dtype=object),
    "booleans": lambda X: X[:, 0] > 500,
    "complex": lambda X: X[:, 0] + 1j,
    "masked": lambda X: np.ma.masked_greater(X[:, 0], 0),
    "nothing": lambda X: None,
    "series": lambda X: pl.Series(X[:, 0]),
    "frame": lambda X: pl.DataFrame(X[:, :1]),
    "list": lambda X: X[:, 0].tolist(),
    "fractions": lambda X: np.array([Fraction(each) for each in X[:, 0]], dtype=object),
    "extended": lambda X: X[:, 0].astype(np.longdouble),
    "ragged": lambda X: [[1.0], [1.0, 2.0]],
}


class Answering(RegressorMixin, BaseEstimator):
    """A regressor whose fit or prediction is given by its argument."""

    seen: list[tuple[np.ndarray, np.ndarray]] = []  # noqa: RUF012 - recorded inputs must outlive a clone.
    threads: list[int] = []  # noqa: RUF012

    def __init__(self, answer: str = "zero") -> None:
        self.answer = answer

    def fit(self, X: np.ndarray, y: np.ndarray) -> Answering:
        self.seen.append((X, y))
        self.threads.extend(pool["num_threads"] for pool in threadpool_info())
        if self.answer == "raise":
            raise ValueError("too few\n   neighbours")
        if self.answer == "memory":
            raise MemoryError("no room")
        if self.answer == "exit":
            raise SystemExit(0)
        if self.answer == "interrupt":
            raise KeyboardInterrupt
        if self.answer == "compiled":
            raise ValueError(
                f"[12:30:{len(self.seen):02}] check failed {self!r} {object()!r}\nStack trace: {id(X)}"
            )
        if self.answer == "warn":
            for _ in range(2):
                warnings.warn("did not converge", UserWarning, stacklevel=1)
            np.float64(1e300) * np.float64(1e300)
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        if self.answer == "raise late":
            raise TypeError("no prediction")
        answers = {"nan": np.nan, "huge": 1e200, "zero": 0.0}
        if self.answer in SHAPED:
            return SHAPED[self.answer](X)
        return X[:, 0] if self.answer == "warn" else np.full(len(X), answers[self.answer])


@pytest.fixture(autouse=True)
def _clear_recorded_inputs() -> Iterator[None]:
    yield
    Answering.seen.clear()
    Answering.threads.clear()


class Overwriting(Answering):
    """A regressor that overwrites all that it is given."""

    def fit(self, X: np.ndarray, y: np.ndarray) -> Overwriting:
        X[:], y[:] = 1.0, 2.0
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        X[:] = 3.0
        return np.zeros(len(X))


class Consuming(Answering):
    """A regressor that empties the list it is given as argument."""

    def __init__(self, answers: list[float]) -> None:
        self.answers = answers

    def fit(self, X: np.ndarray, y: np.ndarray) -> Consuming:
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        return np.full(len(X), self.answers.pop())


class Meddling(Answering):
    """A regressor that changes settings of the process."""

    def fit(self, X: np.ndarray, y: np.ndarray) -> Meddling:
        np.seterr(all="raise")
        sklearn.set_config(transform_output="polars", skip_parameter_validation=True)
        os.environ["OMP_NUM_THREADS"] = "7"
        warnings.simplefilter("error")
        sys.stdout.write("Ridge\nregression")
        return self


class Drawing(Answering):
    """A regressor that draws from the generators that all code shares."""

    def predict(self, X: np.ndarray) -> np.ndarray:
        return np.random.normal(size=len(X)) + random.random()


def answering(answer: str, **needs: bool) -> EvaluationConfig:
    table = {"name": "mine", "path": f"{__name__}.Answering", "arguments": {"answer": answer}, **needs}
    return EvaluationConfig(models=[table])


def small_set(name: str = "initial", n_samples: int = 40, n_columns: int = 3) -> FeatureSet:
    values = np.random.default_rng(5).uniform(200, 1000, (n_samples, n_columns))
    return FeatureSet(name, tuple(f"initial:R{column}" for column in range(n_columns)), values)


def response(features: FeatureSet) -> np.ndarray:
    noise = np.random.default_rng(6).normal(0, 30, len(features.values))
    return 50 + 0.2 * features.values[:, 0] - 0.1 * features.values[:, 1] + noise


def run(config: EvaluationConfig, seeds: tuple[int, ...] = SEEDS, **changes: Any) -> pl.DataFrame:
    features = changes.pop("features", None) or small_set()
    target = changes.pop("target", None)
    target = response(features) if target is None else target
    return evaluate(features, target, config, seeds, level=changes.pop("level", 0.1), **changes)


def without_times(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.drop("fit_seconds")


def test_rows_are_one_for_each_model_and_repeat() -> None:
    rows = run(EvaluationConfig(models=FAST), level=0, n_clipped=7)
    assert rows.schema == RESULT_SCHEMA
    assert rows["model"].to_list() == [name for name in FAST for _ in SEEDS]
    assert rows["repeat"].to_list() == [0, 1, 2] * 2
    assert rows["seed"].to_list() == list(SEEDS) * 2
    constants = rows.select("level", "feature_set", "n_train", "n_test", "n_clipped", "error").unique()
    assert constants.rows() == [(0.0, "initial", 32, 8, 7, None)]
    assert rows["fit_seconds"].min() > 0
    assert rows["n_warnings"].to_list() == [0] * 6


def test_metrics_of_the_linear_regression_equal_an_independent_computation() -> None:
    features = small_set()
    target = response(features)
    X_train, X_test, y_train, y_test = train_test_split(
        features.values, target, test_size=0.25, random_state=12
    )
    intercept = np.column_stack([np.ones(len(X_train)), X_train])
    weights = np.linalg.lstsq(intercept, y_train, rcond=None)[0]
    predicted = weights[0] + X_test @ weights[1:]
    row = run(EvaluationConfig(models=FAST[:1], test_size=0.25), (12,)).row(0, named=True)
    expected = pearsonr(y_test, predicted)
    assert row["mse"] == pytest.approx(mean_squared_error(y_test, predicted), rel=1e-9)
    assert row["r2"] == pytest.approx(r2_score(y_test, predicted), rel=1e-9)
    assert row["pearson_r"] == pytest.approx(expected.statistic, rel=1e-9)
    assert row["pearson_p"] == pytest.approx(expected.pvalue, rel=1e-9)


def test_random_forest_is_seeded_by_the_split() -> None:
    features = small_set()
    X_train, X_test, y_train, y_test = train_test_split(
        features.values, response(features), test_size=0.2, random_state=12
    )
    forest = RandomForestRegressor(n_estimators=100, random_state=12).fit(X_train, y_train)
    row = run(EvaluationConfig(models=["random_forest"]), (12,)).row(0, named=True)
    assert row["mse"] == mean_squared_error(y_test, forest.predict(X_test))


@pytest.mark.parametrize("scaled_features", [False, True])
@pytest.mark.parametrize("scaled_target", [False, True])
def test_models_get_their_preprocessed_inputs(scaled_features: bool, scaled_target: bool) -> None:
    features = small_set()
    values = features.values.copy()
    values[3, 0], values[4, 1] = np.nan, np.inf
    target = response(features)
    config = answering("zero", standardise_features=scaled_features, standardise_target=scaled_target)
    run(config, (12,), features=FeatureSet("initial", features.columns, values), target=target)
    ((X, y),) = Answering.seen
    train, _ = train_test_split(np.arange(40), test_size=0.2, random_state=12)
    expected = SimpleImputer().fit_transform(np.clip(values[train], -1e9, 1e9))
    if scaled_features:
        expected = (expected - expected.mean(axis=0)) / expected.std(axis=0)
    y_train = target[train]
    np.testing.assert_allclose(X, expected, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(y, (y_train - y_train.mean()) / y_train.std() if scaled_target else y_train)


def test_standardised_target_changes_only_the_last_two_models() -> None:
    models = ["linear_regression", "gradient_boosting", "support_vector", "neural_network"]
    guide, original = (
        run(EvaluationConfig(models=models, standardise_target=wanted), (12,))["mse"].to_list()
        for wanted in (True, False)
    )
    assert guide[:2] == original[:2]
    assert all(with_it < without for with_it, without in zip(guide[2:], original[2:], strict=True))


def test_custom_regressor_by_path_is_evaluated() -> None:
    features = small_set()
    X_train, X_test, y_train, y_test = train_test_split(
        features.values, response(features), test_size=0.2, random_state=12
    )
    expected = LinearRegression(positive=True).fit(X_train, y_train).predict(X_test)
    path, arguments = "sklearn.linear_model.LinearRegression", {"positive": True}
    config = EvaluationConfig(models=[{"name": "rising", "path": path, "arguments": arguments}])
    row = run(config, (12,)).row(0, named=True)
    assert row["model"] == "rising"
    assert row["mse"] == pytest.approx(mean_squared_error(y_test, expected), rel=1e-9)


def test_splits_are_paired_across_levels_feature_sets_and_models() -> None:
    first, second = small_set("initial", n_columns=3), small_set("last", n_columns=5)
    target = np.arange(40.0)
    tested = []
    for features, level in ((first, 0.0), (first, 0.5), (second, 0.5)):
        run(answering("zero"), features=features, target=target, level=level)
        tested.append([y.tolist() for _, y in Answering.seen])
        Answering.seen.clear()
    assert tested[0] == tested[1] == tested[2]
    expected = [train_test_split(target, test_size=0.2, random_state=seed)[0].tolist() for seed in SEEDS]
    assert tested[0] == expected


def test_rows_depend_on_neither_order_nor_grouping() -> None:
    models = ["random_forest", "neural_network", "linear_regression"]
    together = run(EvaluationConfig(models=models))
    apart = [
        run(EvaluationConfig(models=[model]), (seed,), first_repeat=repeat)
        for repeat, seed in reversed(list(enumerate(SEEDS)))
        for model in reversed(models)
    ]
    order = ["model", "repeat"]
    expected, found = (without_times(rows).sort(order) for rows in (together, pl.concat(apart)))
    assert_frame_equal(found, expected, check_exact=True)


PROCESS = """
import json, sys
import numpy as np
from lakebatch.experiments.prediction.config import EvaluationConfig
from lakebatch.experiments.prediction.evaluation import evaluate
from lakebatch.experiments.prediction.feature_sets import FeatureSet
values = np.random.default_rng(5).uniform(200, 1000, (300, 150))
features = FeatureSet("initial", tuple(map(str, range(150))), values)
rows = evaluate(features, values[:, 0], EvaluationConfig(models=["linear_regression", "neural_network"]),
                (11,), level=0.1)
print(json.dumps(rows.drop("fit_seconds").rows()))
"""


def test_rows_depend_on_neither_process_nor_number_of_threads() -> None:
    found = []
    for threads in ("1", "4"):
        done = subprocess.run(
            [sys.executable, "-c", PROCESS],
            env={"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads},
            capture_output=True,
            text=True,
            check=True,
        )
        found.append(json.loads(done.stdout))
    assert found[0] == found[1]
    assert len(found[0]) == 2


def test_fits_run_on_one_thread() -> None:
    with threadpool_limits(2):
        run(answering("zero"), (12,))
    assert set(Answering.threads) == {1}


def test_rows_do_not_depend_on_memory_layout() -> None:
    features = small_set(n_samples=200, n_columns=60)
    fortran = FeatureSet(features.name, features.columns, np.asfortranarray(features.values))
    config = EvaluationConfig(models=["linear_regression", "neural_network"])
    first, second = (without_times(run(config, features=given)) for given in (features, fortran))
    assert_frame_equal(first, second, check_exact=True)


@pytest.mark.parametrize("scaled", [False, True])
def test_models_do_not_see_what_others_have_written(scaled: bool) -> None:
    needs = {"standardise_features": scaled, "standardise_target": scaled}
    overwriting = {"name": "overwriting", "path": f"{__name__}.Overwriting", **needs}
    plain = {"name": "plain", "path": "sklearn.linear_model.Ridge", **needs}
    others = ["linear_regression", "support_vector", plain]
    alone = run(EvaluationConfig(models=others))
    after = run(EvaluationConfig(models=[overwriting, *others])).filter(pl.col("model") != "overwriting")
    assert_frame_equal(without_times(after), without_times(alone), check_exact=True)


def test_settings_that_a_fit_changes_are_put_back_and_its_lines_logged(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    before = np.geterr(), sklearn.get_config(), dict(os.environ), list(warnings.filters)
    meddling = {"name": "meddling", "path": f"{__name__}.Meddling"}
    alone = run(EvaluationConfig(models=[*FAST, *answering("warn").models]))
    with caplog.at_level("DEBUG", "lakebatch"):
        after = run(EvaluationConfig(models=[meddling, *FAST, *answering("warn").models]))
    assert_frame_equal(without_times(after)[3:], without_times(alone), check_exact=True)
    assert (np.geterr(), sklearn.get_config(), dict(os.environ), list(warnings.filters)) == before
    assert caplog.messages[0] == "meddling with seed 11 printed:\nRidge\nregression"
    assert "mine with seed 13 warned, 2 times: UserWarning: did not converge" in caplog.messages
    assert capfd.readouterr() == ("", "")


MODULE = """
import os
import sys
from sklearn.linear_model import LinearRegression
os.environ["WANTED"] = "1"
sys.stdout.write("Welcome to talkative 1.0")
class Talkative(LinearRegression):
    def fit(self, X, y):
        assert os.environ["WANTED"]
        return super().fit(X, y)
"""


def test_import_of_a_model_is_silent_and_may_set_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WANTED", "")
    (tmp_path / "talkative.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    rows = run(EvaluationConfig(models=[{"name": "t", "path": "talkative.Talkative"}, "linear_regression"]))
    assert rows["error"].null_count() == rows.height
    assert rows.filter(model="t")["mse"].to_list() == rows.filter(model="linear_regression")["mse"].to_list()
    assert capfd.readouterr() == ("", "")


DATA = {"CCA": {"n_components": 1}, "PLSCanonical": {"n_components": 1}}
NEEDING = {"MultiOutputRegressor", "RegressorChain", "StackingRegressor", "VotingRegressor"}
"""Regressors that need others as arguments."""


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_every_regressor_of_scikit_learn_is_fitted_or_refused() -> None:
    target = response(small_set()) + 1000
    models = [
        {"name": name, "path": f"{kind.__module__}.{name}", "arguments": DATA.get(name, {})}
        for name, kind in all_estimators("regressor")
        if name not in NEEDING and not name.startswith("MultiTask")
    ]
    rows = run(EvaluationConfig(models=models), (11,), target=target)
    assert rows.height > 45
    failed = dict(rows.filter(pl.col("mse").is_null()).select("model", "error").iter_rows())
    assert failed == {
        "IsotonicRegression": failed["IsotonicRegression"],
        "RadiusNeighborsRegressor": "8 of 8 predictions are not finite",
    }
    assert failed["IsotonicRegression"].startswith("ValueError: Isotonic regression input X should be")
    again = run(EvaluationConfig(models=models[::-1]), (11,), target=target)
    assert_frame_equal(without_times(again)[::-1], without_times(rows), check_exact=True)


def test_fits_do_not_see_arguments_that_others_have_changed() -> None:
    arguments = {"answers": [1.0, 2.0]}
    config = EvaluationConfig(
        models=[{"name": "consuming", "path": f"{__name__}.Consuming", "arguments": arguments}]
    )
    assert run(config)["error"].to_list() == ["Pearson r is undefined: all predictions are 2.0"] * 3


def test_shared_generators_are_seeded_by_the_split_and_left_as_they_were() -> None:
    drawing = [{"name": name, "path": f"{__name__}.Drawing"} for name in ("first", "second")]
    before = (np.random.get_state()[1].tolist(), random.getstate())
    first, second = run(EvaluationConfig(models=drawing)).partition_by("model", include_key=False)
    assert (np.random.get_state()[1].tolist(), random.getstate()) == before
    assert_frame_equal(without_times(first), without_times(second), check_exact=True)
    assert first["mse"].n_unique() == 3


def test_inputs_are_left_unchanged() -> None:
    features = small_set()
    values = features.values.copy()
    target = response(features)
    before = target.copy()
    run(EvaluationConfig(), (12,), features=features, target=target)
    np.testing.assert_array_equal(features.values, values)
    np.testing.assert_array_equal(target, before)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ("raise", "ValueError: too few neighbours"),
        ("raise late", "TypeError: no prediction"),
        ("exit", "SystemExit: 0"),
        ("compiled", "ValueError: check failed Answering(answer='compiled') <object object at 0x...>"),
    ],
)
def test_failing_fit_is_recorded_and_the_others_go_on(answer: str, error: str) -> None:
    config = answering(answer)
    rows = run(EvaluationConfig(models=[*config.models, "linear_regression"]))
    failed, others = rows.filter(model="mine"), rows.filter(model="linear_regression")
    assert failed["error"].to_list() == [error] * 3
    assert failed.select([*METRICS, "fit_seconds"]).null_count().row(0) == (3, 3, 3, 3, 3)
    assert failed["n_train"].to_list() == [32] * 3
    assert others["error"].null_count() == 3
    assert others.select(METRICS).null_count().row(0) == (0, 0, 0, 0)


@pytest.mark.parametrize(("answer", "error"), [("memory", MemoryError), ("interrupt", KeyboardInterrupt)])
def test_lack_of_memory_and_interrupts_are_no_results(answer: str, error: type[BaseException]) -> None:
    with pytest.raises(error):
        run(answering(answer))


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ("nan", "8 of 8 predictions are not finite"),
        ("huge", "the squared error overflows: predictions reach 1e+200"),
        ("short", "predictions have shape (7,), expected (8,)"),
        ("row", "predictions have shape (1, 8), expected (8,)"),
        ("two", "predictions have shape (8, 2), expected (8,)"),
        ("nothing", "predictions have shape (), expected (8,)"),
        ("classes", "predictions are of type <U3, expected numbers"),
        ("objects", "predictions are of type str, expected numbers"),
        ("booleans", "predictions are of type bool, expected numbers"),
        ("complex", "predictions are of type complex128, expected numbers"),
        ("masked", "8 of 8 predictions are not finite"),
    ],
)
def test_unusable_predictions_have_no_metric(answer: str, error: str) -> None:
    row = run(answering(answer), (12,)).row(0, named=True)
    assert [row[metric] for metric in METRICS] == [None] * 4
    assert row["error"] == error
    assert row["fit_seconds"] > 0


def test_predictions_of_uneven_shape_are_an_error() -> None:
    row = run(answering("ragged"), (12,)).row(0, named=True)
    assert row["error"].startswith("ValueError: setting an array element with a sequence")


@pytest.mark.parametrize("form", ["column", "series", "frame", "list", "fractions", "extended"])
def test_predictions_in_any_form_of_one_column_are_predictions(form: str) -> None:
    flat, column = (run(answering(answer), (12,)).row(0, named=True) for answer in ("warn", form))
    assert column["error"] is None
    assert {name: column[name] for name in METRICS} == {name: flat[name] for name in METRICS}


def test_constant_prediction_keeps_error_and_r2() -> None:
    row = run(answering("zero"), (12,)).row(0, named=True)
    _, y_test = train_test_split(response(small_set()), test_size=0.2, random_state=12)
    assert row["mse"] == pytest.approx(np.mean(y_test**2))
    assert row["r2"] == pytest.approx(r2_score(y_test, np.zeros(8)))
    assert (row["pearson_r"], row["pearson_p"]) == (None, None)
    assert row["error"] == "Pearson r is undefined: all predictions are 0.0"


def test_constant_target_keeps_the_error_alone() -> None:
    rows = run(EvaluationConfig(), (12,), target=np.full(40, 3.0))
    assert rows["mse"].null_count() == 0
    assert rows.select("r2", "pearson_r", "pearson_p").null_count().row(0) == (5, 5, 5)
    assert set(rows["error"]) == {"R2 and Pearson r are undefined: all test targets are 3.0"}


def test_warnings_of_a_fit_are_counted_and_not_shown(capfd: pytest.CaptureFixture[str]) -> None:
    table = {
        "name": "hasty",
        "path": "sklearn.neural_network.MLPRegressor",
        "arguments": {"max_iter": 2},
    }
    rows = run(EvaluationConfig(models=[*answering("warn").models, table, "linear_regression"]))
    assert rows["n_warnings"].to_list() == [3] * 3 + [1] * 3 + [0] * 3
    assert rows["error"].null_count() == 9
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (np.zeros(39), r"target has shape \(39,\), expected \(40,\) as in feature set 'initial'"),
        (np.zeros((40, 1)), r"target has shape \(40, 1\)"),
        (np.r_[np.zeros(38), np.nan, np.inf], "2 of 40 targets are not finite"),
    ],
)
def test_target_that_does_not_fit_is_refused(target: np.ndarray, message: str) -> None:
    with pytest.raises(ExperimentError, match=message):
        run(EvaluationConfig(models=FAST), target=target)


def test_too_few_samples_are_refused() -> None:
    with pytest.raises(ExperimentError, match="1 samples cannot be split"):
        run(EvaluationConfig(models=FAST), features=small_set(n_samples=1))


@given(st.integers(1, 200), st.integers(0, 2**64))
def test_split_seeds_are_distinct_31_bit_and_extend_shorter_series(n_reps: int, seed: int) -> None:
    seeds = draw_split_seeds(n_reps, np.random.default_rng(seed))
    assert len(set(seeds)) == len(seeds) == n_reps
    assert all(type(drawn) is int and 0 <= drawn < 2**31 for drawn in seeds)
    assert draw_split_seeds(n_reps // 2, np.random.default_rng(seed)) == seeds[: n_reps // 2]


class Repeating:
    """A generator whose integers repeat."""

    def __init__(self) -> None:
        self.drawn = iter([4, 4, 7, 4, 9])

    def integers(self, high: int) -> int:
        return next(self.drawn)


def test_repeated_split_seeds_are_redrawn() -> None:
    assert draw_split_seeds(3, Repeating()) == (4, 7, 9)
