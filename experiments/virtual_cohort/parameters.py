"""The kinetic parameters: their names and nominal values, how they are drawn and distorted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from lakebatch.errors import ConfigError

from .config import ParameterConfig
from .network import NetworkModel
from .ranges import draw_around

Reaction: TypeAlias = Literal["activation", "deactivation"]
Kind: TypeAlias = Literal["Km", "Vmax", "Kw", "Kil"]

MICHAELIS_CONSTANT = 100.0
"""Nominal Km, a.u."""
FREE_RATE = 10.0
"""Nominal Vmax of a reaction without a regulator, a.u./time."""
REGULATED_RATE = 1.0
"""Nominal Vmax of a reaction with a regulator, a.u./time."""
REGULATOR_WEIGHT = 0.1
"""Nominal Kw, the rate per concentration of a regulator, 1/time."""
INHIBITION_WEIGHT = 0.01
"""Nominal Kil, the allosteric inhibition per concentration of a regulator, 1/a.u."""


@dataclass(frozen=True)
class KineticParameter:
    """One kinetic parameter: of a reaction of a species, or of a regulator on that reaction."""

    kind: Kind
    species: str
    reaction: Reaction
    nominal: float
    regulator: str | None = None

    @property
    def name(self) -> str:
        """The parameter's name, unique in a model.

        >>> KineticParameter("Vmax", "R1", "activation", 10.0).name
        'Vmax_R1_activation'
        >>> KineticParameter("Kw", "R1", "deactivation", 0.1, "D").name
        'Kw_R1_deactivation_D'
        """
        parts = (self.kind, self.species, self.reaction, self.regulator)
        return "_".join(part for part in parts if part)


def kinetic_parameters(model: NetworkModel) -> tuple[KineticParameter, ...]:
    """Return every kinetic parameter of a model, in the order of the columns of a parameter set.

    Per species, activation before deactivation: Km, Vmax, then one Kw or Kil per regulator.
    """
    return tuple(parameter for species in model.species for parameter in _species_parameters(model, species))


def parameter_names(model: NetworkModel) -> tuple[str, ...]:
    """Return the names of the columns of a parameter set."""
    return tuple(parameter.name for parameter in kinetic_parameters(model))


def nominal_values(model: NetworkModel) -> np.ndarray:
    """Return the nominal parameter set.

    Returns
    -------
    float array, shape (n_parameters,)
        Km in a.u., Vmax in a.u./time, Kw in 1/time, Kil in 1/a.u.

    Notes
    -----
    An allosteric inhibitor counts as a regulator of the activation that it inhibits: the nominal Vmax
    of that activation is the one of a regulated reaction.
    """
    return np.array([parameter.nominal for parameter in kinetic_parameters(model)])


def draw_parameters(
    model: NetworkModel, config: ParameterConfig, n_samples: int, rng: np.random.Generator
) -> np.ndarray:
    """Draw parameter sets: nominal * U(param_range) * U(param_mul_range), each parameter by itself.

    Returns
    -------
    float array, shape (n_samples, n_parameters)
        Units as in `nominal_values`. The first rows do not depend on ``n_samples``.
    """
    return draw_around(nominal_values(model), (config.param_range, config.param_mul_range), n_samples, rng)


def distort_parameters(parameters: np.ndarray, factor: float, rng: np.random.Generator) -> np.ndarray:
    """Return the parameters, each times its own U(1/factor, factor).

    Parameters
    ----------
    parameters : float array, any shape
        Kinetic parameters.
    factor : float
        1 or more; 0 and 1 leave the parameters unchanged.

    Returns
    -------
    float array, the shape of ``parameters``
        Always a new array.

    Raises
    ------
    ConfigError
        If the factor is neither 0 nor at least 1.

    Examples
    --------
    >>> distort_parameters(np.array([1.0, 2.0]), 0, np.random.default_rng(1))
    array([1., 2.])
    """
    if factor in (0, 1):
        return np.array(parameters, dtype=float)
    if not 1 < factor < np.inf:
        raise ConfigError(f"The distortion factor is {factor}; expected 0 (none) or a number from 1 on.")
    return parameters * rng.uniform(1 / factor, factor, size=np.shape(parameters))


def _species_parameters(model: NetworkModel, species: str) -> list[KineticParameter]:
    """Return the parameters of the two reactions of a species."""
    up, down = model.regulators(species, "up"), model.regulators(species, "down")
    if model.down_regulation == "allosteric":
        return _reaction(species, "activation", up, down) + _reaction(species, "deactivation", (), ())
    return _reaction(species, "activation", up, ()) + _reaction(species, "deactivation", down, ())


def _reaction(
    species: str, reaction: Reaction, accelerators: tuple[str, ...], inhibitors: tuple[str, ...]
) -> list[KineticParameter]:
    """Return the parameters of one reaction."""
    rate = REGULATED_RATE if accelerators or inhibitors else FREE_RATE
    return [
        KineticParameter("Km", species, reaction, MICHAELIS_CONSTANT),
        KineticParameter("Vmax", species, reaction, rate),
        *(KineticParameter("Kw", species, reaction, REGULATOR_WEIGHT, name) for name in accelerators),
        *(KineticParameter("Kil", species, reaction, INHIBITION_WEIGHT, name) for name in inhibitors),
    ]
