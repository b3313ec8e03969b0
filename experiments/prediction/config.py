"""What a user can set of the evaluation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

from pydantic import Discriminator, JsonValue, Tag, ValidationInfo, field_validator

from lakebatch.errors import ConfigError
from lakebatch.experiment import ConfigModel, contained, may_import, setting

from . import scorers
from .feature_sets import FEATURE_SETS, INITIAL_CLEAN
from .models import STANDARD_MODELS, TREES, Model, build_regressor, load_modules, nested_paths
from .noise import NoiseKind

__all__ = ["CleanInitialEvaluationConfig", "CustomModelConfig", "EvaluationConfig", "NoiseKind"]


class CustomModelConfig(ConfigModel):
    """A regressor that is not one of the standard models."""

    name: str = setting(help="Name in the results; not that of a standard model.", min_length=1)
    path: str = setting(help="Dotted path of a regressor class, e.g. sklearn.linear_model.Ridge.")
    arguments: dict[str, JsonValue] = setting(
        {},
        help="Arguments of the class; random_state and n_jobs are set for each split. A table of path and arguments "
        "becomes an object, such as an estimator within another.",
    )
    standardise_features: bool = setting(False, help="Scale the features to mean 0 and variance 1.")
    standardise_target: bool = setting(
        False, help="Scale the target to mean 0 and variance 1; predictions are transformed back."
    )


def _kind_of_entry(entry: Any) -> str:
    return "name" if isinstance(entry, str) else "table"


ModelEntry = Annotated[
    Annotated[str, Tag("name")] | Annotated[CustomModelConfig, Tag("table")], Discriminator(_kind_of_entry)
]


class EvaluationConfig(ConfigModel):
    """Config table ``evaluation``: how feature sets are compared.

    Examples
    --------
    >>> ridge = {"name": "ridge", "path": "sklearn.linear_model.Ridge"}
    >>> config = EvaluationConfig(models=["random_forest", ridge])
    >>> [model.name for model in config.resolved_models()]
    ['random_forest', 'ridge']
    """

    known_feature_sets: ClassVar[tuple[str, ...]] = FEATURE_SETS

    n_reps: int = setting(
        10,
        help="Random train/test splits for each level, feature set and model.",
        unit="1",
        ge=1,
        le=10_000,
    )
    test_size: float = setting(0.2, help="Fraction of the samples in the test split.", unit="1", gt=0, lt=1)
    seed: int = setting(42, help="Seed that the splits' seeds are drawn from.", unit="1", ge=0)
    models: tuple[ModelEntry, ...] = setting(
        tuple(STANDARD_MODELS),
        help=f"Standard models by name ({', '.join(STANDARD_MODELS)}), others as a table of name, path, "
        "arguments, standardise_features and standardise_target.",
        min_length=1,
    )
    feature_sets: tuple[str, ...] = setting(
        FEATURE_SETS, help="The feature sets that models are trained on, in this order.", min_length=1
    )
    outcome_features: bool = setting(
        True,
        help="Keep the outcome species among the last and dynamic features: the mechanistic model's own prediction.",
    )
    standardise_target: bool = setting(
        True, help="Scale the target for the standard models support_vector and neural_network."
    )
    metrics: tuple[str, ...] = setting(
        scorers.BUILT_IN,
        help="Scorers of scikit-learn by name, such as explained_variance, as further columns of the results; "
        f"{', '.join(scorers.BUILT_IN)} are always computed.",
        later=True,
    )

    @field_validator("models")
    @classmethod
    def _models_can_be_built(
        cls, models: tuple[ModelEntry, ...], info: ValidationInfo
    ) -> tuple[ModelEntry, ...]:
        _require_unique("model", [_name(entry) for entry in models])
        for entry in models:
            _require_model(entry, info)
        return models

    @field_validator("metrics")
    @classmethod
    def _metrics_can_be_computed(cls, metrics: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        """Return the metrics with those that are always computed first, so that equal requests are equal configs."""
        _require_unique("metric", metrics)
        names = scorers.chosen(metrics)
        if names and info.context is None:  # not of a record, which another scikit-learn may have written
            scorers.check(names)
        return (*scorers.BUILT_IN, *names)

    @field_validator("feature_sets")
    @classmethod
    def _feature_sets_are_known(cls, feature_sets: tuple[str, ...]) -> tuple[str, ...]:
        _require_unique("feature set", feature_sets)
        unknown = [name for name in feature_sets if name not in cls.known_feature_sets]
        if unknown:
            known = ", ".join(cls.known_feature_sets)
            raise ValueError(f"unknown feature set {', '.join(unknown)}, expected some of: {known}")
        return feature_sets

    def check_splits(self, n_samples: int) -> None:
        """Raise if the samples cannot be split.

        Raises
        ------
        ConfigError
            If all of them would be in the test split.

        Examples
        --------
        >>> EvaluationConfig(test_size=0.5).check_splits(2)
        """
        n_test = math.ceil(self.test_size * n_samples)
        if n_test >= n_samples:
            raise ConfigError(
                f"cohort.n_samples = {n_samples} cannot be split with evaluation.test_size = {self.test_size:g}: "
                f"{n_test} would be tested and none trained on. Expected at least one sample in each split: raise "
                "cohort.n_samples or lower evaluation.test_size."
            )

    def resolved_models(self) -> tuple[Model, ...]:
        """Return the models in their order, each with what it is to see."""
        return tuple(self._resolved(entry) for entry in self.models)

    def has_trees(self) -> bool:
        """Return whether a model that lakebatch grows trees for is among the models."""
        return any(each.path.startswith(TREES) for each in self.resolved_models())

    def _resolved(self, entry: str | CustomModelConfig) -> Model:
        if not isinstance(entry, str):
            return Model(**dict(entry))
        standard = STANDARD_MODELS[entry]
        standardise_target = standard.standardise_target and self.standardise_target
        return Model(**{**vars(standard), "standardise_target": standardise_target})


class CleanInitialEvaluationConfig(EvaluationConfig):
    """Config table ``evaluation`` of an experiment whose initial concentrations are noisy.

    Examples
    --------
    >>> CleanInitialEvaluationConfig().feature_sets[-1]
    'initial_clean'
    """

    known_feature_sets: ClassVar[tuple[str, ...]] = (*FEATURE_SETS, INITIAL_CLEAN)

    feature_sets: tuple[str, ...] = setting(
        (*FEATURE_SETS, INITIAL_CLEAN),
        help="The feature sets that models are trained on, in this order; initial_clean is free of noise.",
        min_length=1,
    )


def _name(entry: str | CustomModelConfig) -> str:
    return entry if isinstance(entry, str) else entry.name


def _require_model(entry: str | CustomModelConfig, info: ValidationInfo) -> None:
    """Raise unless an entry is a standard model's name, or a table of which a regressor can be made.

    Of a config from a record that is only read, no regressor is made: that would import it.
    """
    standard = ", ".join(STANDARD_MODELS)
    if isinstance(entry, str):
        if entry not in STANDARD_MODELS:
            raise ValueError(
                f"unknown model {entry!r}, expected one of: {standard}; or a table with name and path"
            )
    elif entry.name in STANDARD_MODELS:
        raise ValueError(
            f"the model table {entry.name!r} has a standard model's name, expected another than {standard}"
        )
    elif all(may_import(info, path) for path in (entry.path, *nested_paths(entry.arguments))):
        model = Model(**dict(entry))
        load_modules(model)
        with contained():
            build_regressor(model, seed=0)


def _require_unique(what: str, names: Sequence[str]) -> None:
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(f"{what} {', '.join(repeated)} is listed more than once, expected each name once")
