"""The selection bar, the walk through past states, and sweeps as grids."""

import re
from urllib.parse import parse_qsl, urlsplit

import polars as pl
import pytest

from lakebatch.assembly.sweep_claims import Claim, Replicate
from lakebatch.assembly.sweeps import SweepPoint
from lakebatch.snapshot.moment import NEWEST
from lakebatch.ui import bar, moments, overview, sweep
from lakebatch.ui.page_state import PageState, parse
from lakebatch.ui.site import Site

GRID = [(a, b) for b in ("x", "y", "z") for a in (2, 1)]


def state(address):
    return parse(parse_qsl(urlsplit(address).query))


def test_each_chip_leads_to_the_page_without_it():
    text = "?experiment=study&tag=paper-v1&include=failed&include=completed&preset=demo&config=2&sweep=grid"
    given = state(f"{text}&assembly=first&where=n_reps%3D2&where=levels%3D%5B0.0%2C0.1%5D&with=a%2Fb")
    chips = list(bar.chips(given))
    assert [name for name, *_ in chips] == [
        "experiment", "moment", "rows of", "preset", "config", "sweep", "assembly", "where", "where",
    ]  # fmt: skip
    for name, value, without in chips:
        fewer = state(without)
        left = [each[:2] for each in bar.chips(fewer)]
        assert left == [each[:2] for each in chips if each[:2] != (name, value)]
        assert fewer.view == given.view


def test_moments_name_every_event_and_tag(ui_lake):
    found = moments.moments(ui_lake.begun())
    events = sum(each.log.events().height for each in ui_lake.begun())
    told = [what for text in found["what"] for what in text.split("; ")]
    assert len(told) == events + 2
    assert sum("tag paper-v1" in each for each in told) == 2
    assert any(re.fullmatch(r"study \d+_\d+_run005 discarded", each) for each in told)


def test_walk_back_and_forth_keeps_the_view(page, served, ui_lake):
    page.goto(f"{served.address}?experiment=study#filter=run00")
    count = moments.moments([ui_lake["study"]]).height
    for number in (count - 1, count - 2):
        page.get_by_role("link", name="Previous event").click()
        page.locator(".event", has_text=f"{number} of {count}").wait_for()
        assert page.url.endswith("#filter=run00")
    assert "A past state" in page.locator(".past").inner_text()
    page.get_by_role("link", name="Next event").click()
    page.locator(".event", has_text=f"{count - 1} of {count}").wait_for()
    page.get_by_role("link", name="Now", exact=True).click()
    page.locator(".event", has_text=f"{count} of {count}").wait_for()
    assert page.locator(".past").count() == 0


def test_walk_goes_through_every_event(ui_lake):
    place = PageState("study")
    count = moments.moments([ui_lake["study"]]).height
    assemblies = []
    for number in range(count, 0, -1):
        shown = bar.bar(ui_lake, place)
        assert shown["place"].number == number
        assemblies.append(ui_lake["study"].at(place.selection.moment).last_events.height)
        place = state(shown["before"] or "")
    assert assemblies == sorted(assemblies, reverse=True)
    assert (assemblies[0], assemblies[-1]) == (6, 1)


def test_slider_walks_by_keyboard(page, served, ui_lake):
    page.goto(f"{served.address}?experiment=study")
    found = moments.moments([ui_lake["study"]])
    slider = page.get_by_role("slider", name="Event")
    slider.press("Home")
    page.locator(".event", has_text=found["what"][0]).wait_for()
    page.locator(".past").wait_for()
    assert dict(parse_qsl(urlsplit(page.url).query))["as_of"] == moments.listed(found)["at"][0]
    page.wait_for_function(
        "() => document.activeElement.type === 'range'"
    )  # the script of the new page has run
    assert page.evaluate("document.activeElement.type") == "range"


@pytest.mark.parametrize("scripts", [True, False])
def test_form_selects_without_a_script_too(new_page, served, ui_lake, scripts):
    page = new_page(java_script_enabled=scripts)
    page.goto(served.address)
    page.locator("summary", has_text="Change").click()
    page.get_by_label("Tag").select_option("paper-v1")
    page.get_by_label("Config value").fill("n_reps=3")
    page.get_by_role("button", name="Show").click()
    page.locator(".past", has_text="tag paper-v1").wait_for()
    assert [each[:2] for each in bar.chips(state(page.url))] == [
        ("moment", "tag paper-v1"),
        ("where", "n_reps=3"),
    ]
    rows = ui_lake["study"].assemblies(tag="paper-v1")
    assert page.locator("#table tbody tr").count() == rows.height == 2


def test_past_state_says_when_it_was(ui_lake):
    tagged = state("?experiment=study&tag=paper-v1")
    shown = bar.bar(ui_lake, tagged)
    last = ui_lake["study"].snapshot(tag="paper-v1").events["at"].max()
    assert shown["place"].at == last
    assert bar.bar(ui_lake, tagged.at(NEWEST))["place"].number == shown["place"].count


def test_grid_of_a_sweep_has_the_mean_of_each_point(ui_lake):
    page = sweep.sweep(ui_lake, state("?metric=mse&level=level%3D0"), "90_v1_toy", "grid")
    grid = page.content["grid"]
    assert (page.content["chosen"], grid["rows"], grid["columns"]) == (
        ("seed", "levels"),
        ["1", "2"],
        ["[0.0]", "[0.0,0.1]"],
    )
    rows = ui_lake["toy"].scan().filter(level=0).group_by("assembly_id").agg(pl.col("mse").mean()).collect()
    means = dict(rows.iter_rows())
    points = ui_lake["toy"].sweep("grid").iter_rows(named=True)
    expected = {(each["seed"], tuple(each["levels"])): means[each["assembly_id"]] for each in points}
    for row, seed in zip(grid["cells"], (1, 2), strict=True):
        for cell, levels in zip(row, ((0.0,), (0.0, 0.1)), strict=True):
            assert cell.mean == pytest.approx(expected[seed, levels])
            assert cell.counts == {"done": 1}
    shades = [cell.shade for row in grid["cells"] for cell in row]
    assert (min(shades), max(shades)) == (0, sweep.SHADES - 1)


def test_cell_of_a_grid_links_to_its_assembly(page, served, ui_lake):
    page.goto(served.address)
    page.get_by_role("link", name="grid", exact=True).click()
    assert page.locator("table.grid td .mean").count() == 4
    page.locator("table.grid tbody tr").nth(1).get_by_role("link").first.click()
    page.locator("[data-part=said]", has_text="1 of 1 assemblies").wait_for()
    points = ui_lake["toy"].sweep("grid")
    wanted = points.filter((pl.col("seed") == 2) & (pl.col("levels").list.len() == 1))["assembly_id"][0]
    assert page.locator("#table tbody th").inner_text() == wanted


def test_sweep_is_listed_from_its_moment_on(ui_lake):
    known = [
        overview.overview(ui_lake, state(query)).content["sweeps"] for query in ("", "?where=n_reps%3D3")
    ]
    assert [[each["sweep"] for each in found] for found in known] == [["grid"], ["grid"]]
    for query in ("?tag=paper-v1", "?tag=paper-v1&where=n_reps%3D3"):
        assert overview.overview(ui_lake, state(query)).content["sweeps"] == []


def test_grid_chooses_keys_and_filters_by_the_others(ui_lake):
    swapped = sweep.sweep(ui_lake, state("?by=levels&by=seed"), "90_v1_toy", "grid").content
    assert swapped["chosen"] == ("levels", "seed")
    one = sweep.sweep(ui_lake, state("?where=seed%3D2"), "90_v1_toy", "grid").content["grid"]
    assert one["rows"] == ["2"]
    assert PageState() == state("")


@pytest.mark.parametrize(
    "address", ["sweep/90_v1_toy/grid?metric=mse", "?tag=paper-v1#group=config", "#filter=nothing"]
)
def test_pages_with_past_groups_and_grids_are_accessible(new_page, served, violations, address):
    page = new_page(color_scheme="dark", viewport={"width": 390, "height": 844})
    page.goto(f"{served.address}{address}")
    page.locator("summary", has_text="Change").click()
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_points_are_saved_as_csv(ui_lake):
    file = Site(ui_lake).file(["points.csv", "90_v1_toy", "grid"], state("?level=level%3D0"))
    rows = pl.read_csv(file.content)
    points = ui_lake["toy"].sweep("grid")
    assert rows["assembly_id"].to_list() == points["assembly_id"].to_list()
    assert rows["levels"].to_list() == ["[0.0]", "[0.0,0.1]"] * 2
    expected = (
        ui_lake["toy"].scan().filter(level=0).group_by("assembly_id").agg(pl.col("mse").mean()).collect()
    )
    assert dict(rows.select("assembly_id", "mse").iter_rows()) == pytest.approx(
        {key: value for key, value in expected.iter_rows() if key in points["assembly_id"].to_list()}
    )


@pytest.mark.parametrize(("keys", "shape"), [(["a"], (2, 1)), (["a", "b"], (2, 3)), (["b", "a"], (3, 2))])
def test_grid_of_points_without_assemblies(keys, shape):
    points = [
        SweepPoint(n, {"a": a, "b": b}, {"a": a, "b": b, "c": 0}, 1) for n, (a, b) in enumerate(GRID, 1)
    ]
    found = [Replicate(each, 1, None, Claim("s", each.number, 1)) for each in points]
    grid = sweep._grid(found, keys, {}, PageState())
    assert (len(grid["rows"]), len(grid["cells"][0])) == shape
    assert grid["rows"] == (["1", "2"] if keys[0] == "a" else ["x", "y", "z"])
    assert sum(len(cell.replicates) for row in grid["cells"] for cell in row) == 6
    assert {key for row in grid["cells"] for cell in row for key in cell.counts} == {"missing"}
