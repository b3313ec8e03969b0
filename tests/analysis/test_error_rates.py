"""Shifts between replicates of one config are rarely larger than chance: simulated fits on heavy-tailed cohorts."""

import numpy as np
import polars as pl
import pytest

from lakebatch.analysis import shift_tests, statistics
from lakebatch.assembly.metrics import Axis, Metric, Roles

N_FAMILIES = 200
# 5 % of the families. The seeds are fixed, so the counts are, too: 2 of 200 in both tests.
MAX_FALSE = N_FAMILIES // 20
N_PATIENTS, N_TEST, N_SPLITS = 100, 20, 10
LEVELS = np.array([0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1.0, 1.5, 2.0])
GROUP = ["level", "feature_set"]
FEATURE_SETS = 10
N_REPEATS = 20
PLAIN = Roles((Metric("error", "error", own=True),), Axis("points", "points", baseline=None), ("method",))


def cohort(rng, signal=0.3):
    """Return features and a response with a long tail, of which features explain little."""
    features = rng.lognormal(0, 0.5, (N_PATIENTS, 12))
    score = features @ rng.normal(size=12)
    score = (score - score.mean()) / score.std()
    response = np.exp(signal * score + np.sqrt(1 - signal**2) * rng.normal(size=N_PATIENTS))
    return features, -response / response.std()


def fitted(features, responses, splits):
    """Return Pearson r of linear regression on every split, shape (n_splits, n_levels)."""
    design = np.concatenate([np.ones((N_PATIENTS, 1)), features], axis=1)
    test, train = splits[:, :N_TEST], splits[:, N_TEST:]
    transposed = design[train].swapaxes(1, 2)
    weights = np.linalg.solve(transposed @ design[train], transposed @ responses[train])
    predicted, truth = design[test] @ weights, responses[test]
    predicted, truth = (each - each.mean(axis=1, keepdims=True) for each in (predicted, truth))
    return (predicted * truth).sum(1) / np.sqrt((predicted**2).sum(1) * (truth**2).sum(1))


def replicate(rng, features, response, splits, chosen):
    """Return Pearson r with new noise on the response, shape (n_feature_sets, n_splits, n_levels)."""
    noisy = response[:, None] + LEVELS * rng.normal(size=(N_PATIENTS, len(LEVELS)))
    return np.array([fitted(features[:, each], noisy, splits) for each in chosen])


def frame(values, **columns):
    """Return values of shape (n_feature_sets, n_splits, n_levels) as rows."""
    index = np.indices(values.shape).reshape(3, -1)
    names = {"feature_set": index[0], "repeat": index[1], "level": LEVELS[index[2]], "value": values.ravel()}
    return pl.DataFrame(names).with_columns(**{name: pl.lit(each) for name, each in columns.items()})


def drawn(rng):
    """Return a cohort with its splits."""
    splits = np.array([rng.permutation(N_PATIENTS) for _ in range(N_SPLITS)])
    return *cohort(rng), splits


def feature_sets(rng):
    return [rng.choice(12, 3 + number % 5, replace=False) for number in range(FEATURE_SETS)]


@pytest.fixture(scope="module")
def of_one_cohort():
    """Return the paired differences of two replicates of one cohort, for each family."""
    rng, overlap = np.random.default_rng(1), N_TEST / (N_PATIENTS - N_TEST)
    families = []
    for _ in range(N_FAMILIES):
        one, chosen = drawn(rng), feature_sets(rng)
        difference = replicate(rng, *one, chosen) - replicate(rng, *one, chosen)
        families.append(frame(difference, assembly_id="one", overlap=overlap))
    return families


def false_families(tables):
    return sum(bool((table["p_holm"] < 0.05).any()) for table in tables)


def test_replicates_of_one_cohort_shift_in_at_most_five_percent_of_families(of_one_cohort):
    assert false_families(shift_tests.paired(each, GROUP) for each in of_one_cohort) <= MAX_FALSE


@pytest.mark.parametrize(("caution", "least"), [(0.0, 100), (1.0, MAX_FALSE + 1)])
def test_less_correction_finds_shifts_between_replicates(of_one_cohort, monkeypatch, caution, least):
    monkeypatch.setattr(shift_tests, "CAUTION", caution)  # 0 is the plain paired t test
    assert false_families(shift_tests.paired(each, GROUP) for each in of_one_cohort) >= least


def test_replicates_of_other_cohorts_shift_in_at_most_five_percent_of_families():
    rng, welch, plain = np.random.default_rng(2), [], []
    for _ in range(N_FAMILIES):
        chosen = feature_sets(rng)[:5]
        sides = [[replicate(rng, *drawn(rng), chosen) for _ in range(5)] for _ in range(2)]
        rows = [
            frame(values, side=side, cohort=number)
            for side, cohorts in zip(("before", "after"), sides, strict=True)
            for number, values in enumerate(cohorts)
        ]
        welch.append(shift_tests.unpaired(pl.concat(rows), GROUP))
        # splits of different cohorts as if they were pairs
        plain.append(
            shift_tests.paired(frame(sides[1][0] - sides[0][0], assembly_id="one", overlap=0.0), GROUP)
        )
    assert false_families(welch) <= MAX_FALSE
    assert false_families(plain) >= 100


def test_real_shift_is_found(of_one_cohort):
    shifted = of_one_cohort[0].with_columns(pl.col("value") + 0.5)
    assert (shift_tests.paired(shifted, GROUP)["p_holm"] < 0.05).any()


def repeats(rng, shift=0.0):
    """Return the differences of skewed repeats without a split, in ten groups, as pairs of two assemblies."""
    values = rng.exponential(1.0, (2, FEATURE_SETS, N_REPEATS))
    index = np.indices(values[0].shape).reshape(2, -1)
    names = {"group": index[0], "repeat": index[1], "value": (values[1] - values[0] + shift).ravel()}
    return pl.DataFrame(names).with_columns(assembly_id=pl.lit("one"), overlap=pl.lit(0.0))


def test_repeats_without_a_split_shift_in_at_most_five_percent_of_families():
    rng = np.random.default_rng(3)
    tables = [shift_tests.paired(repeats(rng), ["group"]) for _ in range(N_FAMILIES)]
    # 10 are expected
    assert 1 <= false_families(tables) <= 2 * MAX_FALSE
    shifted = shift_tests.paired(repeats(rng, shift=1.5), ["group"])
    assert (shifted["p_holm"] < 0.05).all()


def test_intervals_of_repeats_without_a_split_hold_the_mean_as_often_as_they_say():
    rng, held = np.random.default_rng(4), 0
    for _ in range(N_FAMILIES):
        values = rng.normal(3.0, 1.0, N_REPEATS)
        rows = {
            "assembly_id": "one",
            "repeat": range(N_REPEATS),
            "points": 10,
            "method": "a",
            "error": values,
        }
        sizes = {name: pl.lit(None, pl.Int64) for name in ("n_train", "n_test")}
        table = statistics.intervals(
            pl.DataFrame(rows).with_columns(**sizes), "error", ["points"], roles=PLAIN
        )
        held += bool(table["low"][0] <= 3.0 <= table["high"][0])
    assert 0.9 * N_FAMILIES <= held <= 0.99 * N_FAMILIES
