"""The regressors by name, and any other by its dotted path."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

from lakebatch.errors import ConfigError

if TYPE_CHECKING:
    from sklearn.base import RegressorMixin

# scikit-learn is imported where a regressor is made: a config of standard models needs only their names.


@dataclass(frozen=True)
class Model:
    """A regressor and what it needs to see.

    Attributes
    ----------
    name : str
        As it stands in the results.
    path : str
        Dotted path of a regressor class with scikit-learn's interface.
    arguments : mapping
        The constructor's arguments, without ``random_state`` and ``n_jobs``.
    standardise_features : bool
        Whether the features are scaled to mean 0 and variance 1 (of the training split).
    standardise_target : bool
        Whether the target is, with predictions transformed back.
    """

    name: str
    path: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    standardise_features: bool = False
    standardise_target: bool = False


STANDARD_MODELS = {
    model.name: model
    for model in (
        Model("linear_regression", "sklearn.linear_model.LinearRegression"),
        Model("random_forest", "sklearn.ensemble.RandomForestRegressor", {"n_estimators": 100}),
        Model("gradient_boosting", "sklearn.ensemble.GradientBoostingRegressor", {"n_estimators": 100}),
        Model("support_vector", "sklearn.svm.SVR", {"max_iter": 10_000}, True, True),
        Model(
            "neural_network",
            "lakebatch.experiments.prediction.neural_network.QuickMLPRegressor",
            {"hidden_layer_sizes": (20,), "max_iter": 10_000},
            True,
            True,
        ),
    )
}
"""The models of the study, by name."""

_SEEDED = "it is set from the seed of each split"
_ONE_THREAD = "it is always 1, whole parts run in parallel"
RESERVED_ARGUMENTS = {"random_state": _SEEDED, "n_jobs": _ONE_THREAD}
"""Arguments that a config cannot set, and why."""
OTHER_NAMES = {
    **dict.fromkeys(("seed", "random_seed"), _SEEDED),
    **dict.fromkeys(("nthread", "nthreads", "num_threads", "n_threads", "thread_count"), _ONE_THREAD),
}
"""Other names of reserved arguments, among the keywords that a regressor takes without naming them."""


def build_regressor(model: Model, seed: int) -> RegressorMixin:
    """Return a new, unfitted regressor.

    Parameters
    ----------
    model : Model
    seed : int, 0 <= seed < 2**32
        Becomes ``random_state`` where the regressor has that parameter, and that of regressors within it
        where they have none.

    Raises
    ------
    ConfigError
        If the path is not that of a class of regressors of one target, or an argument is unknown, reserved,
        missing or impossible.

    Examples
    --------
    >>> build_regressor(STANDARD_MODELS["random_forest"], seed=3).random_state
    3
    """
    regressor = load_regressor(model)
    parameters = inspect.signature(regressor).parameters
    _require_arguments(model, parameters)
    reserved = {name: value for name, value in (("random_state", seed), ("n_jobs", 1)) if name in parameters}
    try:
        built = regressor(**deepcopy(dict(model.arguments)), **reserved)
        _set_reserved(built, seed)
        if hasattr(built, "_parameter_constraints"):
            built._validate_params()
    except (TypeError, ValueError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise ConfigError(
            f"Model {model.name!r}: {model.path} refuses the arguments {dict(model.arguments)}: {reason}."
        ) from error
    _require_one_target(model, built)
    return built


def _set_reserved(regressor: RegressorMixin, seed: int) -> None:
    """Set the seed and the single job that the constructor does not name, also of regressors within."""
    try:
        parameters = regressor.get_params(deep=True)
    except AttributeError:  # a class that does not keep its arguments: it has got those that it names
        return
    changes = {}
    for name, value in parameters.items():
        outer, _, own = name.rpartition("__")
        if own == "n_jobs" and value != 1:
            changes[name] = 1
        elif own == "random_state" and (value is None or (not outer and value != seed)):
            changes[name] = seed
    if changes:
        regressor.set_params(**changes)


def _require_one_target(model: Model, regressor: RegressorMixin) -> None:
    """Raise if a regressor can be trained on several targets only."""
    from sklearn.utils import get_tags

    if not get_tags(regressor).target_tags.single_output:
        raise ConfigError(
            f"Model {model.name!r}: {model.path} needs several targets, expected a regressor of one target, "
            "e.g. sklearn.linear_model.Ridge."
        )


def load_regressor(model: Model) -> type[RegressorMixin]:
    """Return the class at a model's path.

    Raises
    ------
    ConfigError
        If the path cannot be imported, or is not a regressor class.
    """
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

    found = _import(model)
    bases = (BaseEstimator, RegressorMixin)
    is_regressor = isinstance(found, type) and all(issubclass(found, base) for base in bases)
    if not is_regressor or issubclass(found, ClassifierMixin):
        raise ConfigError(
            f"Model {model.name!r}: path {model.path!r} is {_describe(found)}, expected a regressor class "
            "(derived from sklearn.base.RegressorMixin and BaseEstimator), e.g. sklearn.linear_model.Ridge."
        )
    return found


def _import(model: Model) -> Any:
    """Return the object at a model's path."""
    module_name, _, class_name = model.path.rpartition(".")
    expected = "expected the dotted path of a regressor class, e.g. sklearn.linear_model.Ridge"
    if not module_name or not all(part.isidentifier() for part in model.path.split(".")):
        raise ConfigError(f"Model {model.name!r}: path {model.path!r} is not a dotted path, {expected}.")
    try:
        return getattr(import_module(module_name), class_name)
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"Model {model.name!r}: path {model.path!r} cannot be imported ({error}), {expected}."
        ) from error


def _require_arguments(model: Model, parameters: Mapping[str, inspect.Parameter]) -> None:
    """Raise if an argument is one that the regressor does not take, or that a config cannot set."""
    others = {name: why for name, why in OTHER_NAMES.items() if name not in parameters}
    for name, why in (RESERVED_ARGUMENTS | others).items():
        if name in model.arguments:
            raise ConfigError(
                f"Model {model.name!r}: argument {name} = {model.arguments[name]!r} cannot be set, {why}. "
                "Remove it."
            )
    anything = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    unknown = [name for name in model.arguments if name not in parameters]
    if unknown and not anything:
        known = ", ".join(name for name in parameters if name not in RESERVED_ARGUMENTS) or "none"
        raise ConfigError(
            f"Model {model.name!r}: {model.path} has no argument {', '.join(unknown)}. Known: {known}."
        )


def _describe(found: Any) -> str:
    return f"the class {found.__name__}" if isinstance(found, type) else f"a {type(found).__name__}"
