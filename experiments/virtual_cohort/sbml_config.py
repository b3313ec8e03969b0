"""The config table of a custom model in SBML or Antimony."""

from __future__ import annotations

import pkgutil
from collections.abc import Sequence
from importlib import resources

from pydantic import field_validator, model_validator

from lakebatch.experiment import ConfigModel, setting

from .ranges import check_range

PACKAGE = "lakebatch.experiments"
MODELS = "models"
"""The folder of the package that holds the models that come with it."""
SUFFIX = ".ant"
MAX_SHOWN = 80
"""Characters of the longest name that an error quotes; of a part of it, a secret would not be found."""


class StimulusConfig(ConfigModel):
    """A drug or stimulus: a parameter of the model that takes another value from an onset on."""

    parameter: str = setting(help="Global parameter that is the stimulus.")
    before: float = setting(0.0, help="Its value before the onset.", unit="the model's")
    after: float = setting(help="Its value from the onset on.", unit="the model's")
    onset: float = setting(help="Time from which it has the second value.", unit="the model's time")


class SbmlConfig(ConfigModel):
    """A custom model in place of the built-in network."""

    model: str = setting(
        help="The model: the text of an SBML or Antimony file (on the command line file:PATH), or the "
        "name of one that comes with lakebatch.",
        file=True,
    )
    outcome: str = setting(help="Species whose concentration at the last time point is the response.")
    inputs: tuple[str, ...] | None = setting(
        None,
        help="Species whose initial concentrations vary between patients, and parameters with a rate rule whose "
        "initial values do. Default: all species that the model changes and that start above 0, but the outcome.",
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
    stimulus: StimulusConfig | None = setting(
        None, help="A drug or stimulus, as a table of parameter, before, after and onset."
    )

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
        if self.stimulus is not None and self.stimulus.parameter in (self.parameters or ()):
            raise ValueError(
                f"parameters has {self.stimulus.parameter}, the stimulus; expected parameters that vary "
                "between patients."
            )
        return self


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
