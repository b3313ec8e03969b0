"""The patients' initial concentrations, before anything is active."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lakebatch.errors import ExperimentError

from .config import ParameterConfig
from .network import NetworkModel, layer_of
from .ranges import draw_latin_hypercube


def input_names(model: NetworkModel, excluded_layers: Sequence[str]) -> tuple[str, ...]:
    """Return the species whose initial concentration varies between patients."""
    return tuple(name for name in model.species if layer_of(name) not in excluded_layers)


def draw_initial_concentrations(
    n_inputs: int, config: ParameterConfig, n_samples: int, rng: np.random.Generator
) -> np.ndarray:
    """Draw initial concentrations as a Latin hypercube over `ic_range`.

    Returns
    -------
    float array, shape (n_samples, n_inputs), a.u.
        Each column has one value in each of ``n_samples`` equal slices of the range.
    """
    return draw_latin_hypercube(config.ic_range, n_inputs, n_samples, rng)


def base_concentration(config: ParameterConfig) -> float:
    """Return the initial concentration of the species that do not vary: the middle of `ic_range`, a.u.

    >>> base_concentration(ParameterConfig())
    600.0
    """
    return sum(config.ic_range) / 2


def complete_concentrations(
    model: NetworkModel, inputs: np.ndarray, names: Sequence[str], base: float
) -> np.ndarray:
    """Return initial concentrations of every species from those of the ones that vary.

    Parameters
    ----------
    inputs : float array, shape (n_samples, n_inputs), a.u.
        Initial concentrations of the species in ``names``.
    names : sequence of str
        The columns of ``inputs``.
    base : float, a.u.
        The initial concentration of every other species.

    Returns
    -------
    float array, shape (n_samples, n_species), a.u.
        Columns in the order of ``model.species``.

    Raises
    ------
    ExperimentError
        If the columns of ``inputs`` are not those named.
    """
    if np.ndim(inputs) != 2 or np.shape(inputs)[1] != len(names):
        raise ExperimentError(
            f"Initial concentrations have shape {np.shape(inputs)}; expected (n_samples, {len(names)})."
        )
    complete = np.full((len(inputs), len(model.species)), base)
    complete[:, [model.species.index(name) for name in names]] = inputs
    return complete
