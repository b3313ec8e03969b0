"""Captions and tables count splits, assemblies and cohorts; a mixture has one series per config when asked."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

import lakebatch
from lakebatch.analysis import statistics
from lakebatch.analysis.config_names import config_names
from lakebatch.analysis.data import read
from lakebatch.analysis.plots import levels
from lakebatch.analysis.plots.options import Options, choose
from lakebatch.analysis.report.findings import results_section
from lakebatch.cli.main import main
from lakebatch.errors import ConfigError

pytestmark = [
    pytest.mark.filterwarnings("ignore::lakebatch.errors.IncompleteWarning"),
    pytest.mark.filterwarnings("ignore::lakebatch.errors.MixtureWarning"),
]
CONFIGS = ["levels [0.0, 0.1, 0.3]", "levels [0.1, 0.3]"]


@pytest.fixture
def data(study):
    return read(study["study"].snapshot(), on_gap="ignore")


@pytest.fixture
def without_forest(data):
    """Return the data as if no fit of the model forest had a metric."""
    is_forest = pl.col("model") == "forest"
    broken = pl.when(is_forest).then(None).otherwise(pl.col("pearson_r")).alias("pearson_r")
    error = pl.when(is_forest).then(pl.lit("no tree")).otherwise(pl.col("error")).alias("error")
    return replace(data, rows=data.rows.with_columns(broken, error))


def test_spread_is_the_standard_deviation_of_the_means_of_cohorts(data):
    table = statistics.intervals(data.rows, "pearson_r", ["level"])
    for row in table.iter_rows(named=True):
        splits = (
            data.rows.filter(level=row["level"]).group_by("cohort", "repeat").agg(pl.col("pearson_r").mean())
        )
        means = splits.group_by("cohort").agg(pl.col("pearson_r").mean())["pearson_r"].to_numpy()
        assert row["cohorts"] == len(means)
        found = [row["cohort_std"], row["cohort_min"], row["cohort_max"]]
        np.testing.assert_allclose(found, [means.std(ddof=1), means.min(), means.max()])


def test_caption_of_one_cohort_says_within_this_cohort(study):
    first = int(study["study"].history().filter(status="completed")["version"][0])
    for kind in ("levels", "grid", "degradation", "sensitivity", "robustness", "comparison"):
        assert "It holds within this cohort." in study["study"].plot(kind, version=first).chart.caption


def test_caption_of_several_cohorts_shows_their_spread(study, data):
    table = statistics.intervals(data.rows, "pearson_r", ["feature_set", "level"])
    low, high = (f"{table['cohort_std'].min():.2g}", f"{table['cohort_std'].max():.2g}")
    spread = f"the means of 2 to 3 cohorts have a standard deviation of {low} to {high}."
    assert study["study"].plot("levels").chart.caption.endswith(f"It holds within these cohorts; {spread}")
    of_assemblies = study["study"].plot("levels", unit="assembly").chart.caption
    assert of_assemblies.endswith(f". T{spread[1:]}")


def test_assemblies_of_one_seed_are_one_cohort(study_folder, monkeypatch, lake):
    monkeypatch.chdir(study_folder)
    for _ in range(2):
        lakebatch.run(lake, "study", jobs=1, seed=5)
    assert lake["study"].plot("levels").chart.caption == (
        "Mean with 95 % t interval over 6 splits of 2 assemblies, corrected for the overlap of splits. "
        "It holds within this cohort."
    )


def test_series_of_configs_are_the_intervals_of_their_assemblies(study):
    chart = study["study"].plot("levels", by="config").chart
    (panel,) = chart.panels
    assert [mark.name for mark in panel.series] == CONFIGS
    ids = study["study"].assemblies().filter(status="completed")["assembly_id"].to_list()
    rows = study["study"].reassemble()
    for mark, of in zip(panel.series, (ids[:2], ids[2:]), strict=True):
        expected = statistics.intervals(rows.filter(pl.col("assembly_id").is_in(of)), "pearson_r", ["level"])
        assert mark.y == tuple(expected["mean"])
        assert mark.low == tuple(expected["low"])
    assert "over 3 to 6 splits of 1 to 2 assemblies per line" in chart.caption


@pytest.mark.parametrize("kind", ["grid", "boxes", "sensitivity", "robustness"])
def test_every_kind_has_a_series_per_config(study, kind):
    for panel in study["study"].plot(kind, by="config").chart.panels:
        # the second config has no baseline
        assert [mark.name for mark in panel.series] == (CONFIGS[:1] if kind == "robustness" else CONFIGS)


def test_ranking_by_config_uses_the_rows_of_each(study, data):
    (panel,) = study["study"].plot("sensitivity", by="config").chart.panels
    for mark in panel.series:
        table = statistics.sensitivity(data.rows.filter(config=mark.name), "pearson_r")
        expected = {
            f"{row['feature_set']}, {row['model']}": row["slope"] for row in table.iter_rows(named=True)
        }
        assert dict(zip(panel.y_names, mark.x, strict=True)) == expected


def test_configs_are_not_compared_in_pairs(study):
    with pytest.raises(ConfigError, match="Cannot compare configs in pairs"):
        study["study"].plot("comparison", by="config")


def test_commands_draw_and_report_by_config(study, tmp_path):
    picture, page = tmp_path / "a.svg", tmp_path / "report.html"
    lake = ["--lake", study.storage.uri]
    drawn = CliRunner().invoke(main, [*lake, "plot", "study", "--by", "config", "-o", str(picture)])
    assert drawn.exit_code == 0, drawn.output
    assert all(name in picture.read_text() for name in CONFIGS)
    done = CliRunner().invoke(main, [*lake, "report", "study", "--by", "config", "-o", str(page)])
    assert done.exit_code == 0, done.output
    assert "Mean Pearson r by config and level" in page.read_text()
    assert (tmp_path / "report" / "levels-by-config.svg").exists()
    assert "The fits are of 3 cohorts: intervals and tests over splits hold within" in page.read_text()


def test_line_without_any_metric_is_in_legend_and_caption(without_forest):
    for draw in (levels.levels, levels.grid):
        chart = draw(without_forest, choose(Options(by="model"), without_forest))
        for panel in chart.panels:
            assert [mark.name for mark in panel.series] == ["linear", "forest (no Pearson r)"]
            assert set(panel.series[1].y) == {None}
        assert chart.notes[-1] == "Not one of 72 fits of forest has Pearson r (no tree)."
    assert levels.boxes(without_forest, choose(Options(by="model"), without_forest)).notes == chart.notes[-1:]


def test_report_counts_each_row_and_names_those_without_metric(without_forest):
    _, _, table = results_section(without_forest, choose(Options(), without_forest)).parts
    assert table.columns[-3:] == ("splits", "assemblies", "std between cohorts")
    assert [(row[0], row[-3:-1]) for row in table.rows] == [
        ("linear", ("6 to 9", "2 to 3")),
        ("forest", ("0", "0")),
    ]
    assert table.rows[1][1:4] == ("none",) * 3


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ([{"a": 1}], ["all assemblies"]),
        ([{"a": {"b": 30}, "c": 1}, {"a": {"b": 60}, "c": 1}], ["a.b 30", "a.b 60"]),
        ([{"a": 1}, {"b": 2}], ["a 1, 1 more key", "a not set, 1 more key"]),
        ([{"a": "x" * 40}, {"a": "x" * 39 + "y"}], [f"a {'x' * 17}... (h0)", f"a {'x' * 17}... (h1)"]),
        ([{"a": [1] * 20, "b": 1}, {"a": [2] * 20, "b": 2}], ["b 1, 1 more key", "b 2, 1 more key"]),
        ([{"a": 1, "b": 1}, {"a": 1, "b": 2}, {"a": 2, "b": 2}], ["a 1, b 1", "a 1, b 2", "a 2, b 2"]),
    ],
)
def test_name_of_a_config_is_short_and_its_own(settings, names):
    runs = [
        SimpleNamespace(assembly_id=f"run{number}", config_hash=f"h{number}", settings=each)
        for number, each in enumerate(settings)
    ]
    assert list(config_names(runs).values()) == names
