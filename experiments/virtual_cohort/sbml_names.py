"""What varies between the patients of a custom model, and names that a config gives of it."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from lakebatch.errors import ConfigError

from .sbml_config import SbmlConfig
from .sbml_model import SbmlModel


def require_fixed_stoichiometries(model: SbmlModel, varied: Sequence[str]) -> None:
    """Raise if a stoichiometry follows from a value that varies: it would keep the model's value."""
    for name in varied:
        if name in model.stoichiometry_sources:
            raise ConfigError(
                f"A stoichiometry of the model follows from {name}, which varies, and libRoadRunner works it out only "
                "once. Expected 'sbml.inputs', 'sbml.parameters' and 'sbml.stimulus' without it, or an assignment "
                "rule for the stoichiometry."
            )


def input_names(config: SbmlConfig, model: SbmlModel) -> tuple[str, ...]:
    """Return the names of the inputs; no input starts below 0: it is a measured quantity."""
    known = {**model.initial_concentrations, **model.other_inputs}
    for name in config.inputs or ():
        if known[name] < 0:
            raise ConfigError(
                f"Config key 'sbml.inputs' has {name!r}, which starts at {known[name]:g}. Expected inputs that start at "
                "0 or above."
            )
    if config.inputs is not None:
        return config.inputs
    names = tuple(name for name in model.form_names if known.get(name, 0.0) > 0 and name != config.outcome)
    if not names:
        raise ConfigError("Config key 'sbml.inputs' is not set, and no species of the model starts above 0.")
    return names


def parameter_names(config: SbmlConfig, model: SbmlModel, stimulus: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the parameters that vary; a stimulus does not."""
    if config.parameters is not None:
        return config.parameters
    return tuple(name for name in model.parameters if name not in stimulus)


def require(key: str, names: Sequence[str], known: Collection[str], expected: str) -> None:
    """Raise unless a model has each name that a key of the config gives."""
    for name in names:
        if name not in known:
            raise ConfigError(
                f"Config key 'sbml.{key}' has {name!r}. Expected {expected}: {', '.join(known) or 'none'}."
            )
