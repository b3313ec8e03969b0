"""The standard models, and regressors by their dotted path."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR

from lakebatch.errors import ConfigError
from lakebatch.experiments.prediction.models import STANDARD_MODELS, Model, _set_reserved, build_regressor
from lakebatch.experiments.prediction.neural_network import QuickMLPRegressor
from lakebatch.experiments.prediction.trees.regressors import (
    PresortedBoostingRegressor,
    PresortedForestRegressor,
)


class AnyKeyword(RegressorMixin, BaseEstimator):
    """A regressor that takes any keyword."""

    def __init__(self, **keywords: float) -> None:
        self.keywords = keywords


class InheritingKeywords(AnyKeyword):
    """A regressor whose keyword arguments are those of another class, as xgboost's are."""

    def __init__(self, *, depth: int = 6, **keywords: float) -> None:
        super().__init__(**keywords)
        self.depth = depth
        self.random_state = keywords.get("random_state")
        self.n_jobs = keywords.get("n_jobs")

    @classmethod
    def _get_param_names(cls) -> list[str]:
        return ["depth", "n_jobs", "random_state"]


class NamingSeeds:
    """A regressor that is none of scikit-learn's classes and has other names, as catboost's is."""

    _estimator_type = "regressor"

    def __init__(self, depth=6, random_seed=None, random_state=None, thread_count=-1, seed=None) -> None:
        self.given = {name: value for name, value in locals().items() if name != "self"}

    def get_params(self, deep: bool = True) -> dict[str, object]:
        return self.given

    def set_params(self, **given: object) -> None:
        self.given |= given

    def fit(self, X: np.ndarray, y: np.ndarray) -> None:
        self.mean = y.mean()

    def predict(self, X: np.ndarray) -> np.ndarray:
        return np.full(len(X), self.mean)

    def __sklearn_tags__(self) -> object:
        return LinearRegression().__sklearn_tags__()


class OtherSeed(RegressorMixin, BaseEstimator):
    """A regressor whose seed and threads have other names."""

    def __init__(self, seed: int = 7, nthread: int | None = None, inner: BaseEstimator | None = None) -> None:
        self.seed = seed
        self.nthread = nthread
        self.inner = inner


class Bagged(RegressorMixin, BaseEstimator):
    """A regressor around other ones."""

    def __init__(self, inner: BaseEstimator | None = None, fixed: BaseEstimator | None = None) -> None:
        self.inner = inner or make_pipeline(StandardScaler(), RandomForestRegressor(n_jobs=2))
        self.fixed = fixed or RandomForestRegressor(random_state=1)


class Raising(RegressorMixin, BaseEstimator):
    """A regressor whose constructor raises what no check of arguments does."""

    def __init__(self) -> None:
        raise OSError("no file")


class Labelling(ClassifierMixin, RegressorMixin, BaseEstimator):
    """A classifier that calls itself a regressor too."""


@pytest.mark.parametrize(
    ("name", "expected", "standardised"),
    [
        ("linear_regression", LinearRegression(n_jobs=1), False),
        ("random_forest", PresortedForestRegressor(n_estimators=100, random_state=17), False),
        ("gradient_boosting", PresortedBoostingRegressor(n_estimators=100, random_state=17), False),
        ("support_vector", SVR(max_iter=10_000), True),
        (
            "neural_network",
            QuickMLPRegressor(hidden_layer_sizes=(20,), max_iter=10_000, random_state=17),
            True,
        ),
    ],
)
def test_standard_model_equals_the_regressor_of_the_study(
    name: str, expected: BaseEstimator, standardised: bool
) -> None:
    model = STANDARD_MODELS[name]
    regressor = build_regressor(model, seed=17)
    assert type(regressor) is type(expected)
    assert regressor.get_params() == expected.get_params()
    assert (model.standardise_features, model.standardise_target) == (standardised, standardised)


def test_standard_models_are_the_five() -> None:
    assert list(STANDARD_MODELS) == [
        "linear_regression",
        "random_forest",
        "gradient_boosting",
        "support_vector",
        "neural_network",
    ]


def test_regressor_by_path_takes_its_arguments_and_the_seed() -> None:
    model = Model("trees", "sklearn.ensemble.ExtraTreesRegressor", {"n_estimators": 7, "max_depth": 2})
    parameters = build_regressor(model, seed=5).get_params()
    expected = {"n_estimators": 7, "max_depth": 2, "random_state": 5, "n_jobs": 1}
    assert {name: parameters[name] for name in expected} == expected


def test_regressor_without_a_random_state_is_built_without_one() -> None:
    assert build_regressor(Model("lars", "sklearn.svm.NuSVR", {"nu": 0.3}), seed=5).nu == 0.3


def test_regressor_that_takes_any_keyword_gets_its_arguments() -> None:
    regressor = build_regressor(Model("any", f"{__name__}.AnyKeyword", {"depth": 3}), seed=5)
    assert regressor.keywords == {"depth": 3}


def test_regressor_that_takes_the_seed_as_any_keyword_is_seeded() -> None:
    model = Model("boosted", f"{__name__}.InheritingKeywords", {"depth": 3})
    parameters = build_regressor(model, seed=5).get_params()
    assert parameters == {"depth": 3, "random_state": 5, "n_jobs": 1}


def test_regressors_within_a_regressor_are_seeded_unless_they_are_already() -> None:
    regressor = build_regressor(Model("bagged", f"{__name__}.Bagged"), seed=5)
    forest = regressor.inner[-1]
    assert (forest.random_state, forest.n_jobs) == (5, 1)
    assert regressor.fixed.random_state == 1


def test_seed_and_threads_are_set_once_under_the_first_of_their_names() -> None:
    regressor = build_regressor(Model("named", f"{__name__}.NamingSeeds", {"depth": 3}), seed=5)
    unset = {"random_seed": None, "seed": None}
    assert regressor.given == {"depth": 3, "random_state": 5, "thread_count": 1, **unset}


def test_seed_and_threads_of_other_names_are_set() -> None:
    regressor = build_regressor(Model("other", f"{__name__}.OtherSeed"), seed=5)
    assert (regressor.seed, regressor.nthread) == (5, 1)
    inner = OtherSeed(seed=None)
    _set_reserved(outer := OtherSeed(inner=inner), seed=6)
    assert (outer.seed, inner.seed, inner.nthread) == (6, 6, 1)


@pytest.mark.parametrize("name", ["OtherSeed", "NamingSeeds"])
def test_named_seed_cannot_be_set(name: str) -> None:
    with pytest.raises(ConfigError, match="argument seed = 3 cannot be set, it is set from the seed"):
        build_regressor(Model("mine", f"{__name__}.{name}", {"seed": 3}), seed=0)


def test_model_of_positive_targets_is_refused_a_standardised_one() -> None:
    path = "sklearn.linear_model.GammaRegressor"
    build_regressor(Model("gamma", path), seed=0)
    with pytest.raises(ConfigError, match="needs targets above 0, and standardised ones have both signs"):
        build_regressor(Model("gamma", path, standardise_target=True), seed=0)


@pytest.mark.parametrize("name", ["seed", "random_seed", "nthread", "num_threads"])
def test_other_names_of_the_seed_and_the_threads_cannot_be_set(name: str) -> None:
    with pytest.raises(ConfigError, match=f"argument {name} = 3 cannot be set"):
        build_regressor(Model("mine", f"{__name__}.AnyKeyword", {name: 3}), seed=0)


@pytest.mark.parametrize(
    ("path", "arguments", "message"),
    [
        ("Ridge", {}, "path 'Ridge' is not a dotted path, expected the dotted path of a regressor class"),
        ("sklearn..Ridge", {}, "path 'sklearn..Ridge' is not a dotted path"),
        (".linear_model.Ridge", {}, "path '.linear_model.Ridge' is not a dotted path"),
        ("sklearn.nowhere.Ridge", {}, r"cannot be imported \(No module named 'sklearn.nowhere'\), expected"),
        ("sklearn.linear_model.Rigde", {}, r"cannot be imported \(module .* has no attribute 'Rigde'\)"),
        ("sklearn.svm.SVC", {}, "is the class SVC, expected a regressor class"),
        ("math.pi", {}, "is a float, expected a regressor class"),
        ("sklearn.base.is_regressor", {}, "is a function, expected a regressor class"),
        ("sklearn.linear_model.Ridge", {"alfa": 1}, r"has no argument alfa\. Known: alpha, fit_intercept"),
        ("sklearn.linear_model.Ridge", {"random_state": 1}, "random_state = 1 cannot be set, it is set from"),
        ("sklearn.neighbors.KNeighborsRegressor", {"n_jobs": 4}, "n_jobs = 4 cannot be set, it is always 1"),
        ("sklearn.ensemble.StackingRegressor", {}, r"refuses the arguments {}: .*'estimators'"),
        ("sklearn.linear_model.Ridge", {"alpha": "x"}, r"refuses the arguments {'alpha': 'x'}: The 'alpha'"),
        ("sklearn.linear_model.MultiTaskLasso", {}, "needs several targets, expected a regressor of one"),
        ("sklearn.pipeline.Pipeline", {}, "is the class Pipeline, expected a regressor class"),
        ("sklearn.model_selection.GridSearchCV", {}, "is the class GridSearchCV, expected a regressor class"),
        (f"{__name__}.Labelling", {}, "is the class Labelling, expected a regressor class"),
    ],
)
def test_model_that_cannot_be_built_is_refused(path: str, arguments: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=f"^Model 'mine': .*{message}"):
        build_regressor(Model("mine", path, arguments), seed=0)


def test_known_arguments_exclude_fixed_ones() -> None:
    with pytest.raises(ConfigError) as refused:
        build_regressor(Model("mine", "sklearn.ensemble.RandomForestRegressor", {"trees": 5}), seed=0)
    assert "n_estimators" in str(refused.value)
    assert "random_state" not in str(refused.value)
    assert "n_jobs" not in str(refused.value)


RIDGE = {"path": "sklearn.linear_model.Ridge", "arguments": {"alpha": 2.0}}
TREE = {"path": "sklearn.tree.DecisionTreeRegressor"}
SHUFFLED = {"path": "sklearn.model_selection.KFold", "arguments": {"n_splits": 3, "shuffle": True}}
STEPS = [["scale", {"path": "sklearn.preprocessing.StandardScaler"}], ["ridge", RIDGE]]
PIPELINE = {"path": "sklearn.pipeline.Pipeline", "arguments": {"steps": STEPS}}
OUTER = {
    "sklearn.pipeline.Pipeline": {"steps": STEPS},
    "sklearn.model_selection.GridSearchCV": {
        "estimator": PIPELINE,
        "param_grid": {"ridge__alpha": [0.1, 10]},
        "cv": SHUFFLED,
    },
    "sklearn.model_selection.RandomizedSearchCV": {
        "estimator": TREE,
        "param_distributions": {"max_depth": [1, 2, 3]},
        "n_iter": 2,
    },
    "sklearn.ensemble.StackingRegressor": {"estimators": [["a", RIDGE], ["b", TREE]], "cv": SHUFFLED},
    "sklearn.ensemble.VotingRegressor": {"estimators": [["a", RIDGE], ["b", TREE]]},
    "sklearn.ensemble.BaggingRegressor": {"estimator": TREE, "n_estimators": 3},
    "sklearn.compose.TransformedTargetRegressor": {"regressor": PIPELINE},
}


@pytest.mark.parametrize("path", OUTER)
def test_estimators_within_others_are_made_seeded_and_fitted(path: str) -> None:
    rng = np.random.default_rng(2)
    features, target = rng.normal(size=(30, 3)), rng.normal(size=30)
    outer = build_regressor(Model("outer", path, OUTER[path]), seed=5)
    parameters = outer.get_params()
    seeds = {value for name, value in parameters.items() if name.endswith("random_state")}
    jobs = {value for name, value in parameters.items() if name.endswith("n_jobs")}
    assert (seeds <= {5}, jobs <= {1}) == (True, True)
    assert outer.fit(features, target).predict(features).shape == (30,)


def test_pipeline_of_a_config_equals_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(2)
    features, target = rng.normal(size=(30, 3)), rng.normal(size=30)
    built = build_regressor(Model("pipe", "sklearn.pipeline.Pipeline", {"steps": STEPS}), seed=5)
    expected = make_pipeline(StandardScaler(), Ridge(alpha=2.0)).fit(features, target)
    assert built.fit(features, target).predict(features).tolist() == expected.predict(features).tolist()


@pytest.mark.parametrize(
    ("path", "arguments", "message"),
    [
        ("sklearn.ensemble.BaggingRegressor", {"estimator": {"path": "sklearn.no.X"}}, "path 'sklearn.no.X' cannot be"),
        ("sklearn.ensemble.BaggingRegressor", {"estimator": {"path": "os.system"}}, "is a builtin.*, expected a class"),
        (
            "sklearn.ensemble.BaggingRegressor",
            {"estimator": {**RIDGE, "arguments": {"alfa": 1}}},
            "refuses the arguments .*unexpected keyword argument 'alfa'",
        ),
        ("sklearn.ensemble.BaggingRegressor", {"estimator": {**RIDGE, "arguments": {"alpha": -1}}}, "The 'alpha'"),
        (
            "sklearn.pipeline.Pipeline",
            {"steps": [["svc", {"path": "sklearn.svm.SVC"}]]},
            "sklearn.pipeline.Pipeline is no regressor with the arguments",
        ),
        ("sklearn.multioutput.MultiOutputRegressor", {"estimator": RIDGE}, "needs several targets"),
        ("sklearn.preprocessing.StandardScaler", {"copy": RIDGE}, "is the class StandardScaler, expected a regressor"),
        (f"{__name__}.Raising", {}, "refuses the arguments {}: no file"),
    ],
)  # fmt: skip
def test_estimators_within_others_that_cannot_be_made_are_refused(
    path: str, arguments: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=f"^Model 'mine': .*{message}"):
        build_regressor(Model("mine", path, arguments), seed=0)


@pytest.mark.parametrize("name", ["random_forest", "gradient_boosting", "neural_network"])
def test_seed_decides_the_fit(name: str) -> None:
    rng = np.random.default_rng(2)
    features, target = rng.normal(size=(40, 3)), rng.normal(size=40)
    features[:, 1] = features[:, 0] ** 3  # of equal gains, the seed of boosting decides
    elsewhere = rng.normal(size=(40, 3))
    model = Model(name, STANDARD_MODELS[name].path, {"tol": 1} if name == "neural_network" else {})

    def predict(seed: int) -> list[float]:
        return build_regressor(model, seed).fit(features, target).predict(elsewhere).tolist()

    assert predict(1) == predict(1) != predict(2)
