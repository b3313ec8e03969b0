"""The faster neural network: equal to scikit-learn's bit by bit."""

import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor

from lakebatch.experiments.prediction.neural_network import QuickMLPRegressor


def data(samples, columns, seed=1, scale=1.0):
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(samples, columns))
    target = features @ rng.normal(size=columns) + rng.normal(size=samples) ** 2
    return features, scale * target + 300 * (scale > 1)


def trained(kind, features, target, **settings):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = kind(**{"hidden_layer_sizes": (20,), "random_state": 3, "max_iter": 300} | settings)
        model.fit(features, target)
    return model, [(each.category, str(each.message)) for each in caught]


def assert_same(features, target, **settings):
    ours, our_warnings = trained(QuickMLPRegressor, features, target, **settings)
    theirs, their_warnings = trained(MLPRegressor, features, target, **settings)
    assert our_warnings == their_warnings
    assert ours.loss_curve_ == theirs.loss_curve_
    for one, other in zip(
        [*ours.coefs_, *ours.intercepts_], [*theirs.coefs_, *theirs.intercepts_], strict=True
    ):
        assert one.tobytes() == other.tobytes()
    assert ours.predict(features).tobytes() == theirs.predict(features).tobytes()
    assert (ours.n_iter_, ours.t_, ours.best_loss_) == (theirs.n_iter_, theirs.t_, theirs.best_loss_)
    return ours, our_warnings


@pytest.mark.parametrize("columns", [1, 9, 18, 189, 209])
@pytest.mark.parametrize("samples", [24, 80, 800, 450])
def test_training_equals_scikit_learn_bit_by_bit(samples, columns):
    """With 450 samples, the last batch is smaller."""
    assert_same(*data(samples, columns), max_iter=60)


@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_training_stops_at_the_same_iteration_as_scikit_learn(scale):
    model, _ = assert_same(*data(80, 9, scale=scale), max_iter=3_000)
    assert (model.n_iter_ < 3_000) == (scale == 1.0)


def test_missing_convergence_gives_the_same_warning():
    _, said = assert_same(*data(80, 9), max_iter=5)
    assert said == [
        (
            ConvergenceWarning,
            "Stochastic Optimizer: Maximum iterations (5) reached and the optimization hasn't converged yet.",
        )
    ]


@pytest.mark.parametrize(
    "settings",
    [
        {"alpha": 0.5, "learning_rate_init": 0.01, "beta_1": 0.8, "beta_2": 0.99, "epsilon": 1e-6},
        {"batch_size": 17},
        {"batch_size": 1_000},
        {"hidden_layer_sizes": (7, 5)},
        {"activation": "tanh"},
        {"solver": "sgd", "learning_rate_init": 1e-4},
        {"solver": "lbfgs"},
        {"shuffle": False},
        {"early_stopping": True},
        {"tol": 0.1, "n_iter_no_change": 3},
    ],
    ids=str,
)
def test_every_setting_equals_scikit_learn(settings):
    features, target = data(90, 6)
    if settings.get("early_stopping") or settings.get("solver") == "lbfgs":
        ours, theirs = (
            trained(kind, features, target, **settings)[0] for kind in (QuickMLPRegressor, MLPRegressor)
        )
        assert ours.predict(features).tobytes() == theirs.predict(features).tobytes()
    else:
        assert_same(features, target, **settings)


def test_single_precision_and_several_targets_equal_scikit_learn():
    features, target = data(60, 4)
    assert_same(features.astype(np.float32), target)
    assert_same(features, np.column_stack([target, -target]), max_iter=30)


def test_constant_target_is_fitted():
    features, target = data(50, 3)
    assert_same(features, np.full_like(target, 2.0))


def test_it_can_be_cloned_and_trained_again():
    features, target = data(50, 3)
    model, _ = trained(QuickMLPRegressor, features, target)
    again, _ = trained(lambda **_: clone(model), features, target)
    assert again.get_params() == model.get_params()
    assert again.predict(features).tobytes() == model.predict(features).tobytes()


def test_training_can_be_continued():
    features, target = data(50, 3)
    ours, theirs = (
        kind(hidden_layer_sizes=(5,), random_state=1) for kind in (QuickMLPRegressor, MLPRegressor)
    )
    for model in (ours, theirs):
        for _ in range(3):
            model.partial_fit(features, target)
    assert ours.predict(features).tobytes() == theirs.predict(features).tobytes()
