"""The feature sets: their columns, their values and excluded forms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lakebatch.errors import ExperimentError
from lakebatch.experiments.prediction.feature_sets import (
    FEATURE_SETS,
    FeatureSet,
    build_feature_sets,
    select_forms,
)
from lakebatch.experiments.prediction.features import STATISTICS, dynamic_features

FORMS = ("R1", "R1a", "O", "Oa")
SELECTED = ("R1", "R1a")
RNG = np.random.default_rng(7)
INITIAL = RNG.uniform(200, 1000, (5, 1))
TRAJECTORIES = RNG.uniform(0, 1000, (5, 4, 11))


def build(names: tuple[str, ...], **changes: Any) -> dict[str, FeatureSet]:
    """Return feature sets of the small cohort by name."""
    cohort = {
        "initial": INITIAL,
        "initial_names": ("R1",),
        "trajectories": TRAJECTORIES,
        "form_names": FORMS,
        "selected_forms": SELECTED,
        **changes,
    }
    return {built.name: built for built in build_feature_sets(names, **cohort)}


def test_initial_holds_the_initial_concentrations() -> None:
    initial = build(("initial",))["initial"]
    assert initial.columns == ("initial:R1",)
    np.testing.assert_array_equal(initial.values, INITIAL)


def test_last_holds_the_selected_forms_in_their_order() -> None:
    last = build(("last",), selected_forms=("Oa", "R1"))["last"]
    assert last.columns == ("last:Oa", "last:R1")
    np.testing.assert_array_equal(last.values, TRAJECTORIES[:, [3, 0], -1])


def test_dynamic_holds_ten_features_of_each_selected_form() -> None:
    dynamic = build(("dynamic",), selected_forms=("Oa", "R1"))["dynamic"]
    assert dynamic.columns == tuple(f"{name}:{form}" for form in ("Oa", "R1") for name in STATISTICS)
    np.testing.assert_array_equal(dynamic.values, dynamic_features(TRAJECTORIES[:, [3, 0]]))


@pytest.mark.parametrize("second", ["last", "dynamic"])
def test_joined_sets_hold_both_side_by_side(second: str) -> None:
    built = build(("initial", second, f"initial+{second}"))
    joined = built[f"initial+{second}"]
    assert joined.columns == built["initial"].columns + built[second].columns
    np.testing.assert_array_equal(joined.values, np.hstack([built["initial"].values, built[second].values]))


def test_feature_sets_come_in_the_requested_order() -> None:
    assert list(build(FEATURE_SETS[::-1])) == list(FEATURE_SETS[::-1])


def test_initial_clean_holds_the_concentrations_before_noise() -> None:
    built = build(("initial", "initial_clean"), initial_clean=INITIAL + 1)
    np.testing.assert_array_equal(built["initial_clean"].values, INITIAL + 1)
    np.testing.assert_array_equal(built["initial"].values, INITIAL)
    assert built["initial_clean"].columns == ("initial:R1",)


def test_initial_clean_is_unknown_without_clean_concentrations() -> None:
    with pytest.raises(ExperimentError, match=r"Unknown feature set initial_clean\. Known: initial, last"):
        build(("initial_clean",))


def test_select_forms_excludes_only_the_two_forms_of_the_outcome() -> None:
    forms = ("O1", "O", "Oa", "Oaa", "R1a")
    assert select_forms(forms, ("O", "Oa"), outcome_features=False) == ("O1", "Oaa", "R1a")
    assert select_forms(forms, ("O", "Oa"), outcome_features=True) == forms


def test_select_forms_refuses_an_unknown_outcome() -> None:
    with pytest.raises(ExperimentError, match=r"Unknown outcome form P\. Known: R1, R1a, O, Oa"):
        select_forms(FORMS, ("P",), outcome_features=False)


@pytest.mark.parametrize("name", FEATURE_SETS)
def test_no_feature_depends_on_an_excluded_outcome(name: str) -> None:
    selected = select_forms(FORMS, ("O", "Oa"), outcome_features=False)
    changed = TRAJECTORIES.copy()
    changed[:, 2:] += 1000.0
    before, after = (build((name,), selected_forms=selected, trajectories=t) for t in (TRAJECTORIES, changed))
    np.testing.assert_array_equal(before[name].values, after[name].values)
    assert not any(column.endswith((":O", ":Oa")) for column in before[name].columns)


def test_features_depend_on_an_included_outcome() -> None:
    selected = select_forms(FORMS, ("O", "Oa"), outcome_features=True)
    last = build(("last",), selected_forms=selected)["last"]
    np.testing.assert_array_equal(last.values[:, last.columns.index("last:Oa")], TRAJECTORIES[:, 3, -1])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"selected_forms": ("R9",)}, r"Unknown selected form R9\. Known: R1, R1a, O, Oa"),
        ({"form_names": ("R1", "R1a")}, r"shape \(5, 4, 11\), expected \(n_samples, 2, n_times\)"),
        ({"initial": INITIAL[:3]}, r"parts of different lengths: initial 3, last 5"),
        ({"initial_names": ("R1", "R2")}, r"2 column names and values of shape \(5, 1\)"),
        ({"selected_forms": ("R1", "R1")}, r"has last:R1 twice or more"),
    ],
)
def test_feature_sets_refuse_names_and_arrays_that_do_not_fit(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ExperimentError, match=message):
        build(("initial+last",), **changes)


def test_feature_sets_of_no_samples_are_empty() -> None:
    built = build(("initial+dynamic",), initial=INITIAL[:0], trajectories=TRAJECTORIES[:0])
    assert built["initial+dynamic"].values.shape == (0, 21)
