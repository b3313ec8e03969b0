"""The config of the evaluation: accepted and refused values."""

from __future__ import annotations

import subprocess
import sys
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from lakebatch.experiments.prediction.config import (
    CleanInitialEvaluationConfig,
    EvaluationConfig,
    NoiseKind,
)
from lakebatch.experiments.prediction.feature_sets import FEATURE_SETS
from lakebatch.experiments.prediction.models import STANDARD_MODELS, Model

RIDGE = {"name": "ridge", "path": "sklearn.linear_model.Ridge"}


def test_defaults_equal_the_guide() -> None:
    assert EvaluationConfig().model_dump() == {
        "n_reps": 10,
        "test_size": 0.2,
        "seed": 42,
        "models": tuple(STANDARD_MODELS),
        "feature_sets": FEATURE_SETS,
        "outcome_features": True,
        "standardise_target": True,
    }  # without metrics, so that older records are the same configs


def test_every_key_has_a_help_text() -> None:
    for config in (EvaluationConfig, CleanInitialEvaluationConfig):
        assert all(key.description for key in config.model_fields.values())


def test_models_are_resolved_in_order_with_their_settings() -> None:
    ridge = {**RIDGE, "arguments": {"alpha": 2.0}, "standardise_features": True}
    config = EvaluationConfig(models=["neural_network", ridge, "linear_regression"])
    network, custom, linear = config.resolved_models()
    assert (network, linear) == (STANDARD_MODELS["neural_network"], STANDARD_MODELS["linear_regression"])
    assert custom == Model("ridge", RIDGE["path"], {"alpha": 2.0}, True, False)


def test_target_of_standard_models_is_standardised_on_request() -> None:
    scaled = {**RIDGE, "standardise_target": True}
    models = [*STANDARD_MODELS, scaled]
    for wanted in (True, False):
        resolved = EvaluationConfig(models=models, standardise_target=wanted).resolved_models()
        found = {model.name for model in resolved if model.standardise_target}
        assert found == {"ridge"} | ({"support_vector", "neural_network"} if wanted else set())
        features = {model.name for model in resolved if model.standardise_features}
        assert features == {"support_vector", "neural_network"}


def test_config_survives_its_json() -> None:
    config = EvaluationConfig(
        models=["random_forest", {**RIDGE, "arguments": {"alpha": 2.0, "solver": "svd"}}]
    )
    assert EvaluationConfig.model_validate_json(config.model_dump_json()) == config


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_reps": 0}, "greater than or equal to 1"),
        ({"seed": -1}, "greater than or equal to 0"),
        ({"test_size": 0}, "greater than 0"),
        ({"test_size": 1}, "less than 1"),
        ({"test_size": float("nan")}, "finite number"),
        ({"models": []}, "at least 1 item"),
        ({"feature_sets": []}, "at least 1 item"),
        ({"n_repeats": 5}, "n_repeats"),
        (
            {"feature_sets": ["last", "frist"]},
            "unknown feature set frist, expected some of: initial, last, dynamic",
        ),
        ({"feature_sets": ["initial_clean"]}, "unknown feature set initial_clean"),
        ({"feature_sets": ["last", "initial", "last"]}, "feature set last is listed more than once"),
        ({"models": ["forest"]}, "unknown model 'forest', expected one of: linear_regression, random_forest"),
        ({"models": ["random_forest", "random_forest"]}, "model random_forest is listed more than once"),
        ({"models": [RIDGE, RIDGE]}, "model ridge is listed more than once"),
        ({"models": [{**RIDGE, "name": "random_forest"}]}, "'random_forest' has a standard model's name"),
        ({"models": [{"name": "ridge"}]}, r"models\.0\.table\.path\n  Field required"),
        ({"models": [{**RIDGE, "scale": True}]}, r"models\.0\.table\.scale\n  Extra inputs"),
        (
            {"models": [{**RIDGE, "path": "sklearn.svm.SVC"}]},
            "Model 'ridge': path 'sklearn.svm.SVC' is the class",
        ),
        ({"models": [{**RIDGE, "arguments": {"alfa": 1}}]}, "Model 'ridge': .* has no argument alfa"),
        ({"models": [{**RIDGE, "arguments": {"random_state": 1}}]}, "random_state = 1 cannot be set"),
    ],
)
def test_config_refuses(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        EvaluationConfig(**changes)


def test_feature_sets_keep_their_order() -> None:
    assert EvaluationConfig(feature_sets=["last", "initial"]).feature_sets == ("last", "initial")


def test_noisy_initial_concentrations_have_a_clean_feature_set() -> None:
    assert CleanInitialEvaluationConfig().feature_sets == (*FEATURE_SETS, "initial_clean")
    assert CleanInitialEvaluationConfig(feature_sets=["initial_clean"]).feature_sets == ("initial_clean",)
    with pytest.raises(ValidationError, match=r"unknown feature set frist, .* initial_clean"):
        CleanInitialEvaluationConfig(feature_sets=["frist"])


def test_kinds_of_noise_are_the_three() -> None:
    assert get_args(NoiseKind) == ("additive", "multiplicative", "lognormal")


def test_config_of_standard_models_does_not_import_scikit_learn() -> None:
    code = (
        "import sys; from lakebatch.experiments.prediction.config import EvaluationConfig; "
        "EvaluationConfig(); print('sklearn' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
