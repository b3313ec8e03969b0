"""The model of one patient of a cohort, with its values from the stored rows or drawn again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from lakebatch.errors import ExperimentError, UnknownNameError

from ..virtual_cohort.cohort import draw_patients
from .config import DegradationConfig


def patient_model(
    rows: pl.DataFrame,
    config: DegradationConfig,
    rng: np.random.Generator,
    *,
    sample: int,
    level: float | None = None,
) -> str:
    """Return the model of one patient as SBML.

    Parameters
    ----------
    rows : frame
        Its rows in ``samples``, of all levels; they may lack where they are not stored.
    rng : numpy.random.Generator
        The generator that `generate_cohort` gets: clean values that are not stored are drawn again.
    level : float, optional
        A level with values of its own; by default the clean patient.

    Raises
    ------
    UnknownNameError
        If there is no such sample.
    ExperimentError
        If the values at the level are not stored, or the stored ones are those of another model.
    """
    n_samples = config.cohort.n_samples
    if not 0 <= sample < n_samples:
        raise UnknownNameError(
            f"There is no sample {sample} in this assembly. There are: 0 to {n_samples - 1}."
        )
    simulator, parameters, inputs = draw_patients(config, rng)
    found = {"parameters": parameters[sample], "initial": inputs[sample]}
    expected = {"parameters": simulator.parameter_names, "initial": simulator.input_names}
    clean = rows.filter(pl.col("level").is_null())
    if not clean.is_empty():
        found = {name: _stored(clean, name, expected[name]) for name in found}
    if level is not None:
        own = rows.filter(pl.col("level") == level)
        if own.is_empty():
            raise ExperimentError(
                f"The values of sample {sample} at level {level:g} are not in the lake: not stored (config key 'store'), "
                "dropped because of another level, or not computed yet. Without --level it is the clean patient."
            )
        found |= {name: _values(own, name) for name in found if own[name][0] is not None}
    return simulator.to_sbml(found["parameters"], found["initial"])


def _stored(clean: pl.DataFrame, name: str, expected: Sequence[str]) -> np.ndarray:
    """Return stored values of the clean patient; raise unless they are of the names of the model."""
    stored = clean[f"{name.removesuffix('s')}_names"][0].to_list()
    if stored != list(expected):
        raise ExperimentError(
            f"The stored {name} of the sample are of {', '.join(stored) or 'none'}; this code expects "
            f"{', '.join(expected) or 'none'}. Use the code that computed the assembly."
        )
    return _values(clean, name)


def _values(rows: pl.DataFrame, name: str) -> np.ndarray:
    return np.array(rows[name][0].to_list(), dtype=float)
