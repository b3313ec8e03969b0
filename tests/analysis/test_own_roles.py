"""Pictures, reports, differences, queries and completion on metrics, an axis and groups that an experiment declares."""

import contextlib
import shutil
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

import lakebatch
from lakebatch.analysis import statistics
from lakebatch.analysis.data import read
from lakebatch.analysis.plots import KINDS
from lakebatch.analysis.plots.chart import Boxes, Line, Rule, overlay
from lakebatch.analysis.plots.options import Options
from lakebatch.analysis.plots.scale import scale
from lakebatch.assembly.metrics import Axis, Roles
from lakebatch.cli import completion
from lakebatch.cli.main import main
from lakebatch.errors import ConfigError, ExperimentError, IncompleteError, LakebatchError, UnknownNameError
from lakebatch.runner import run as runner
from lakebatch.sql import named, placeholders

QUEUE = """
import polars as pl
from lakebatch.experiment import ConfigModel, Experiment, Part, column, metric, setting

MEANS = {"plain": 10, "short first": 3, "by priority": 14}

class Config(ConfigModel):
    policies: tuple[str, ...] = setting(tuple(MEANS), help="Policies.")
    seed: int = setting(1, ge=0, help="Seed.")

class Queue(Experiment[Config, None]):
    name, number, version = "queue", "22", "v1"
    config_model = Config
    columns = (
        column("policy", "string", "Policy.", label="policy of the queue"),
        column("units", "long", "Servers.", label="servers"),
        metric("wait", "Waiting time.", unit="s", label="waiting time", higher_is_better=False, minimum=0),
    )
    axis, baseline, groups = "policy", "plain", ("units",)

    def parts(self, config):
        return [Part(each) for each in config.policies]

    def run(self, part, prepared, config, rng):
        wait = rng.exponential(MEANS[part.key], 40)
        rows = {"units": [2] * 20 + [10] * 20, "repeat": [*range(20)] * 2, "wait": wait}
        return {"results": pl.DataFrame(rows).with_columns(policy=pl.lit(part.key))}
"""


pytestmark = pytest.mark.filterwarnings("ignore::lakebatch.errors.MixtureWarning")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with two experiments of one's own and a lake with two assemblies of each."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "experiments").mkdir()
    shutil.copy(Path(__file__).parents[1] / "estimate_pi.py", folder / "experiments")
    (folder / "experiments" / "queue.py").write_text(QUEUE)
    with contextlib.chdir(folder):
        lake = lakebatch.open_lake("lake")
        for points in ("[10, 100, 1000]", "[10, 100, 1000, 2000]"):
            settings = [f"points={points}", "repeats=6"]
            runner.run(lake, "estimate-pi", settings=settings, jobs=1, seed=7)
        runner.run(lake, "queue", jobs=1)
        runner.run(lake, "queue", settings=['policies=["plain", "by priority"]'], jobs=1)
    return folder


@pytest.fixture(autouse=True)
def _inside(folder, monkeypatch):
    monkeypatch.chdir(folder)


@pytest.fixture
def lake(folder):
    return lakebatch.open_lake(folder / "lake")


@pytest.fixture
def pi(lake):
    return lake["estimate-pi"]


def command(*words):
    return CliRunner().invoke(main, words, env={"COLUMNS": "80"})


def drawn(stored, kind="levels", **options):
    return stored.plot(kind, on_mix="ignore", **options).chart


def test_picture_has_label_axis_and_groups_of_the_experiment(pi):
    chart = drawn(pi)
    (panel,) = chart.panels
    assert chart.title == "|estimate - π| by points and method, estimate-pi"
    assert (panel.x_label, panel.y_label) == ("points", "|estimate - π|")
    assert [mark.name for mark in panel.series] == ["antithetic", "uniform"]
    assert "6 to 12 repeats of 1 to 2 assemblies per point" in chart.caption
    assert "split" not in chart.caption
    assert "cohort" not in chart.caption
    assert chart.notes[:2] == ("Lower values are better.", "The axis of points is logarithmic.")
    assert panel.x_log
    assert drawn(pi, metric="hits").notes[0] == "The axis of points is logarithmic."


def test_unit_stands_on_the_axis_and_categories_follow_the_plan(lake):
    chart = drawn(lake["queue"])
    (panel,) = chart.panels
    assert panel.y_label == "waiting time (s)"
    assert panel.x_names == ("plain", "short first", "by priority")
    assert [mark.name for mark in panel.series] == ["servers 2", "servers 10"]
    assert [mark.x for mark in panel.series] == [(0, 1, 2), (0, 1, 2)]
    (boxes,) = drawn(lake["queue"], "boxes").panels
    assert [len(values) for values in boxes.series[0].values] == [40, 20, 40]
    assert isinstance(boxes.series[0], Boxes)


def test_state_behind_has_its_points_at_the_same_categories(lake):
    ids = lake["queue"].assemblies()["assembly_id"].to_list()
    whole, part = (lake["queue"].plot(assembly=each).chart for each in ids)
    ghosts = [mark for mark in overlay(whole, part, "part").panels[0].series if mark.ghost]
    assert [mark.x for mark in ghosts] == [(0, 2), (0, 2)]
    ghosts = [mark for mark in overlay(part, whole, "whole").panels[0].series if mark.ghost]
    assert [len(mark.y) for mark in ghosts] == [2, 2]


@pytest.mark.parametrize("name", ["estimate-pi", "queue"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_drawn_or_says_why_not(lake, name, kind):
    lacking = {"estimate-pi": ("degradation", "robustness"), "queue": ("sensitivity",)}[name]
    if kind in (*lacking, "grid", "trajectories", "network", "heatmap"):
        with pytest.raises(LakebatchError, match=r"^[^\n]+$"):
            drawn(lake[name], kind)
    else:
        picture = lake[name].plot(kind, on_mix="ignore")
        assert picture.to_bytes(".html" if kind in ("levels", "boxes") else ".svg")


def test_missing_baseline_is_named_with_what_to_do(pi, lake):
    for kind in ("degradation", "robustness"):
        with pytest.raises(
            IncompleteError, match=r"estimate-pi declares none. Set baseline = ... in its class"
        ):
            drawn(pi, kind)
        with pytest.raises(IncompleteError, match=r"needs a baseline.*Set baseline = ... in its class"):
            lake.query(kind, {"experiment": "estimate-pi"})


def test_own_baseline_is_compared_with(lake):
    chart = drawn(lake["queue"], "degradation")
    assert chart.caption.startswith("Mean paired difference to policy of the queue plain with 95 %")
    assert chart.panels[0].x_names == ("short first", "by priority")
    assert isinstance(chart.panels[0].marks[0], Rule)
    answer = lake.query("degradation", {"experiment": "queue"})
    assert answer.columns[:2] == ["units", "policy"]
    ours = statistics.degradation(
        (data := read(lake["queue"].snapshot(on_mix="ignore"))).rows, "wait", ["units_"], roles=data.roles
    )
    assert sorted(ours["mean"].to_list()) == pytest.approx(sorted(answer["change"].to_list()))


def test_robustness_of_a_time_is_its_baseline_over_the_others(lake):
    answer = lake.query("robustness", {"experiment": "queue"})
    assert answer["robustness"].to_list() == pytest.approx(
        (answer["baseline"] / answer["perturbed"]).to_list()
    )
    chart = drawn(lake["queue"], "robustness")
    assert "Mean at policy of the queue plain over the mean over all other values of" in chart.caption
    points = [x for mark in chart.panels[0].series for x in mark.x if x is not None]
    assert sorted(points) == pytest.approx(sorted(answer["robustness"]))


def test_report_leaves_out_what_needs_a_baseline_and_says_so(pi):
    report = pi.report(on_mix="ignore")
    text = report.markdown("pictures")
    assert set(report.pictures) == {"levels", "boxes", "sensitivity", "comparison", "growth"}
    assert text.count("declares no baseline") == 1
    assert "- Methods: antithetic, uniform." in text
    assert report.findings[0].startswith(
        "The lowest mean |estimate - π| is that of antithetic at points 2000: 0."
    )
    assert report.findings[1].startswith(
        "Averaged over all values of points, the difference of the two methods is"
    )
    assert (
        report.findings[2]
        == "Of 2 slopes on points, 0 are above 0 and 2 are below 0, with their 95 % intervals."
    )
    assert (
        report.findings[-1] == "Rows of 2 configs are averaged; by='config' (--by config) tells them apart."
    )
    for word in ("feature set", "cohort", "overlap", "Pearson", "level "):
        assert word not in text.partition("Data dictionary")[0]
    assert "Lower values are better." in report.html()


def test_report_of_categories_has_a_column_for_each(lake):
    text = lake["queue"].report(on_mix="ignore", by="config").markdown("pictures")
    assert "policy of the queue plain" in text
    assert "| servers 10 |" in text
    assert "Waiting time (s) by policy of the queue" in text


def test_diff_pairs_repeats_of_one_seed(pi):
    first, second = pi.assemblies()["assembly_id"].to_list()
    found = pi.diff(first, second)
    assert found.metrics.columns[:3] == ["points", "method", "metric"]
    assert found.metrics["metric"].unique(maintain_order=True).to_list() == ["error_of_pi", "hits"]
    assert found.verdict() == "No mean of error_of_pi differs (of 6)."
    assert found.test.startswith("paired t test over repeats, within this seed; p_holm")
    with pytest.raises(UnknownNameError, match=r"Unknown metric 'r2'. Known: error_of_pi, hits"):
        found.verdict("r2")


def test_repeats_without_a_split_are_tested(lake):
    rows = read(lake["queue"].snapshot(on_mix="ignore"))
    assert (rows.words.unit, rows.words.cohort) == ("repeat", "seed")
    table = statistics.intervals(rows.rows, "wait", ["policy"], roles=rows.roles)
    plain = rows.rows.filter(policy="plain").group_by("assembly_id", "repeat").agg(pl.col("wait").mean())
    half = 2.0227 * plain["wait"].std() / 40**0.5  # t of 39 degrees of freedom
    assert table["high"][0] - table["mean"][0] == pytest.approx(half, rel=1e-3)


@pytest.mark.parametrize("name", ["levels", "summary", "model-by-level", "feature-sets", "sensitivity"])
def test_named_query_answers_with_the_names_of_the_experiment(lake, name):
    answer = lake.query(name, {"experiment": "estimate-pi", "metric": "hits"})
    assert {"points", "method"} & set(answer.columns)
    assert not {"level", "feature_set", "model"} & set(answer.columns)
    default = lake.query(name, {"experiment": "estimate-pi"})
    assert not default.equals(answer)
    if name == "summary":
        assert answer.columns[-4:] == ["mean_hits", "std_hits", "min_hits", "max_hits"]
        assert default.columns[-1] == "mean_hits"


@pytest.mark.parametrize("metric", ["r2", 'hits" FROM x; --', "1", "points", "'"])
def test_metric_of_a_query_is_a_declared_one_and_no_piece_of_sql(lake, metric):
    with pytest.raises(UnknownNameError, match=r"Query 'levels': Unknown metric .*Known: error_of_pi, hits"):
        lake.query("levels", {"experiment": "estimate-pi", "metric": metric})


def test_own_query_has_placeholders(folder, lake):
    (folder / "queries").mkdir(exist_ok=True)
    file = folder / "queries" / "best.sql"
    head = "-- Best.\n-- $experiment: name\n-- $metric: metric (optional)\n"
    file.write_text(
        head + "SELECT {{groups}}, min({{metric}}) AS best, $metric AS asked\n"
        "FROM lake.results WHERE experiment = $experiment GROUP BY ALL"
    )
    answer = lake.query("best", {"experiment": "estimate-pi", "metric": "hits"})
    assert answer.columns == ["method", "best", "asked"]
    assert set(answer["asked"]) == {"hits"}
    file.write_text(head + "SELECT {{colour}} FROM lake.results")
    with pytest.raises(ConfigError, match=r"unknown placeholder \{\{colour\}\}. Known: axis, "):
        lake.query("best", {"experiment": "estimate-pi"})
    file.write_text("-- Best.\nSELECT {{metric}} FROM lake.results")
    with pytest.raises(ConfigError, match=r"needs experiment=NAME \(--param experiment=NAME\)"):
        lake.query("best")
    file.unlink()


@pytest.mark.parametrize(
    ("kind", "baseline", "text"),
    [("boolean", True, "true"), ("long", 3, "3.0"), ("string", "it's", "'it''s'"), ("double", -0.5, "-0.5")],
)
def test_baseline_is_a_literal_of_its_type(kind, baseline, text):
    roles = Roles(axis=Axis("a", "a", baseline=baseline, type=kind))
    assert placeholders.fill("q", "{{ axis }} = {{baseline}}", roles, {})[0] == f'"a" = {text}'


def test_every_built_in_query_answers(lake):
    for name in named.find():
        assert lake.query(name, {"experiment": "queue"}).width


def test_commands_take_a_metric_of_the_experiment(lake, tmp_path):
    file = tmp_path / "hits.svg"
    done = command("plot", "estimate-pi", "--metric", "hits", "--by", "config", "-o", str(file))
    assert done.exit_code == 0, done.output
    assert "Hits by points and config" in done.stderr
    wrong = command("plot", "estimate-pi", "--metric", "hit")
    assert wrong.exit_code == 2
    assert "Unknown metric 'hit'. Did you mean 'hits'? Known: error_of_pi, hits." in wrong.stderr
    ids = lake["estimate-pi"].assemblies()["assembly_id"].to_list()
    shown = command("diff", "estimate-pi", *ids, "--metric", "hits")
    assert "No mean of hits differs (of 6)." in shown.output


@pytest.mark.parametrize(
    ("complete", "expected"), [("metrics", ["error_of_pi", "hits"]), ("groups", ["method", "config"])]
)
def test_completion_offers_those_of_the_experiment(complete, expected, monkeypatch):
    monkeypatch.setattr(completion, "_be_silent", lambda: None)
    context = main.commands["plot"].make_context(
        "plot", ["estimate-pi"], parent=main.make_context("lakebatch", ["plot"], resilient_parsing=True)
    )
    assert [each.value for each in getattr(completion, complete)(context, None, "")] == expected


@pytest.mark.parametrize(
    ("values", "is_log"),
    [
        ([1, 10, 100], True),
        ([50, 100, 200, 400], True),
        ([1, 2, 3, 4, 5, 6, 7, 8, 9], False),
        ([0, 1, 10], False),
        ([1, 100], False),
    ],
)
def test_axis_is_logarithmic_where_steps_are_even_then(values, is_log):
    axis = Axis("n", "n", baseline=None, type="long")
    assert scale(axis, pl.Series(values)).is_log == is_log
    assert not scale(replace(axis, baseline=0), pl.Series(values)).is_log
    assert not scale(Axis(), pl.Series(values)).is_log


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        (
            '"policy", "plain", ',
            '"polici", "plain", ',
            r"axis names 'polici', which is no column of results. Did you mean 'policy'",
        ),
        (
            '("units",)',
            '("unit",)',
            r"groups names 'unit', which is no column of results. Did you mean 'units'",
        ),
        ('("units",)', '("policy",)', r"groups names 'policy', which is the axis"),
        (
            '"policy", "plain", ',
            '"policy", 3, ',
            r"baseline is int 3, and the axis 'policy' is of type string",
        ),
        (
            '"policy", "string"',
            '"policy", "list<string>"',
            r"axis names 'policy', a column of lists",
        ),
    ],
)
def test_wrong_role_is_refused_before_the_run(tmp_path, monkeypatch, old, new, fault):
    assert old in QUEUE
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "queue.py").write_text(QUEUE.replace(old, new))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ExperimentError, match=fault):
        runner.run(lakebatch.open_lake("lake"), "queue", jobs=1)


def test_experiment_without_groups_compares_configs(tmp_path, monkeypatch):
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "queue.py").write_text(QUEUE.replace('("units",)', "()"))
    monkeypatch.chdir(tmp_path)
    lake = lakebatch.open_lake("lake")
    runner.run(lake, "queue", jobs=1)
    (panel,) = lake["queue"].plot().chart.panels
    assert [mark.name for mark in panel.series] == ["all assemblies"]
    assert isinstance(panel.series[0], Line)
    with pytest.raises(ConfigError, match="Cannot compare configs in pairs"):
        lake["queue"].plot("comparison")
    assert lake["queue"].report().html()
    assert lake["queue"].diff(0).metrics.columns[:2] == ["policy", "metric"]
    assert lake.query("robustness", {"experiment": "queue"}).height == 1
    assert Options().by is None
