"""The regressors by name, and any other by its dotted path."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Container, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from lakebatch.errors import ConfigError
from lakebatch.experiment import contained

if TYPE_CHECKING:
    from sklearn.base import RegressorMixin

logger = logging.getLogger(__name__)

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


OWN = "lakebatch.experiments.prediction"
"""The package of the regressors that are trained faster than by scikit-learn, to the same bits."""
TREES = f"{OWN}.trees.regressors"
"""The module of those that grow trees."""

STANDARD_MODELS = {
    model.name: model
    for model in (
        Model("linear_regression", "sklearn.linear_model.LinearRegression"),
        Model("random_forest", f"{TREES}.PresortedForestRegressor", {"n_estimators": 100}),
        Model("gradient_boosting", f"{TREES}.PresortedBoostingRegressor", {"n_estimators": 100}),
        Model("support_vector", "sklearn.svm.SVR", {"max_iter": 10_000}, True, True),
        Model(
            "neural_network",
            f"{OWN}.neural_network.QuickMLPRegressor",
            {"hidden_layer_sizes": (20,), "max_iter": 10_000},
            True,
            True,
        ),
    )
}
"""The models of the study, by name."""

_SEEDED = "it is set from the seed of each split"
_ONE_THREAD = "it is always 1, whole parts run in parallel"
SEEDS = ("random_state", "seed", "random_seed")
THREADS = ("n_jobs", "nthread", "nthreads", "num_threads", "n_threads", "thread_count")
"""Names of the seed and of the number of threads; of those that a regressor names, the first one is set."""
RESERVED_ARGUMENTS = {**dict.fromkeys(SEEDS, _SEEDED), **dict.fromkeys(THREADS, _ONE_THREAD)}
"""Arguments that a config cannot set, and why."""


def build_regressor(model: Model, seed: int) -> RegressorMixin:
    """Return a new, unfitted regressor.

    Parameters
    ----------
    model : Model
    seed : int, 0 <= seed < 2**32
        Becomes ``random_state`` where the regressor has that parameter, or ``seed`` or ``random_seed``, and
        that of regressors within it where they have none.

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
    reserved = {
        name: value for names, value in ((SEEDS, seed), (THREADS, 1)) for name in _first(names, parameters)
    }
    try:
        built = regressor(**_with_objects(model, deepcopy(dict(model.arguments))), **reserved)
        _set_reserved(built, seed)
        _check_parameters(built)
    except ConfigError:
        raise
    except Exception as error:  # the constructor is of another author
        reason = " ".join(str(error).split()).rstrip(".")
        raise ConfigError(
            f"Model {model.name!r}: {model.path} refuses the arguments {dict(model.arguments)}: {reason}."
        ) from error
    _require_fitting_target(model, built)
    return built


def nested_paths(arguments: Any) -> Iterator[str]:
    """Yield the paths of the objects that arguments describe, at any depth.

    >>> list(nested_paths({"estimator": {"path": "sklearn.svm.SVR", "arguments": {}}, "cv": 3}))
    ['sklearn.svm.SVR']
    """
    if _describes_object(arguments):
        yield arguments["path"]
    values = arguments.values() if isinstance(arguments, Mapping) else arguments
    for each in values if isinstance(arguments, Mapping | list) else ():
        yield from nested_paths(each)


def _describes_object(value: Any) -> bool:
    """Whether a value is a table of a dotted path and perhaps arguments."""
    return (
        isinstance(value, Mapping)
        and {"path"} <= value.keys() <= {"path", "arguments"}
        and isinstance(value["path"], str)
        and isinstance(value.get("arguments", {}), Mapping)
    )


def _with_objects(model: Model, value: Any) -> Any:
    """Return arguments with an object for each table that describes one, such as an estimator within another."""
    if _describes_object(value):
        kind = _import(replace(model, path=value["path"]))
        if not isinstance(kind, type):
            raise ConfigError(
                f"Model {model.name!r}: path {value['path']!r} is {_describe(kind)}, expected a class."
            )
        return kind(**_with_objects(model, value.get("arguments", {})))
    if isinstance(value, Mapping):
        return {name: _with_objects(model, each) for name, each in value.items()}
    return [_with_objects(model, each) for each in value] if isinstance(value, list) else value


def _check_parameters(regressor: RegressorMixin) -> None:
    """Raise ValueError if a regressor of scikit-learn, or an estimator within it, has an impossible parameter."""
    within = regressor.get_params().values() if hasattr(regressor, "get_params") else ()
    for each in (regressor, *within):
        if hasattr(each, "_parameter_constraints") and not isinstance(each, type):
            each._validate_params()


def _set_reserved(regressor: RegressorMixin, seed: int) -> None:
    """Set the seed and the single job that the constructor does not name, also of regressors within."""
    try:
        parameters = regressor.get_params(deep=True)
    except AttributeError:  # a class that does not keep its arguments: it has got those that it names
        return
    changes: dict[str, int] = {}
    for outer in dict.fromkeys(_owner(name) for name in parameters):
        own = {name.removeprefix(f"{outer}__"): name for name in parameters if _owner(name) == outer}
        for name in _first(THREADS, own):
            changes[own[name]] = 1
        for name in _first(SEEDS, own):
            if parameters[own[name]] is None or not outer:
                changes[own[name]] = seed
    changes = {name: value for name, value in changes.items() if parameters[name] != value}
    if changes:
        regressor.set_params(**changes)


def _owner(name: str) -> str:
    """Return the path of the regressor that a parameter belongs to; empty for the outermost one."""
    return name.rpartition("__")[0]


def _first(names: Sequence[str], known: Container[str]) -> list[str]:
    """Return the first of some names that is known, if one is: others are synonyms."""
    return [name for name in names if name in known][:1]


def _require_fitting_target(model: Model, regressor: RegressorMixin) -> None:
    """Raise if an estimator is no regressor, or one of several targets, or of others than a standardised one."""
    from sklearn.base import is_regressor
    from sklearn.utils import get_tags

    if not is_regressor(regressor):
        raise ConfigError(
            f"Model {model.name!r}: {model.path} is no regressor with the arguments {dict(model.arguments)}. Expected one, "
            "e.g. a Pipeline whose last step is a regressor."
        )
    tags = get_tags(regressor).target_tags
    if not tags.single_output:
        raise ConfigError(
            f"Model {model.name!r}: {model.path} needs several targets, expected a regressor of one target, "
            "e.g. sklearn.linear_model.Ridge."
        )
    if tags.positive_only and model.standardise_target:
        raise ConfigError(
            f"Model {model.name!r}: {model.path} needs targets above 0, and standardised ones have both signs. Expected "
            "standardise_target = false."
        )


def load_regressor(model: Model) -> type[RegressorMixin]:
    """Return the class at a model's path.

    Raises
    ------
    ConfigError
        If the path cannot be imported, or is not a regressor class.
    """
    found = _import(model)
    is_outer = isinstance(found, type) and hasattr(found, "predict") and any(nested_paths(model.arguments))
    if not (is_outer or (isinstance(found, type) and _is_regressor(found))):
        raise ConfigError(
            f"Model {model.name!r}: path {model.path!r} is {_describe(found)}, expected a regressor class "
            "(derived from sklearn.base.RegressorMixin and BaseEstimator), e.g. sklearn.linear_model.Ridge."
        )
    return found


def _is_regressor(kind: type) -> bool:
    """Whether a class is a regressor: by its bases, or by its methods and the mark that scikit-learn goes by."""
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

    if issubclass(kind, ClassifierMixin):
        return False
    is_marked = getattr(kind, "_estimator_type", None) == "regressor"
    methods = ("fit", "predict", "get_params", "set_params", "__sklearn_tags__")
    return (issubclass(kind, BaseEstimator) and issubclass(kind, RegressorMixin)) or (
        is_marked and all(hasattr(kind, name) for name in methods)
    )


def _import(model: Model) -> Any:
    """Return the object at a model's path."""
    module_name, _, class_name = model.path.rpartition(".")
    expected = "expected the dotted path of a regressor class, e.g. sklearn.linear_model.Ridge"
    if not module_name or not all(part.isidentifier() for part in model.path.split(".")):
        raise ConfigError(f"Model {model.name!r}: path {model.path!r} is not a dotted path, {expected}.")
    try:
        return getattr(_module(module_name), class_name)
    except Exception as error:  # the module is of another author
        known = isinstance(error, ImportError | AttributeError)
        why = " ".join((f"{error}" if known else f"{type(error).__name__}: {error}").split())
        raise ConfigError(
            f"Model {model.name!r}: path {model.path!r} cannot be imported ({why}), {expected}."
        ) from error


_loaded: set[str] = set()
# names of modules that this process has imported for a model


def _module(name: str) -> ModuleType:
    """Return a module; lines that its import prints go to the log, and it may set environment variables."""
    if name in _loaded:
        return import_module(name)
    with contained(variables=False) as output:
        module = import_module(name)
    _loaded.add(name)
    if output.text:
        logger.debug("the import of %s printed:\n%s", name, output.text)
    return module


def load_modules(model: Model) -> None:
    """Import the modules of a model, before a block that puts environment variables back.

    Raises
    ------
    ConfigError
        If one of them cannot be imported.
    """
    for path in (model.path, *nested_paths(model.arguments)):
        _import(replace(model, path=path))


def _require_arguments(model: Model, parameters: Mapping[str, inspect.Parameter]) -> None:
    """Raise if an argument is one that the regressor does not take, or that a config cannot set."""
    for name, why in RESERVED_ARGUMENTS.items():
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
