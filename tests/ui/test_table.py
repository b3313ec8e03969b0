"""The table of assemblies: its data, and sorting, filtering, grouping, selection and CSV in a real browser."""

import csv
import io
import json
import re
import shlex
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import click.testing
import polars as pl
import pytest
from scipy import stats

import lakebatch
from lakebatch.cli import main
from lakebatch.ui import assemblies, means, overview
from lakebatch.ui.links import Links
from lakebatch.ui.page_state import PageState, parse
from lakebatch.ui.site import Site

SAID = "[data-part=said]"


def open_overview(page, served, address=""):
    page.goto(f"{served.address}{address}")
    page.locator(SAID, has_text="Each metric").wait_for()


def column(page, name):
    """Return the texts of a column of the table."""
    texts = page.locator("#table thead th").all_inner_texts()
    heads = [re.split("[▲▼]", each)[0].strip() for each in texts]
    place = heads.index(name) + 1
    return page.locator(f"#table tbody tr > :nth-child({place})").all_inner_texts()


def ids(page):
    return [each.split()[0] for each in column(page, "Assembly")]


def shown_ids(lake, *names):
    found = pl.concat([lake[name].assemblies().select("assembly_id", "started_at") for name in names])
    return found.sort("started_at", descending=True)["assembly_id"].to_list()


def test_table_has_every_assembly_with_its_config_and_progress(ui_lake):
    table = assemblies.table(overview.snapshots(ui_lake, PageState()))
    # assemblies of two experiments that began in one second have the same id
    rows = {(each["experiment"], each["assembly"]): each for each in assemblies.first_rows(table, 100)}
    known = {
        (name, row["assembly_id"]): row
        for name in ("study", "toy")
        for row in ui_lake[name].assemblies().iter_rows(named=True)
    }
    assert rows.keys() == known.keys()
    for key, row in known.items():
        found = rows[key]
        assert (found["done"], found["planned"], found["rows"]) == (
            row["parts_done"],
            row["parts_planned"],
            row["rows"],
        )
        place = found["config"]
        assert table["configs"]["hash"][place] == row["config_hash"]
        seed = assemblies.compact.first(table["configs"]["values"]["seed"], place + 1)[place]
        assert seed == json.loads(row["config"])["seed"]
    assert [each["state"] for each in rows.values() if each["sweep"]] == ["completed"] * 4


def test_duration_ends_at_the_first_end_after_the_last_start(ui_lake):
    events = ui_lake["study"].log.events()
    frame = assemblies.frame({"study": ui_lake["study"].snapshot()})
    discarded = frame.filter(state="discarded").row(0, named=True)
    completed = events.filter(assembly_id=discarded["assembly"], status="completed")["at"][0]
    assert discarded["ended"] == int(completed.timestamp() * 1000)
    assert frame.filter(state="interrupted")["ended"].to_list() == [None]


def test_means_are_those_of_the_rows_and_read_once(ui_lake, monkeypatch):
    pinned = ui_lake.snapshot()
    found = means.metrics(ui_lake, pinned, "level=0.1")
    folder = found["folders"]["91_v1_study"]
    rows = (
        ui_lake["study"].scan().filter(level=0.1).group_by("assembly_id").agg(pl.col("r2").mean()).collect()
    )
    expected = dict(rows.iter_rows())
    assert dict(zip(folder["assembly_id"], folder["r2"], strict=True)) == pytest.approx(expected)
    assert found["values"][:2] == ["all", "level=0"]
    overall = means.metrics(ui_lake, pinned)["folders"]["91_v1_study"]
    every = ui_lake["study"].scan().group_by("assembly_id").agg(pl.col("r2").mean()).collect()
    assert dict(zip(overall["assembly_id"], overall["r2"], strict=True)) == pytest.approx(
        dict(every.iter_rows())
    )
    monkeypatch.setattr(type(pinned["study"]), "collected", None)  # nothing is read again
    assert means.metrics(ui_lake, pinned, "level=0.1")["folders"]["91_v1_study"] == folder


def test_quantiles_are_those_of_t():
    for freedom, value in means.quantiles():
        assert value == pytest.approx(stats.t.ppf(0.975, freedom), rel=1e-9)


STATES = ("", "experiment=study", "tag=paper-v1", "experiment=study&tag=paper-v1", "where=n_reps%3D2",
          "experiment=toy&sweep=grid&where=seed%3D2", "experiment=study&version=6&include=failed")  # fmt: skip


@pytest.mark.parametrize("query", STATES)
def test_command_and_python_list_what_the_page_lists(ui_lake, query):
    state = parse([(key, value) for key, values in parse_qs(query).items() for value in values])
    page = overview.overview(ui_lake, state)
    here = sorted(row["assembly"] for row in page.content["rows"])
    words = shlex.split(page.command)[1:]
    answer = click.testing.CliRunner().invoke(main, [*words, "--format", "json"], catch_exceptions=False)
    assert answer.exit_code == 0, answer.output
    assert sorted(row["assembly_id"] for row in json.loads(answer.stdout)) == here
    frame = eval(page.python, {"lakebatch": lakebatch})  # noqa: S307
    assert sorted(frame["assembly_id"]) == here


def test_command_names_a_lake_that_is_not_the_default(ui_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = Site(lakebatch.open_lake(ui_folder / "lake")).page([], PageState("study"))
    assert page.command == f"lakebatch --lake {shlex.quote(str(ui_folder / 'lake'))} status study"
    assert len(eval(page.python, {"lakebatch": lakebatch})) == 6  # noqa: S307


def test_sorting_by_click_and_keyboard_in_several_columns(page, served, ui_lake):
    open_overview(page, served)
    assert ids(page) == shown_ids(ui_lake, "study", "toy")
    page.get_by_role("button", name="State").click()
    assert column(page, "State") == sorted(column(page, "State"))
    page.get_by_role("button", name="Assembly").click(modifiers=["Shift"])
    page.get_by_role("button", name="Assembly").press("Shift+Enter")
    pairs = list(zip(column(page, "State"), ids(page), strict=True))
    assert pairs == sorted(sorted(pairs, key=lambda pair: pair[1], reverse=True), key=lambda pair: pair[0])
    assert page.locator("th[aria-sort=ascending]").inner_text().startswith("State")
    assert "sort=state%2C-assembly" in page.url
    page.go_back()
    page.go_back()
    page.go_back()
    assert ids(page) == shown_ids(ui_lake, "study", "toy")


def test_filter_takes_words_and_conditions(page, served, ui_lake):
    open_overview(page, served)
    box = page.get_by_label("Filter")
    cases = {
        "first": 1, "STUDY failed": 1, "state=completed toy": 5, "rows>50": 3, "n_reps=2": 1, "levels=[0.0]": 2,
        "user!=x": 11, "duration<1h state!=interrupted": 10, "started>2020-01-01": 11, '"as submitted"': 0, "sweep=": 7,
        "r2>-1e9": 8,
    }  # fmt: skip
    for text, count in cases.items():
        box.fill(text)
        assert page.locator(SAID).inner_text().startswith(f"{count} of 11"), text
    box.fill("colour=red")
    assert "no column colour" in page.locator(SAID).inner_text()
    box.fill("failed")
    address = page.evaluate("location.href")
    page.goto("about:blank")
    page.goto(address)
    page.locator(SAID, has_text="1 of 11").wait_for()
    assert box.input_value() == "failed"


def test_group_gives_n_mean_and_t_interval_over_assemblies(page, served, ui_lake):
    open_overview(page, served, "?experiment=toy#group=sweep&at=level%3D0")
    rows = ui_lake["toy"].scan().filter(level=0).group_by("assembly_id").agg(pl.col("mse").mean()).collect()
    of_sweep = ui_lake["toy"].sweep("grid")["assembly_id"].to_list()
    values = rows.filter(pl.col("assembly_id").is_in(of_sweep))["mse"].to_numpy()
    low, high = stats.t.interval(0.95, len(values) - 1, values.mean(), stats.sem(values))
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save as CSV", exact=True).click()
    table = list(csv.DictReader(Path(saved.value.path()).read_text().splitlines()))
    grid = next(row for row in table if row["sweep"] == "grid")
    assert [float(grid[name]) for name in ("mse", "mse_low", "mse_high")] == pytest.approx(
        [values.mean(), low, high], rel=1e-8
    )
    assert (grid["n"], grid["mse_n"]) == ("4", "4")
    page.get_by_role("button", name="grid", exact=True).click()
    assert set(ids(page)) == set(of_sweep)


def test_selection_links_to_the_comparison_and_csv_has_what_is_shown(page, served, ui_lake):
    open_overview(
        page, served, "?tag=paper-v1#cols=assembly,rows,config.fault,metric.r2,started,progress&filter=study"
    )
    for box in page.locator("#table tbody input[type=checkbox]").all():
        box.check()
    link = page.get_by_role("link", name="Compare").get_attribute("href")
    run001, run002 = ui_lake["study"].assemblies()["assembly_id"].to_list()[:2]
    asked = parse_qs(urlsplit(link).query)
    assert asked == {"tag": ["paper-v1"], "with": [f"91_v1_study/{each}" for each in (run002, run001)]}
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save as CSV", exact=True).click()
    found = pl.read_csv(io.BytesIO(Path(saved.value.path()).read_bytes()))
    expected = means.metrics(ui_lake, ui_lake.snapshot())["folders"]["91_v1_study"]
    assert found.columns == ["assembly", "rows", "fault", "r2", "started", "parts_done", "parts_planned"]
    assert dict(zip(found["assembly"], found["r2"], strict=True)) == {
        each: value
        for each, value in zip(expected["assembly_id"], expected["r2"], strict=True)
        if each in (run001, run002)
    }


def test_page_without_scripts_lists_the_assemblies(new_page, served):
    page = new_page(java_script_enabled=False)
    page.goto(served.address)
    assert page.locator("#table tbody tr").count() == 11
    assert not page.get_by_label("Filter").is_visible()


def test_hostile_texts_are_texts(page, served):
    open_overview(page, served, "#cols=assembly,note,user,error,config.fault")
    assert re.search(r"<img src=x onerror=alert", page.locator("#table tbody").inner_text())
    assert page.locator("tbody img").count() == 0


def test_any_token_leads_to_metrics_and_pages(page, serve, ui_lake):
    """A token can have any letters, also those of a word for which a script fills in a step of an address."""
    served = serve(ui_lake, token="fFOLDERaASSEMBLYmAT0123456789abc")
    open_overview(page, served)  # waits for the metrics
    page.locator("#table tbody a").filter(has_text="run001").first.click()
    page.get_by_role("heading", name="What to do next").wait_for()


def test_damaged_experiment_is_left_out_and_named(copied_lake):
    for entry in Path(copied_lake.storage.uri).glob("91_v1_other-toy/assemblies/_delta_log/*"):
        entry.write_text("broken")
    site = Site(copied_lake)
    page = site.page([], PageState())
    assert len(page.content["rows"]) == 3
    assert any("other-toy is left out" in each for each in page.notices)
    assert "other-toy is left out" in site.html([], Links("/token/", PageState()))
    assert json.loads(site.file(["metrics.json", "all"], PageState()).content)["folders"].keys() == {
        "90_v1_toy"
    }
