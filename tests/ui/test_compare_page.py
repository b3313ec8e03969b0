"""The page that compares assemblies: config, metrics, code, environment."""

import csv
import re
import shlex
from pathlib import Path

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


def keys_of(lake, name="study", count=None):
    stored = lake[name]
    return [(stored.folder, each.assembly_id) for each in stored.log.latest()][:count]


def compared(lake, pairs, *more, state=None):
    query = [("with", f"{folder}/{each}") for folder, each in pairs]
    chosen = parse([*(state or PageState()).pairs, *query, *more])
    return Site(lake).page(["compare"], chosen)


def test_links_lead_to_the_page(ui_lake, served):
    pairs = keys_of(ui_lake)[:2]
    address = Links("", PageState(), False).compare(pairs)
    assert address.startswith("compare?with=")
    answer, text = served.ask(address)
    assert answer.status == 200
    assert all(each in text for _, each in pairs)


def test_config_shows_the_keys_that_differ(ui_lake):
    first, _, third, *_ = keys_of(ui_lake)
    table = compared(ui_lake, [first, third]).content["config"]
    assert dict(table.differing) == {"levels": ["[0.0, 0.1, 0.3]", "[0.1, 0.3]"], "n_reps": ["3", "2"]}
    assert dict(table.same)["fault"] == "constant prediction"


def test_means_equal_those_of_the_rows(ui_lake):
    pairs = keys_of(ui_lake)[:3]
    content = compared(ui_lake, pairs, ("metric", "pearson_r")).content
    means = content["means"]
    assert [key for key, _ in means.overall] == [("0",), ("0.1",), ("0.3",)]
    assert means.overall[0][1][2] is None  # the third has no level 0
    for place, (_, assembly_id) in enumerate(pairs):
        rows = ui_lake["study"].snapshot().scan_one(assembly_id).collect().filter(level=0.1)
        mean, low, high, units = means.overall[1][1][place]
        assert mean == pytest.approx(rows["pearson_r"].mean(), abs=0.02)  # of splits, not of rows
        assert low < mean < high
        assert units == rows["repeat"].n_unique()
    assert means.columns == ("level", "feature set", "model")


def test_two_of_an_experiment_show_the_shifts_of_diff(ui_lake):
    pairs = keys_of(ui_lake)[:2]
    found = compared(ui_lake, pairs)
    same = ui_lake["study"].diff(pairs[0][1], pairs[1][1])
    shifts = found.content["shifts"]
    assert shifts.verdict == same.verdict()
    assert len(shifts.rows) == same.metrics.filter(metric="pearson_r").height
    assert found.command == f"lakebatch diff study {pairs[0][1]} {pairs[1][1]}"
    assert CliRunner().invoke(main, shlex.split(found.command)[1:]).exit_code == 0
    assert eval(found.python, {"lakebatch": lakebatch}).verdict() == same.verdict()  # noqa: S307


@pytest.mark.filterwarnings(
    "ignore::lakebatch.errors.IncompleteWarning", "ignore::lakebatch.errors.MixtureWarning"
)
def test_assemblies_of_several_experiments_are_told_apart(ui_lake):
    pairs = [*keys_of(ui_lake)[:2], *keys_of(ui_lake, "toy")[:2]]
    found = compared(ui_lake, pairs, ("metric", "r2"))
    content = found.content
    assert [each.label.split()[0] for each in content["compared"]] == ["study", "study", "toy", "toy"]
    assert content["shifts"] is None
    assert len(content["diffs"]) == 3
    answer = CliRunner().invoke(main, [*shlex.split(found.command)[1:], "--format", "csv"])
    assert answer.exit_code == 0, answer.output
    listed = {line.split(",")[2] for line in answer.stdout.splitlines()[1:]}
    assert listed == {each for _, each in pairs}
    rows = eval(found.python, {"lakebatch": lakebatch})  # noqa: S307 - the line under test
    assert set(rows["assembly_id"]) == listed


def test_past_moment_compares_what_there_was(ui_lake):
    (first, second, *_) = keys_of(ui_lake)
    finished = ui_lake["study"].history().filter(assembly_id=first[1], status="completed")["at"][0]
    state = PageState().at(Moment(time=finished))
    with pytest.raises(LakebatchError, match="There is no assembly"):
        compared(ui_lake, [first, second], state=state)
    tagged = compared(ui_lake, [first, second], state=PageState().at(Moment(tag="paper-v1")))
    assert len(tagged.content["offered"]) == 0
    assert len(compared(ui_lake, [first, second]).content["offered"]) == 4
    assert CliRunner().invoke(main, shlex.split(tagged.command)[1:]).exit_code == 0


def test_unfinished_and_discarded_assemblies_can_be_compared(ui_lake, served):
    pairs = keys_of(ui_lake)
    content = compared(ui_lake, pairs).content
    assert content["states"][3:5] == ["failed", "discarded"]
    assert all(len(cells) == 6 for _, cells in content["means"].overall)
    answer, text = served.ask(Links("", PageState(), False).compare(pairs))
    assert answer.status == 200
    assert not re.search("<img src=x|<script>alert|style=", text)


@pytest.mark.parametrize(
    "query",
    [
        [],
        [("with", "nonsense")],
        [("with", f"{STUDY}/20200101_000000_run001")],
        [("with", "99_v1_absent/x")],
        [("with", f"{TOY}/x" + str(n)) for n in range(13)],
    ],
)
def test_wrong_addresses_are_one_sentence(ui_lake, query):
    with pytest.raises(LakebatchError, match=r"Expected|There is no"):
        Site(ui_lake).page(["compare"], parse(query))


def test_each_table_with_a_caption_can_be_saved_as_csv(page, served, ui_lake):
    first, second = ui_lake["study"].snapshot().ids()[:2]
    page.goto(f"{served.address}compare?with={STUDY}/{first}&with={STUDY}/{second}")
    assert page.locator("button.csv").count() == page.locator("main .scroll table caption").count() > 1
    with page.expect_download() as download:
        page.get_by_role("button", name="Save as CSV: Mean").first.click()
    rows = list(csv.reader(Path(download.value.path()).read_text().splitlines()))
    assert rows[0][0] == "level"
    assert [row[0] for row in rows[1:]] == ["0", "0.1", "0.3"]
    assert download.value.suggested_filename.endswith(".csv")
