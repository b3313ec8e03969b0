"""The tables of features that the models are trained on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lakebatch.errors import ExperimentError

from .features import STATISTICS, dynamic_columns, dynamic_features, last_columns, last_values

FloatArray = NDArray[np.float64]

FEATURE_SETS = ("initial", "last", "dynamic", "initial+last", "initial+dynamic")
"""The feature sets of every experiment."""

INITIAL_CLEAN = "initial_clean"
"""The initial concentrations as they were before noise was added."""

MEANINGS = {
    "initial": "the initial concentrations",
    "last": "each simulated species at the last time point",
    "dynamic": "ten numbers for each simulated time course",
    "initial+last": "initial and last, side by side",
    "initial+dynamic": "initial and dynamic, side by side",
    INITIAL_CLEAN: "the initial concentrations before noise was added",
}
"""What each feature set is, for reports."""


@dataclass(frozen=True, eq=False)
class FeatureSet:
    """A named table of features.

    Attributes
    ----------
    name : str
    columns : tuple of str
        One unique name a column, ``{what}:{species or form}``.
    values : float array, shape (n_samples, n_columns)

    Examples
    --------
    >>> FeatureSet("initial", ("initial:R1",), np.array([[200.0], [300.0]])).values.shape
    (2, 1)
    """

    name: str
    columns: tuple[str, ...]
    values: FloatArray

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or self.values.shape[1] != len(self.columns):
            raise ExperimentError(
                f"Feature set {self.name!r} has {len(self.columns)} column names and values of shape "
                f"{self.values.shape}, expected (n_samples, {len(self.columns)})."
            )
        if len(set(self.columns)) < len(self.columns):
            repeated = sorted({column for column in self.columns if self.columns.count(column) > 1})
            raise ExperimentError(
                f"Feature set {self.name!r} has {', '.join(repeated)} twice or more, expected unique columns."
            )


def select_forms(
    form_names: Sequence[str], outcome_forms: Sequence[str], *, outcome_features: bool
) -> tuple[str, ...]:
    """Return the forms that features are made of: all, or all but the outcome's.

    Without a perturbation, the active form of the outcome at the last time point is the target
    itself; under one, it is what the mechanistic model predicts for the target.

    Parameters
    ----------
    form_names : sequence of str
        Inactive and active forms, in any order.
    outcome_forms : sequence of str
        The forms of the species whose active form is the target.
    outcome_features : bool
        Whether the outcome's forms stay.

    Raises
    ------
    ExperimentError
        If a form of the outcome is not among the forms.

    Examples
    --------
    >>> select_forms(["R1", "R1a", "O", "Oa"], ["O", "Oa"], outcome_features=False)
    ('R1', 'R1a')
    """
    _require_known("outcome form", outcome_forms, form_names)
    return tuple(form for form in form_names if outcome_features or form not in outcome_forms)


def build_feature_sets(
    names: Sequence[str],
    *,
    initial: FloatArray,
    initial_names: Sequence[str],
    trajectories: FloatArray | Callable[[], FloatArray],
    form_names: Sequence[str],
    selected_forms: Sequence[str],
    initial_clean: FloatArray | None = None,
) -> list[FeatureSet]:
    """Return the named feature sets of one cohort; what no name asks for is not computed.

    Parameters
    ----------
    names : sequence of str
        From `FEATURE_SETS`, and ``initial_clean`` where that is given.
    initial : float array, shape (n_samples, n_inputs), a.u.
        Initial concentrations of the species `initial_names`.
    trajectories : float array, shape (n_samples, n_forms, n_times), a.u., or callable
        Of the forms `form_names`; a callable that returns them is called only if a set needs them.
    selected_forms : sequence of str
        The forms that ``last`` and ``dynamic`` are made of, in this order (see `select_forms`).
    initial_clean : float array, shape (n_samples, n_inputs), a.u., optional
        Initial concentrations before noise was added.

    Returns
    -------
    list of FeatureSet
        In the order of `names`. A set's parts, joined by ``+`` in its name, stand side by side; their
        columns are called ``initial:R1``, ``last:R1``, ``auc:R1``.

    Raises
    ------
    ExperimentError
        If a name is unknown, or names and arrays do not fit.
    SimulationError
        If a value of a trajectory is not finite.

    Examples
    --------
    >>> (features,) = build_feature_sets(
    ...     ["initial+last"], initial=np.array([[7.0]]), initial_names=["R1"],
    ...     trajectories=np.array([[[7.0, 3.0], [0.0, 4.0]]]), form_names=["R1", "R1a"],
    ...     selected_forms=["R1", "R1a"])
    >>> features.columns, features.values.tolist()
    (('initial:R1', 'last:R1', 'last:R1a'), [[7.0, 3.0, 4.0]])
    """
    known = FEATURE_SETS if initial_clean is None else (*FEATURE_SETS, INITIAL_CLEAN)
    _require_known("feature set", names, known)
    needed = {part: None for name in names for part in name.split("+")}
    if callable(trajectories):
        is_needed = needed.keys() & {"last", "dynamic"}
        trajectories = trajectories() if is_needed else np.empty((len(initial), len(form_names), 0))
    forms = _form_indices(trajectories, form_names, selected_forms)
    initial_columns = tuple(f"initial:{species}" for species in initial_names)
    makers = {
        "initial": lambda: FeatureSet("initial", initial_columns, initial),
        "last": lambda: FeatureSet("last", last_columns(selected_forms), last_values(trajectories)[:, forms]),
        "dynamic": lambda: FeatureSet(
            "dynamic", dynamic_columns(selected_forms), _dynamic(trajectories, forms)
        ),
        INITIAL_CLEAN: lambda: FeatureSet(INITIAL_CLEAN, initial_columns, initial_clean),
    }
    parts = {part: makers[part]() for part in needed}
    return [_side_by_side(name, [parts[part] for part in name.split("+")]) for name in names]


def _dynamic(trajectories: FloatArray, forms: list[int]) -> FloatArray:
    """Return the dynamic features of some forms.

    They are chosen afterwards: a copy of the chosen trajectories would be ten times larger.
    """
    n_samples, n_forms, _ = trajectories.shape
    features = dynamic_features(trajectories).reshape(n_samples, n_forms, len(STATISTICS))
    return features[:, forms].reshape(n_samples, len(forms) * len(STATISTICS))


def _side_by_side(name: str, parts: Sequence[FeatureSet]) -> FeatureSet:
    """Return one feature set with the columns of several."""
    samples = {part.name: len(part.values) for part in parts}
    if len(set(samples.values())) > 1:
        counts = ", ".join(f"{part} {count}" for part, count in samples.items())
        raise ExperimentError(f"Feature set {name!r} has parts of different lengths: {counts}; expected one.")
    columns = tuple(column for part in parts for column in part.columns)
    return FeatureSet(name, columns, np.concatenate([part.values for part in parts], axis=1))


def _form_indices(
    trajectories: FloatArray, form_names: Sequence[str], selected_forms: Sequence[str]
) -> list[int]:
    """Return where the selected forms stand along the second axis."""
    if trajectories.ndim != 3 or trajectories.shape[1] != len(form_names):
        raise ExperimentError(
            f"Trajectories have shape {trajectories.shape}, expected (n_samples, {len(form_names)}, n_times) "
            f"for {len(form_names)} form names."
        )
    _require_known("selected form", selected_forms, form_names)
    return [list(form_names).index(form) for form in selected_forms]


def _require_known(what: str, names: Sequence[str], known: Sequence[str]) -> None:
    """Raise if a name is not among the known ones."""
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ExperimentError(f"Unknown {what} {', '.join(unknown)}. Known: {', '.join(known) or 'none'}.")
