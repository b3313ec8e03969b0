"""The page of an experiment, its pictures, its report and its means."""

import io
import re
import shlex

import polars as pl
import pytest
from click.testing import CliRunner

import lakebatch
from lakebatch.cli.main import main
from lakebatch.errors import LakebatchError
from lakebatch.snapshot.moment import Moment
from lakebatch.ui.links import Links
from lakebatch.ui.page_state import PageState, parse
from lakebatch.ui.site import Site

STUDY, TOY = "91_v1_study", "90_v1_toy"


def page_of(lake, folder=STUDY, query=()):
    return Site(lake).page(["experiment", folder], parse(query))


def file_of(lake, *steps, query=()):
    return Site(lake).file(steps, parse(query))


def test_page_has_numbers_pictures_tables_and_history(ui_lake):
    content = page_of(ui_lake).content
    assert dict(content["counts"]) == {"completed": 3, "failed": 1, "discarded": 1, "interrupted": 1}
    keys = [each.key for each in content["findings"].sections]
    assert {"results", "statistics"} <= set(keys)
    assert [each["tag"] for each in content["tags"]] == ["paper-v1"]
    assert {name: rows for name, rows, _ in content["tables"]}["results"] > 100
    assert len(content["events"]) == ui_lake["study"].history().height
    assert set(content["by"]) >= {"feature_set", "model", "config", "levels"}
    warnings = " ".join(content["findings"].content.warnings)
    assert "The dataset is incomplete" in warnings


def test_headers_say_what_columns_mean(ui_lake, served):
    """Report tables, sweeps' keys and metrics have meaning and unit as the title, where they are known."""
    assert page_of(ui_lake).content["titles"]["mse"].endswith("[a.u.^2]")
    _, text = served.ask(f"experiment/{STUDY}")
    assert 'title="Name of the fitted model.">model</th>' in text
    _, text = served.ask(f"sweep/{TOY}/grid?metric=mse")
    assert re.search(r'<th scope="colgroup" colspan="2" title="Levels\.">levels</th>', text)
    assert re.search(r'<th scope="col" title="[^"]+">seed</th>', text)


def test_every_kind_of_picture_has_a_caption_or_a_reason(ui_lake):
    from lakebatch.analysis import plots

    figures = {each.kind: each for each in page_of(ui_lake).content["pictures"]}
    assert set(figures) == set(plots.KINDS)
    for each in figures.values():
        assert bool(each.problem) != bool(each.title and each.caption and each.description), each.kind
    assert figures["levels"].caption.startswith("Mean with 95 %")
    assert "config keys" in figures["heatmap"].problem


@pytest.mark.filterwarnings(
    "ignore::lakebatch.errors.IncompleteWarning", "ignore::lakebatch.errors.MixtureWarning"
)
def test_pictures_are_those_of_plot(ui_lake, tmp_path):
    query = [("metric", "r2"), ("by", "model")]
    figures = {each.kind: each for each in page_of(ui_lake, query=query).content["pictures"]}
    shown = file_of(ui_lake, "picture", STUDY, "levels.svg", query=query)
    command = [*shlex.split(figures["levels"].command)[1:], "-o", str(tmp_path / "x.svg")]
    assert CliRunner().invoke(main, command).exit_code == 0
    assert (tmp_path / "x.svg").read_bytes() == shown.content
    assert shown.media_type == "image/svg+xml"
    assert "sandbox" in shown.policy
    for form, start in (("png", b"\x89PNG"), ("pdf", b"%PDF")):
        saved = file_of(ui_lake, "picture", STUDY, f"boxes.{form}")
        assert saved.content.startswith(start)
        assert saved.download == f"{STUDY}-boxes.{form}"


def test_picture_of_one_assembly_has_its_rows_alone(ui_lake, served):
    first = ui_lake["study"].log.latest()[0].assembly_id
    answer, text = served.ask(f"assembly-picture/{STUDY}/{first}/levels.svg")
    assert (answer.status, answer.getheader("Content-Type")) == (200, "image/svg+xml")
    assert "style-src 'unsafe-inline'" in answer.getheader("Content-Security-Policy")
    assert len(answer.headers.get_all("Content-Security-Policy")) == 1
    assert "3 splits of 1 assembly" in text


def test_pictures_can_show_a_config_key(ui_lake):
    figures = {each.kind: each for each in page_of(ui_lake, query=[("by", "n_reps")]).content["pictures"]}
    assert "n_reps 2" in figures["levels"].description


def test_means_as_csv_are_unrounded(ui_lake):
    found = file_of(ui_lake, "levels", f"{STUDY}.csv", query=[("metric", "pearson_r")])
    table = pl.read_csv(io.BytesIO(found.content))
    assert table.columns[:6] == ["level", "feature_set", "model", "mean", "low", "high"]
    rows = ui_lake["study"].snapshot().scan().collect().drop_nulls("pearson_r")
    mean = rows.group_by("level", "feature_set", "model").agg(pl.col("pearson_r").mean())
    joined = table.join(mean, on=["level", "feature_set", "model"])
    assert joined.height == table.height == 18
    assert (joined["mean"] - joined["pearson_r"]).abs().max() < 0.05
    assert found.download == f"{STUDY}-pearson_r.csv"


def test_report_is_served_with_its_own_policy(ui_lake, served):
    answer, text = served.ask(f"report/{TOY}.html?tag=paper-v1")
    assert answer.status == 200
    policy = answer.getheader("Content-Security-Policy")
    assert policy.startswith(re.search('Policy" content="([^"]+)"', text)[1].replace("&#39;", "'"))
    assert "form-action 'none'" in policy
    title = ui_lake["toy"].report(tag="paper-v1").content.title
    assert f"<h1>{title}</h1>" in text


def test_command_and_python_make_the_same_report(ui_lake):
    found = page_of(ui_lake, query=[("tag", "paper-v1"), ("metric", "r2")])
    assert found.command == "lakebatch report study --metric r2 --tag paper-v1"
    made = eval(found.python, {"lakebatch": lakebatch}).content  # noqa: S307 - the line under test
    shown = found.content["findings"].content
    assert (shown.facts, shown.findings, shown.warnings) == (made.facts, made.findings, made.warnings)
    assert len(shown.findings) >= 1


def test_past_state_has_only_what_was_known(ui_lake):
    content = page_of(ui_lake, query=[("tag", "paper-v1")]).content
    assert dict(content["counts"]) == {"completed": 2}
    assert len({each["assembly_id"] for each in content["events"]}) == 2
    begun = ui_lake["study"].history()["at"].min()
    early = Site(ui_lake).page(["experiment", STUDY], PageState().at(Moment(time=begun))).content
    assert dict(early["counts"]) == {"started": 1}
    assert early["tags"] == []
    assert early["findings"].content is None or early["pictures"] is not None


def test_links_of_the_page_lead_somewhere(ui_lake, served):
    text = served.ask(f"experiment/{TOY}")[1]
    links = set(
        re.findall(f'(?:href|src)="/{served.token}/((?:assembly|experiment|picture|levels)/[^"]*)"', text)
    )
    assert len(links) > 10
    for each in sorted(links):
        if ".pdf" not in each and ".png" not in each:
            assert served.ask(each.replace("&amp;", "&"))[0].status == 200, each


def test_hostile_texts_are_text(ui_lake):
    text = Site(ui_lake).html(["experiment", STUDY], Links("/T/", PageState()))
    assert "&lt;img src=x" in text
    assert not re.search("<img src=x|<script>alert|style=", text)


def test_wrong_names_are_one_sentence(ui_lake):
    for steps in (
        ("picture", STUDY, "levels.gif"),
        ("picture", STUDY, "nonsense.svg"),
        ("report", STUDY),
        ("levels", f"{STUDY}.json"),
        ("picture", STUDY),
    ):
        with pytest.raises(LakebatchError):
            file_of(ui_lake, *steps)
