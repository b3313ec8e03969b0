"""Statistics of plots and reports, compared with scipy on the same rows."""

import numpy as np
import polars as pl
import pytest
import scipy.stats
from polars.testing import assert_frame_equal

from lakebatch.analysis import shift_tests, statistics
from lakebatch.errors import UnknownNameError

pytestmark = [
    pytest.mark.filterwarnings("ignore::lakebatch.errors.IncompleteWarning"),
    pytest.mark.filterwarnings("ignore::lakebatch.errors.MixtureWarning"),
]
SPLIT = ["assembly_id", "repeat"]


@pytest.fixture
def rows(study):
    return study["study"].reassemble()


def test_interval_is_student_t_corrected_for_overlapping_splits(rows):
    table = statistics.intervals(rows, "pearson_r", ["feature_set", "level"])
    assert table.height == 9
    for row in table.iter_rows(named=True):
        chosen = rows.filter(feature_set=row["feature_set"], level=row["level"]).drop_nulls("pearson_r")
        units = chosen.group_by(SPLIT).agg(pl.col("pearson_r").mean())["pearson_r"].to_numpy()
        assemblies = chosen["assembly_id"].n_unique()
        error = units.std(ddof=1) * np.sqrt(1 / len(units) + 0.25 / assemblies)
        low, high = scipy.stats.t.interval(0.95, len(units) - 1, units.mean(), error)
        np.testing.assert_allclose([row["mean"], row["low"], row["high"]], [units.mean(), low, high])
        assert (row["units"], row["assemblies"]) == (len(units), assemblies)


def test_interval_over_assemblies_is_uncorrected_over_their_means(rows):
    row = statistics.intervals(rows.filter(level=0.1), "r2", ["level"], unit="assembly").row(0, named=True)
    splits = rows.filter(level=0.1).group_by(SPLIT).agg(pl.col("r2").mean())
    means = splits.group_by("assembly_id").agg(pl.col("r2").mean())["r2"].to_numpy()
    low, high = scipy.stats.t.interval(0.95, 2, means.mean(), scipy.stats.sem(means))
    np.testing.assert_allclose([row["mean"], row["low"], row["high"]], [means.mean(), low, high])


def test_single_unit_has_no_interval(rows):
    one = rows.filter(pl.col("assembly_id") == rows["assembly_id"][0], repeat=0)
    table = statistics.intervals(one, "pearson_r", ["level"])
    assert table["low"].null_count() == table["high"].null_count() == table.height == 3


def test_degradation_is_the_paired_test_and_the_query(study, rows):
    table = statistics.degradation(rows, "pearson_r", ["feature_set", "model"])
    query = study.query("degradation", {"experiment": "study"})
    for ours, theirs in (
        ("mean", "change"),
        ("baseline", "baseline"),
        ("relative", "relative_change"),
        ("fits", "pairs"),
    ):
        np.testing.assert_allclose(table[ours], query[theirs])
    # without an overlap the correction vanishes and the test is scipy's
    plain = statistics.degradation(rows.with_columns(n_test=pl.lit(0)), "pearson_r", ["feature_set", "model"])
    row = plain.filter(feature_set="dynamic", model="forest", level=0.3).row(0, named=True)
    cell = (
        rows.filter(feature_set="dynamic", model="forest")
        .pivot("level", index=SPLIT, values="pearson_r")
        .drop_nulls()
    )
    assert row["p_value"] == pytest.approx(scipy.stats.ttest_rel(cell["0.3"], cell["0.0"]).pvalue)


def test_comparisons_agree_with_the_query_and_with_scipy(study, rows):
    table = statistics.comparisons(rows, "pearson_r")
    query = study.query("feature-sets", {"experiment": "study"})
    for ours, theirs in (("one", "feature_set"), ("other", "other"), ("fits", "pairs"), ("units", "splits")):
        assert table[ours].to_list() == query[theirs].to_list()
    np.testing.assert_allclose(table["mean"], query["difference"])
    np.testing.assert_allclose(
        table["p_value"], 2 * scipy.stats.t.sf(np.abs(query["t_corrected"]), query["splits"] - 1)
    )
    np.testing.assert_allclose(table["p_holm"], statistics.holm(table["p_value"]))
    assert statistics.comparisons(rows.filter(feature_set="initial"), "r2").is_empty()


@pytest.mark.parametrize("metric", ["r2", "mse"])
def test_sensitivity_and_robustness_agree_with_the_queries(study, rows, metric):
    ours, theirs = (
        statistics.sensitivity(rows, metric),
        study.query("sensitivity", {"experiment": "study", "metric": metric}),
    )
    np.testing.assert_allclose(ours["slope"], theirs["slope"])
    np.testing.assert_allclose(ours["r2"], theirs["regression_r2"])
    assert (ours["low"] < ours["slope"]).all()
    ours, theirs = (
        statistics.robustness(rows, metric),
        study.query("robustness", {"experiment": "study", "metric": metric}),
    )
    columns = ["rank", "feature_set", "model", "baseline", "perturbed", "robustness"]
    assert_frame_equal(ours.select(columns), theirs.select(columns), check_dtypes=False)


def ratio_rows(baseline, perturbed, runs=1):
    """Return rows of one cell, one split per value, as many in each run."""
    each = len(baseline) // runs
    return pl.DataFrame(
        [
            {"assembly_id": f"run{index // each}", "repeat": index % each, "level": level, "feature_set": "a",
             "model": "m", "n_train": 80, "n_test": 20, "pearson_r": float(value), "mse": float(value)}
            for level, values in ((0.0, baseline), (0.5, perturbed))
            for index, value in enumerate(values)
        ]
    )  # fmt: skip


@pytest.mark.parametrize("metric", ["pearson_r", "mse"])
def test_interval_of_robustness_holds_the_ratios_that_a_corrected_test_keeps(metric):
    draw = np.random.default_rng(3)
    baseline = draw.normal(0.6, 0.2, 12)
    perturbed = 0.7 * baseline + draw.normal(0, 0.1, 12)
    (row,) = statistics.robustness(ratio_rows(baseline, perturbed, 2), metric).rows(named=True)
    over, under = (perturbed, baseline) if metric == "pearson_r" else (baseline, perturbed)
    assert row["robustness"] == pytest.approx(over.mean() / under.mean())
    assert row["low"] < row["robustness"] < row["high"]
    for end in (row["low"], row["high"]):
        rest = over - end * under
        error = rest.std(ddof=1) * np.sqrt(1 / 12 + 0.25 / 2)
        assert 2 * scipy.stats.t.sf(abs(rest.mean()) / error, 11) == pytest.approx(0.05)
    (whole,) = statistics.robustness(ratio_rows(baseline, perturbed, 6), metric, unit="assembly").rows(
        named=True
    )
    assert whole["units"] == 6


def test_baseline_that_does_not_differ_from_zero_has_no_interval_and_no_rank():
    strong = ratio_rows([0.5, 0.6, 0.7, 0.6], [0.4, 0.3, 0.5, 0.4])
    weak = ratio_rows([0.5, -0.4, 0.3, -0.1], [0.4, 0.5, 0.6, 0.5]).with_columns(feature_set=pl.lit("b"))
    lost = ratio_rows([-0.5, -0.6, -0.7, -0.6], [0.4, 0.5, 0.6, 0.5]).with_columns(feature_set=pl.lit("c"))
    ranked = statistics.robustness(pl.concat([lost, weak, strong]), "pearson_r")
    assert ranked.select("feature_set", "rank", "weak").rows() == [
        ("a", 1, False),
        ("b", None, True),
        ("c", None, False),
    ]
    assert ranked.filter(feature_set="b").select("low", "high").row(0) == (None, None)
    single = statistics.robustness(ratio_rows([0.5], [0.4]), "pearson_r")
    assert single.select("rank", "low", "high", "weak").row(0) == (1, None, None, False)


def test_holm_is_the_textbook_example():
    corrected = statistics.holm(pl.Series([0.01, 0.04, 0.03, 0.005, None, 0.9]))
    assert corrected.round(10).to_list() == [0.04, 0.09, 0.09, 0.025, None, 0.9]


@pytest.mark.parametrize(("unit", "tested"), [("split", False), ("assembly", True)])
def test_splits_of_unknown_size_are_not_tested_as_units(unit, tested):
    values = np.random.default_rng(1).normal(size=12)
    pairs = pl.DataFrame(
        {"assembly_id": [f"run{each % 6}" for each in range(12)], "repeat": range(12), "value": values}
    )
    pairs = pairs.with_columns(level=0.1, overlap=pl.lit(None, pl.Float64))
    (row,) = shift_tests.paired(pairs, ["level"], unit=unit).rows(named=True)
    assert row["units"] == (6 if tested else 12)
    assert (row["p_holm"] is not None) == tested


def test_unknown_metric_is_named(rows):
    with pytest.raises(UnknownNameError, match=r"Unknown metric 'r3'. Known: mse, pearson_r, r2"):
        statistics.intervals(rows, "r3", ["level"])
