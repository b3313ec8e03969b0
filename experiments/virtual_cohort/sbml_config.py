"""The config table of a custom model in SBML or Antimony."""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

from pydantic import field_validator, model_validator

from lakebatch.experiment import ConfigModel, setting

from .ranges import check_range
from .stimulus_config import AnyStimulus, Stimuli, check_together

PACKAGE = "lakebatch.experiments"
MODELS = "models"
"""The folder of the package that holds the models that come with it."""
SUFFIX = ".ant"
TOLERANCES = {"relative_tolerance": 1e-10, "absolute_tolerance": 1e-15}
"""Default tolerances of a custom model: its errors may add up, and its small values may matter."""
MAX_SHOWN = 80
"""Characters of the longest name that an error quotes; of a part of it, a secret would not be found."""


class SbmlConfig(ConfigModel):
    """A custom model in place of the built-in network."""

    model: str = setting(
        help="The model: the text of an SBML or Antimony file (on the command line file:PATH), or the "
        "name of one that comes with lakebatch.",
        file=True,
    )
    outcome: str = setting(
        help="Species whose concentration at the last time point is the response; or a parameter or compartment "
        "that a rule or an event changes."
    )
    inputs: tuple[str, ...] | None = setting(
        None,
        help="Species whose initial concentrations vary between patients, and parameters with a rate rule whose "
        "initial values do. Default: all species that the model changes and that start above 0, but the outcome; "
        "in a model without species, all parameters with a rate rule that do so.",
    )
    input_range: tuple[float, float] = setting(
        (0.5, 2.0),
        help="Lowest and highest factor on the model's initial concentration of an input.",
        unit="1",
    )
    parameters: tuple[str, ...] | None = setting(
        None,
        help="Global parameters that vary between patients, around the model's values. Default: all "
        "that no rule or event changes but the stimulus.",
    )
    stimulus: Stimuli | None = setting(
        None,
        help="A drug or stimulus: a table of parameter, before, after and onset; or a schedule, a table of target, "
        "dose, rate or value, start, duration, interval and count; or a list of tables.",
    )

    @property
    def stimuli(self) -> tuple[AnyStimulus, ...]:
        """The stimuli, also where there is only one or none."""
        if isinstance(self.stimulus, tuple):
            return self.stimulus
        return () if self.stimulus is None else (self.stimulus,)

    @field_validator("model")
    @classmethod
    def _check_model(cls, value: str) -> str:
        if not is_text(value) and value not in shipped_models():
            shown = repr(value) if len(value) <= MAX_SHOWN else f"with a name of {len(value)} characters"
            raise ValueError(
                f"there is no model {shown}; expected one of {', '.join(shipped_models())}, the text of "
                "a model, or file:PATH with the path of one"
            )
        return value

    @field_validator("input_range")
    @classmethod
    def _check_range(cls, value: tuple[float, float]) -> tuple[float, float]:
        return check_range(value, "input_range")

    @field_validator("inputs")
    @classmethod
    def _check_inputs(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if value == ():
            raise ValueError("inputs is empty; expected one species or more.")
        return _check_unique(value, "inputs")

    @field_validator("parameters")
    @classmethod
    def _check_parameters(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return _check_unique(value, "parameters")

    @model_validator(mode="after")
    def _check_stimulus(self) -> SbmlConfig:
        for stimulus in self.stimuli:
            if stimulus.target in (self.parameters or ()):
                raise ValueError(
                    f"parameters has {stimulus.target}, the stimulus; expected parameters that vary between patients."
                )
        check_together(self.stimuli)
        return self


def with_custom_tolerances(values: Any) -> Any:
    """Return the values of a config with the tolerances of a custom model, if it has one, where none are set."""
    if not isinstance(values, Mapping) or values.get("sbml") is None:
        return values
    given = values.get("simulation", {})
    if isinstance(given, ConfigModel):
        given = given.model_dump(exclude_unset=True)
    return {**values, "simulation": {**TOLERANCES, **given}} if isinstance(given, Mapping) else values


def is_text(model: str) -> bool:
    """Return whether this is the text of a model, not the name of one.

    >>> is_text("kholodenko2000"), is_text("A -> B; k * A; k = 1; A = 10")
    (False, True)
    """
    return len(model.split()) > 1


def shipped_models() -> tuple[str, ...]:
    """Return the names of the models that come with lakebatch.

    >>> shipped_models()
    ('kholodenko2000',)
    """
    files = resources.files(PACKAGE).joinpath(MODELS).iterdir()
    return tuple(sorted(file.name.removesuffix(SUFFIX) for file in files if file.name.endswith(SUFFIX)))


def model_text(model: str) -> str:
    """Return the text of a model that is given by name or already as text."""
    if is_text(model):
        return model
    return (pkgutil.get_data(PACKAGE, f"{MODELS}/{model}{SUFFIX}") or b"").decode()


def _check_unique(names: tuple[str, ...] | None, what: str) -> tuple[str, ...] | None:
    listed: Sequence[str] = names or ()
    twice = sorted({name for name in listed if listed.count(name) > 1})
    if twice:
        raise ValueError(f"{what} has {twice[0]} twice; expected each name once.")
    return names
