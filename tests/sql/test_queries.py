"""Every named query, compared with polars or scipy on the same rows."""

import os
import re
from itertools import combinations
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pytest
import scipy.stats
from polars.testing import assert_frame_equal

import lakebatch
from lakebatch.analysis import statistics
from lakebatch.analysis.statistics import BUILT_IN
from lakebatch.cli.main import main
from lakebatch.errors import ConfigError, UnknownNameError
from lakebatch.sql import named as named_queries
from lakebatch.sql import placeholders

CELL = ["feature_set", "model"]
PAIR = ["assembly_id", "feature_set", "model", "repeat"]
WITH_METRIC = [name for name, query in named_queries.find().items() if "metric" in query.parameters]

pytestmark = [
    pytest.mark.filterwarnings("ignore::lakebatch.errors.IncompleteWarning"),
    pytest.mark.filterwarnings("ignore::lakebatch.errors.MixtureWarning"),  # one config lacks the baseline
]


@pytest.fixture
def rows(study):
    return study["study"].reassemble()


@pytest.fixture
def ask(study):
    return lambda name, **parameters: study.query(name, {"experiment": "study", **parameters})


def close(answer, expected, **options):
    assert answer.height > 0
    assert_frame_equal(
        answer.select(expected.columns), expected, check_dtypes=False, abs_tol=1e-12, **options
    )


def test_every_query_has_help_and_explains_its_parameters():
    for name, query in named_queries.find().items():
        assert query.help.endswith("."), name
        used = set(re.findall(r"\$(\w+)", query.text))
        assert used == set(query.parameters), name
        assert "experiment" in query.parameters, name


@pytest.mark.parametrize("metric", ["pearson_r", "r2", "mse"])
def test_levels(rows, ask, metric):
    value = pl.col(metric)
    expected = rows.group_by("level").agg(
        fits=pl.len(),
        fits_with_error=pl.col("error").count(),
        assemblies=pl.col("assembly_id").n_unique(),
        mean=value.mean(),
        std=value.std(),
        min=value.min(),
        median=value.median(),
        max=value.max(),
    )
    close(ask("levels", metric=metric), expected.sort("level"))
    assert expected.sort("level")["fits_with_error"].to_list() == [0, 0, 3]


def test_model_by_level(rows, ask):
    mean = pl.col("pearson_r").mean().alias("mean")
    close(ask("model-by-level"), rows.group_by("model", "level").agg(mean).sort("model", "level"))
    one = rows.filter(feature_set="dynamic").group_by("model", "level").agg(mean).sort("model", "level")
    close(ask("model-by-level", feature_set="dynamic"), one)


def test_summary(rows, ask):
    keys = ["level", *CELL]
    r = pl.col("pearson_r")
    expected = rows.group_by(keys).agg(
        mean_r=r.mean(), std_r=r.std(), min_r=r.min(), mean_r2=pl.col("r2").mean()
    )
    close(ask("summary"), expected.sort(keys))


@pytest.mark.parametrize("metric", ["pearson_r", "r2", "mse"])
def test_degradation(rows, ask, metric):
    baseline = rows.filter(level=0).select(*PAIR, pl.col(metric).alias("baseline"))
    paired = rows.filter(pl.col("level") > 0).join(baseline, on=PAIR)
    paired = paired.filter(pl.col(metric).is_not_null())
    change = pl.col(metric) - pl.col("baseline")
    expected = paired.group_by(*CELL, "level").agg(
        pairs=pl.len(),
        baseline=pl.col("baseline").mean(),
        change=change.mean(),
        std_change=change.std(),
        relative_change=pl.col(metric).mean() / pl.col("baseline").mean() - 1,
    )
    answer = ask("degradation", metric=metric)
    close(answer, expected.sort(*CELL, "level"))
    assert set(answer["note"]) == {
        "3 of 9 fits have no baseline (level 0) to compare with",
        "2 of 6 fits have no baseline (level 0) to compare with",
    }


def test_sensitivity(rows, ask):
    answer = ask("sensitivity")
    assert answer.height == 6
    for row in answer.iter_rows(named=True):
        cell = rows.filter(feature_set=row["feature_set"], model=row["model"]).drop_nulls("pearson_r")
        line = scipy.stats.linregress(cell["level"], cell["pearson_r"])
        np.testing.assert_allclose(
            [row["slope"], row["intercept"], row["regression_r2"]],
            [line.slope, line.intercept, line.rvalue**2],
            rtol=1e-9,
        )
        assert (row["fits"], row["levels"], row["note"]) == (cell.height, 3, None)
    assert answer["slope"].is_sorted(descending=True)


def test_robustness(rows, ask):
    splits = rows.group_by(PAIR).agg(
        pl.col("pearson_r").filter(pl.col("level") == 0).mean().alias("baseline"),
        pl.col("pearson_r").filter(pl.col("level") > 0).mean().alias("perturbed"),
    )
    means = splits.drop_nulls().group_by(CELL).agg(pl.col("baseline", "perturbed").mean())
    ratio = (pl.col("perturbed") / pl.col("baseline")).alias("robustness")
    answer = ask("robustness")
    close(answer, means.with_columns(ratio).sort("robustness", descending=True))
    assert answer["rank"].to_list() == [1, 2, 3, 4, 5, 6]
    assert set(answer["note"]) == {"3 of 9 splits have no baseline (level 0)"}


@pytest.mark.parametrize("level", [None, 0.3])
def test_feature_sets(rows, ask, level):
    chosen = rows if level is None else rows.filter(level=level)
    answer = ask("feature-sets", level=level)
    names = sorted(set(rows["feature_set"]))
    assert answer.select("feature_set", "other").rows() == list(combinations(names, 2))
    for row in answer.iter_rows(named=True):
        one, other = (chosen.filter(feature_set=row[key]) for key in ("feature_set", "other"))
        pairs = one.join(other, on=["assembly_id", "level", "model", "repeat"]).drop_nulls(
            ["pearson_r", "pearson_r_right"]
        )
        units = pairs.group_by("assembly_id", "repeat").agg(pl.col("pearson_r", "pearson_r_right").mean())
        test = scipy.stats.ttest_rel(units["pearson_r"], units["pearson_r_right"])
        assert row["pairs"] == pairs.height
        assert row["splits"] == units.height == 9
        assert row["t"] == pytest.approx(test.statistic)
        assert row["t_corrected"] == pytest.approx(test.statistic * np.sqrt((1 / 9) / (1 / 9 + 0.25 / 3)))


def test_run_times(study, rows, ask):
    answer = ask("run-times")
    assemblies = study["study"].assemblies()
    assert answer["assembly_id"].to_list() == assemblies["assembly_id"].to_list()
    assert answer["status"].to_list() == ["completed"] * 3 + ["failed"]
    seconds = (assemblies["changed_at"] - assemblies["started_at"]).dt.total_microseconds() / 1e6
    assert answer["seconds"].to_list()[:3] == pytest.approx(seconds.to_list()[:3], abs=1e-5)
    assert answer["seconds"][3] is None
    fits = rows.group_by("assembly_id").agg(pl.col("fit_seconds").sum()).sort("assembly_id")
    assert answer["fit_seconds"].to_list()[:3] == pytest.approx(fits["fit_seconds"].to_list())


def test_fit_times(rows, ask):
    seconds = pl.col("fit_seconds")
    expected = rows.group_by("model", "feature_set").agg(
        fits=pl.len(), mean_seconds=seconds.mean(), max_seconds=seconds.max(), total_seconds=seconds.sum()
    )
    close(ask("fit-times"), expected.sort("total_seconds", descending=True))


def test_failures(ask):
    answer = ask("failures")
    assert (
        answer.filter(what="fit").select("feature_set", "model", "count", "error").rows()
        == [("dynamic", "forest", 1, "constant prediction")] * 3
    )
    ((count, error),) = answer.filter(what="assembly").select("count", "error").rows()
    assert count == 1
    assert "no | convergence" in error


def test_gaps(study, ask):
    gaps = study["study"].snapshot().gaps()
    assert len(gaps) == 2
    assert ask("gaps").rows() == [(gap.assembly_id, gap.what) for gap in gaps]


def test_gaps_belong_to_the_assemblies_read(study):
    answer = study.query("gaps", {"experiment": "study"}, include=("completed", "failed"))
    assert answer["what"].to_list()[1:] == ["failed, no rows of part level=0.3"]


def test_growth(study, ask):
    done = study["study"].assemblies().filter(status="completed")
    expected = done.select(
        "assembly_id", "rows", pl.col("changed_at").alias("at"), total_rows=pl.col("rows").cum_sum()
    )
    close(ask("growth"), expected)
    assert ask("growth")["assemblies"].to_list() == [1, 2, 3]


def test_dataset_without_any_baseline_names_it_in_every_row(study_folder, monkeypatch, lake):
    monkeypatch.chdir(study_folder)
    lakebatch.run(lake, "study", jobs=1, settings=["levels=[0.1]"])
    for name in ("degradation", "robustness"):
        answer = lake.query(name, {"experiment": "study"})
        assert answer.height == 6
        assert all("no baseline (level 0)" in note for note in answer["note"])
    assert set(lake.query("sensitivity", {"experiment": "study"})["note"]) == {"a slope needs two levels"}


@pytest.mark.parametrize("name", WITH_METRIC)
def test_unknown_metric_is_named_with_the_right_ones(ask, name):
    with pytest.raises(
        UnknownNameError, match=rf"Query '{name}': Unknown metric 'r3'.*Known: mse, pearson_r, r2"
    ):
        ask(name, metric="r3")


def test_robustness_of_an_error_is_its_baseline_over_the_others(ask):
    answer = ask("robustness", metric="mse").drop_nulls("robustness")
    assert answer["robustness"].to_list() == pytest.approx(
        (answer["baseline"] / answer["perturbed"]).to_list()
    )
    assert answer["robustness"].is_sorted(descending=True)


def test_unknown_experiment_is_an_error(study):
    with pytest.raises(UnknownNameError, match=r"There is no experiment 'stud', now. Did you mean 'study'"):
        study.query("levels", {"experiment": "stud"})


def test_parameters_are_checked(study):
    with pytest.raises(
        ConfigError,
        match=r"Query 'levels' needs experiment=VALUE \(--param experiment=VALUE\): name of the experiment",
    ):
        study.query("levels")
    with pytest.raises(ConfigError, match=r"has no parameter 'metrik'. Did you mean 'metric'"):
        study.query("levels", {"experiment": "study", "metrik": "r2"})


def test_defaults_are_read_from_the_comments(tmp_path, monkeypatch):
    (tmp_path / "queries").mkdir()
    text = "-- Help.\n-- $a: text (default: x y)\n-- $b: number (default: 0.5)\n-- $c: any (optional)\nSELECT $a, $b, $c"
    Path(tmp_path / "queries" / "mine.sql").write_text(text)
    monkeypatch.chdir(tmp_path)
    query = named_queries.get("mine")
    assert query.defaults == {"a": "x y", "b": 0.5, "c": None}
    assert named_queries.bind(["b=1"], query) == {"a": "x y", "b": 1, "c": None}
    assert query.describe_parameters() == "[a=x y], [b=0.5], [c]"


@pytest.fixture
def own_queries(tmp_path, monkeypatch):
    """Return a folder of custom queries: one is valid, the others are not."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "queries"
    folder.mkdir()
    (folder / "mine.sql").write_bytes("\ufeff-- Grüße.\r\nSELECT 1\r\n".encode())
    (folder / "My Query.sql").write_text("SELECT 1")
    (folder / "Q3_Report.sql").write_text("SELECT 1")
    (folder / "caf.sql").write_bytes(b"-- caf\xe9\nSELECT 1\n")
    (folder / "folder.sql").mkdir()
    (folder / "link.sql").symlink_to(tmp_path / "nowhere")
    os.mkfifo(folder / "pipe.sql")
    return folder


def test_foreign_files_are_left_out_with_one_warning(own_queries):
    named = r"My Query.sql \(its name\), Q3_Report.sql \(its name\), caf.sql \(not UTF-8 text\) and 3 more"
    with pytest.warns(UserWarning, match=rf"^Left out of ./queries: {named}\. A file") as warned:
        found = named_queries.find()
    assert len(warned) == 1
    assert (found["mine"].help, found["mine"].text) == ("Grüße.", "-- Grüße.\nSELECT 1\n")
    assert not {"caf", "folder", "link", "pipe"} & found.keys()
    assert "summary" in found


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("My Query", "'My Query' is not a valid query file name"),
        ("caf", "Cannot read queries/caf.sql: it is not UTF-8 text: byte 0xe9 in line 1"),
        ("folder", "Cannot read queries/folder.sql: Is a directory"),
        ("link", "Cannot read queries/link.sql: a link to nothing"),
        ("pipe", "Cannot read queries/pipe.sql: it is not a regular file"),
    ],
)
def test_foreign_file_is_refused_in_one_line_when_requested(own_queries, name, fault):
    with pytest.raises(ConfigError, match=f"^{fault}"):
        named_queries.get(name)


def test_command_line_and_python_give_the_same_answer(study, ask):
    from click.testing import CliRunner

    done = CliRunner().invoke(
        main,
        ["--lake", str(study.storage.uri), "sql", "--query", "levels", "--param", "experiment=study",
         "--param", "metric=mse", "--on-gap", "ignore", "--format", "json"],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    close(ask("levels", metric="mse"), pl.read_json(done.stdout.encode()))


def test_robustness_leaves_out_splits_with_only_a_baseline(study_folder, monkeypatch, lake):
    monkeypatch.chdir(study_folder)
    lakebatch.run(lake, "study", jobs=1)
    before = lake.query("robustness", {"experiment": "study"})
    lakebatch.run(lake, "study", jobs=1, settings=["levels=[0]"])
    assert_frame_equal(lake.query("robustness", {"experiment": "study"}), before)


def test_robustness_ranks_as_the_picture_does(rows, ask, study):
    """What predicts nothing keeps all of it: such rows have no rank, in SQL as in pictures."""
    roles = study["study"].snapshot().roles
    for metric in ("pearson_r", "r2", "mse"):
        expected = statistics.robustness(rows, metric, roles)
        answer = ask("robustness", metric=metric)
        flagged = answer.filter(pl.col("note").str.contains("does not differ from 0"))
        weak = expected.filter("weak").drop_nulls("robustness")
        assert flagged.select(CELL).sort(CELL).rows() == weak.select(CELL).sort(CELL).rows()
        assert flagged["rank"].null_count() == flagged.height
        ranked = expected.drop_nulls(["rank", "robustness"]).select("rank", *CELL)
        assert answer.drop_nulls(["rank", "robustness"]).select("rank", *CELL).rows() == ranked.rows()


def test_robustness_gives_no_rank_to_what_predicts_nothing():
    """The query over a table of its own: one model whose baseline scatters around 0, and one that is clearly above."""
    noise = [0.3, -0.25, 0.2, -0.15, 0.28, -0.2]
    fits = pl.DataFrame(
        [
            ("toy", "run", "f", model, repeat, level, base + 0.1 * noise[repeat] * scale, 80, 20)
            for model, base, scale in (("weak", 0.001, 10.0), ("strong", 0.8, 1.0))
            for repeat in range(6)
            for level in (0.0, 0.1)
        ],
        schema=["experiment", "assembly_id", "feature_set", "model", "repeat", "level", "pearson_r", "n_train", "n_test"],
        orient="row",
    )  # fmt: skip
    text = named_queries.find()["robustness"].text
    text, values = placeholders.fill(
        "robustness", text, BUILT_IN, {"experiment": "toy", "metric": "pearson_r"}
    )
    with duckdb.connect() as connection:
        connection.execute("CREATE SCHEMA lake")
        connection.register("incoming", fits.to_arrow())
        connection.execute("CREATE TABLE lake.results AS FROM incoming")
        given = {name: value for name, value in values.items() if f"${name}" in text}
        answer = pl.DataFrame(connection.sql(text, params=given).to_arrow_table())
    assert answer.select("model", "rank").rows() == [("strong", 1), ("weak", None)]
    assert "does not differ from 0" in answer["note"][1]
    assert answer["note"][0] is None
