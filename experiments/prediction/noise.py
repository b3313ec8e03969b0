"""Measurement noise on concentrations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lakebatch.errors import ConfigError, ExperimentError

FloatArray = NDArray[np.float64]

NoiseKind = Literal["additive", "multiplicative", "lognormal"]


@dataclass(frozen=True, eq=False)
class NoisyValues:
    """Values after noise was added.

    Attributes
    ----------
    values : float array, of the shape that noise was added to, a.u.
    clipped : bool array, of the same shape
        Whether a value would have been negative and was set to 0.
    """

    values: FloatArray
    clipped: NDArray[np.bool_]

    @property
    def n_clipped(self) -> int:
        """How many values would have been negative and were set to 0."""
        return int(np.count_nonzero(self.clipped))


def add_noise(
    values: ArrayLike,
    level: float,
    kind: NoiseKind,
    rng: np.random.Generator,
    scale: ArrayLike | None = None,
    *,
    where: NDArray[np.bool_] | None = None,
) -> NoisyValues:
    """Return concentrations with noise, clipped at 0.

    Parameters
    ----------
    values : float array, shape (n_samples,) or (n_samples, n_columns), a.u.
        Concentrations.
    level : float >= 0, without unit
        Size of the noise. 0 returns the values as they are.
    kind : {"additive", "multiplicative", "lognormal"}
        With z standard normal: ``x + level * scale * z``, ``x * (1 + level * z)`` or ``x * exp(level * z)``.
    rng : numpy.random.Generator
        One standard normal number is drawn for each value, at level 0 too: two levels that start from the
        same state share their z, and leave the generator in the same state.
    scale : float array that broadcasts against values, a.u., optional
        What additive noise is proportional to. By default the population standard deviation (divided by
        n_samples) of each column, or of the vector. The other kinds are relative to the value itself and
        do not use it.

    Returns
    -------
    NoisyValues
        A new array; `values` is left as it was.

    Raises
    ------
    ConfigError
        If the kind is unknown, or the level is negative or not finite.
    ExperimentError
        If a value is not finite, before or after.

    Examples
    --------
    >>> noisy = add_noise([1.0, 2.0, 3.0], 5.0, "additive", np.random.default_rng(0))
    >>> noisy.values.round(2).tolist(), noisy.n_clipped
    ([1.51, 1.46, 5.61], 0)
    """
    _require_level_and_kind(level, kind)
    given = np.asarray(values, dtype=np.float64)
    known = np.ones(len(given), dtype=np.bool_) if where is None else where
    clean = given[known]
    _require_finite(clean, "before")
    draws = rng.standard_normal(given.shape)[known]
    if level == 0:
        noisy = clean
    else:
        with np.errstate(over="ignore", invalid="ignore"):
            noisy = _PERTURB[kind](clean, level * draws, scale)
        _require_finite(noisy, f"after {kind} noise of level {level}")
    result, clipped = np.full(given.shape, np.nan), np.zeros(given.shape, dtype=np.bool_)
    result[known], clipped[known] = (noisy, False) if level == 0 else (np.maximum(noisy, 0.0), noisy < 0)
    return NoisyValues(result, clipped)


def _additive(clean: FloatArray, draws: FloatArray, scale: ArrayLike | None) -> FloatArray:
    return clean + draws * (clean.std(axis=0) if scale is None else np.asarray(scale, dtype=np.float64))


def _multiplicative(clean: FloatArray, draws: FloatArray, scale: ArrayLike | None) -> FloatArray:
    return clean * (1 + draws)


def _lognormal(clean: FloatArray, draws: FloatArray, scale: ArrayLike | None) -> FloatArray:
    return clean * np.exp(draws)


_PERTURB: Mapping[str, Callable[[FloatArray, FloatArray, ArrayLike | None], FloatArray]] = {
    "additive": _additive,
    "multiplicative": _multiplicative,
    "lognormal": _lognormal,
}


def _require_level_and_kind(level: float, kind: str) -> None:
    """Raise unless the noise is one that can be drawn."""
    if kind not in _PERTURB:
        raise ConfigError(f"Unknown kind of noise {kind!r}. Known: {', '.join(get_args(NoiseKind))}.")
    if not (np.isfinite(level) and level >= 0):
        raise ConfigError(f"Noise level is {level}, expected a finite number of at least 0.")


def _require_finite(values: FloatArray, when: str) -> None:
    """Raise if a concentration is not finite."""
    n_bad = np.count_nonzero(~np.isfinite(values))
    if n_bad:
        raise ExperimentError(
            f"{n_bad} of {values.size} concentrations are not finite {when}. Expected finite concentrations: "
            "check the simulation, or lower the level."
        )
