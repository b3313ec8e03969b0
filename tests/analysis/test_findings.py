"""Findings in sentences: what they say of planted results, and where nothing can be said."""

from dataclasses import MISSING, fields, replace

import polars as pl
import pytest

from lakebatch.analysis import statistics
from lakebatch.analysis.data import AnalysisData
from lakebatch.analysis.plots.options import Options, choose
from lakebatch.analysis.report.findings import results_section
from lakebatch.analysis.report.sentences import findings

REPEATS = 12


@pytest.fixture
def data():
    """Return data without rows; findings look at rows and roles alone."""
    required = (each.name for each in fields(AnalysisData) if MISSING is each.default is each.default_factory)
    return AnalysisData(**dict.fromkeys(required, pl.DataFrame()))


def fits(means, repeats=REPEATS, assembly="20260101_000000_run001"):
    """Return the rows of one model whose metric has a mean for each feature set and level, and a little spread."""
    rows = [
        {
            "assembly_id": assembly, "part": f"level={level:g}", "level": level, "feature_set": name, "model": "ridge",
            "repeat": repeat, "n_train": 80, "n_test": 20, "error": None, "cohort": assembly, "config": "all assemblies",
            "pearson_r": mean + 0.01 * ((repeat * (7 if level else 5)) % 11 - 5) / 5,
        }
        for (name, level), mean in means.items()
        for repeat in range(repeats)
    ]  # fmt: skip
    frame = pl.DataFrame(rows, schema_overrides={"error": pl.String})
    return frame.with_columns(r2=pl.col("pearson_r") ** 2, mse=10 * (1 - pl.col("pearson_r")))


MEANS = {("a", 0.0): 0.9, ("a", 0.1): 0.9, ("a", 0.5): 0.6, ("b", 0.0): 0.5, ("b", 0.1): 0.5, ("b", 0.5): 0.5}


def found(data, rows, **options):
    data = replace(data, rows=rows)
    return findings(data, choose(Options(**options), data))


def test_findings_say_what_was_planted(data):
    rows = fits(MEANS)
    best, counted, loss, pairs, basis = found(data, rows)
    assert best.startswith(
        "a has the highest mean Pearson r of 2 feature sets at level 0.5: 0.5992 (95 % interval 0.59"
    )
    assert best.endswith("at level 0.")
    assert counted == (
        "1 of 4 comparisons with level 0 differs (paired t test, p (Holm) < 0.05): a at level 0.5."
    )
    assert loss.startswith("The largest loss is that of a at level 0.5: -0.30")
    assert loss.endswith("from 0.899, p (Holm) < 0.001.")
    assert pairs.startswith(
        "Averaged over all levels, the difference of the two feature sets is a minus b: 0.3"
    )
    assert basis == (
        "Means with 95 % t interval over 12 splits of 1 assembly, corrected for the overlap of splits. "
        "It holds within this cohort."
    )


def test_numbers_and_intervals_are_those_of_the_statistics(data):
    rows = fits(MEANS)
    row = statistics.intervals(rows, "pearson_r", ["feature_set", "level"]).row(2, named=True)
    change = statistics.degradation(rows, "pearson_r", ["feature_set"]).row(1, named=True)
    best, _, loss, *_ = found(data, rows)
    shown = [f"{row[name]:.4f}" for name in ("mean", "low", "high")]
    assert f"{shown[0]} (95 % interval {shown[1]} to {shown[2]})" in best
    assert f"(95 % interval {change['low']:.3f} to {change['high']:.3f})" in loss


def test_lower_is_better_turns_best_and_loss_round(data):
    best, _, loss, *_, basis = found(data, fits(MEANS), metric="mse")
    assert best.startswith("a has the lowest average mean squared error of 2 feature sets at level 0.5: 4.0")
    assert " a.u.^2 (95 % interval " in best
    assert loss.startswith("The largest increase, which is a loss, is that of a at level 0.5: 3.0")
    assert basis.endswith("Lower values are better.")


def test_no_difference_is_not_made_one(data):
    same = fits({("a", 0.0): 0.9, ("b", 0.0): 0.5})
    rows = pl.concat([same, same.with_columns(level=0.5, part=pl.lit("level=0.5"))])
    _, counted, loss, *_ = found(data, rows)
    assert counted == "None of 2 comparisons with level 0 can be tested: their differences have no spread."
    assert loss == "No mean is worse than at level 0."
    last_digits = pl.when(pl.col("level") > 0, pl.col("repeat") < 6).then(1 - 4e-16).otherwise(1.0)
    _, counted, loss, *_ = found(data, rows.with_columns(pl.col("pearson_r") * last_digits))
    assert counted.endswith("differs (paired t test, p (Holm) < 0.05). 2 have no difference at all.")
    assert loss == "No mean is worse than at level 0."


def test_single_split_has_neither_interval_nor_test(data):
    best, counted, *_, basis, few = found(data, fits(MEANS, repeats=1))
    assert "interval" not in best
    assert counted == "None of 4 comparisons with level 0 can be tested: there is a single split."
    assert "so there is no interval" in basis
    assert few.startswith("Some means rest on 1 split: below 5, intervals and tests say little.")


def test_few_splits_and_impossible_intervals_are_named(data):
    texts = found(data, fits(MEANS | {("a", 0.0): 0.98}, repeats=2))
    assert any(text.startswith("Some means rest on 2 splits: below 5") for text in texts)
    assert "2 of 6 intervals reach beyond the possible values of Pearson r." in texts


def test_missing_baseline_is_named_and_the_extremes_are_given(data):
    best, missing, *_ = found(data, fits(MEANS).filter(pl.col("level") > 0))
    assert best.startswith("The highest mean Pearson r is that of a at level 0.1: 0.8992 (")
    assert "; the lowest is that of b at level 0." in best
    assert missing == "There is nothing to compare with: no fit is of level 0."


def test_baseline_alone_is_named(data):
    _, alone, *_ = found(data, fits(MEANS).filter(pl.col("level") == 0))
    assert alone == "There is nothing to compare with: no fit is of anything but level 0."


def test_rows_without_the_metric_have_no_finding(data):
    rows = fits(MEANS).with_columns(pearson_r=pl.lit(None, pl.Float64))
    assert found(data, rows) == ["There is no fit with Pearson r, so there is no finding."]


def test_rows_without_a_level_are_compared_by_group_alone(data):
    rows = fits(MEANS).filter(pl.col("level") == 0).with_columns(level=pl.lit(None, pl.Float64))
    without, best, *_ = found(data, rows)
    assert without == "No fit has a level, so nothing is compared along it."
    assert best.startswith("a has the highest mean Pearson r of 2 feature sets: 0.8")
    section = results_section(replace(data, rows=rows), choose(Options(), replace(data, rows=rows)))
    text, by_feature_set, by_model = section.parts
    assert text == without
    assert [row[0] for row in by_feature_set.rows] == ["a", "b"]
    assert by_model.columns[:2] == ("model", "mean")


def test_group_without_values_leaves_the_comparison_to_the_next(data):
    rows = fits(MEANS).with_columns(model="feature_set", feature_set=pl.lit(None, pl.String))
    best, counted, *_ = found(data, rows)
    assert best.startswith("a has the highest mean Pearson r of 2 models at level 0.5: ")
    assert counted.endswith(": a at level 0.5.")
    one = rows.filter(pl.col("model") == "a").with_columns(model=pl.lit(None, pl.String))
    best, counted, loss, *_ = found(data, one)
    assert best.startswith("The mean Pearson r at level 0.5 is 0.5992 (")
    assert loss.startswith("The largest loss is that at level 0.5: -0.300 (")


def test_mixed_configs_are_named_unless_they_are_compared(data):
    rows = pl.concat(
        [fits(MEANS), fits(MEANS, assembly="20260101_000000_run002").with_columns(config=pl.lit("n 2"))]
    )
    assert (
        found(data, rows)[-1] == "Rows of 2 configs are averaged; by='config' (--by config) tells them apart."
    )
    by_config = found(data, rows, by="config")
    assert by_config[1].startswith(
        "all assemblies has the highest mean Pearson r of 2 configs at level 0.5: "
    )
    assert "tells them apart" not in str(by_config)


def test_no_sentence_speaks_of_causes(data):
    for metric in ("pearson_r", "mse"):
        for word in ("because", "cause", "due to", "leads", "effect"):
            assert word not in " ".join(found(data, fits(MEANS), metric=metric))
