"""Plots: content, drawing and image files."""

import html
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import combinations, pairwise
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner
from matplotlib import layout_engine
from matplotlib.figure import Figure
from PIL import Image

import lakebatch
from lakebatch.analysis import plots, statistics
from lakebatch.analysis.data import read
from lakebatch.analysis.plots import degradation, levels, static
from lakebatch.analysis.plots.axis import bounds, fit, limits
from lakebatch.analysis.plots.chart import Arrow, Box, Boxes, Chart, Dots, Line, Panel, Rule, Thread, overlay
from lakebatch.analysis.plots.levels import with_zero
from lakebatch.analysis.plots.options import Options, choose
from lakebatch.analysis.plots.origin import Origin
from lakebatch.analysis.plots.style import COLOURS, MARKERS, colour, marker
from lakebatch.assembly.metrics import BY_NAME
from lakebatch.cli import options
from lakebatch.cli.commands import plot as figures
from lakebatch.cli.main import main
from lakebatch.errors import AssemblyError, ConfigError, ExperimentError, IncompleteError, UnknownNameError

pytestmark = [
    pytest.mark.filterwarnings("ignore::lakebatch.errors.IncompleteWarning"),
    pytest.mark.filterwarnings("ignore::lakebatch.errors.MixtureWarning"),
]
OF_RESULTS = [kind for kind in plots.KINDS if kind not in ("trajectories", "network", "heatmap")]


@pytest.fixture
def noise(cohort_lake):
    return cohort_lake["response-noise"]


def run(*arguments):
    return CliRunner().invoke(main, [str(each) for each in arguments])


def test_command_offers_every_kind():
    assert figures.KINDS == plots.KINDS
    assert options.UNITS == statistics.UNITS


@pytest.mark.parametrize("kind", OF_RESULTS)
def test_every_kind_is_drawn_for_the_screen(study, kind):
    picture = study["study"].plot(kind)
    assert len(picture.interactive().data) >= len(picture.chart.panels)
    assert picture.chart.title in picture.chart.description()


@pytest.mark.parametrize("by", ["feature_set", "model"])
def test_levels_show_the_intervals_of_the_rows(study, by):
    (panel,) = study["study"].plot("levels", by=by, metric="r2", zoom=(0, 1)).chart.panels
    expected = statistics.intervals(study["study"].reassemble(), "r2", [by, "level"])
    assert [mark.name for mark in panel.series] == expected[by].unique().sort().to_list()
    for mark in panel.series:
        rows = expected.filter(pl.col(by) == mark.name)
        for name, column in (("x", "level"), ("y", "mean"), ("low", "low"), ("high", "high")):
            assert getattr(mark, name) == tuple(rows[column])
    assert panel.y_range == (0, 1)
    assert panel.y_label == "R²"


def test_grid_has_a_panel_for_each_feature_set(study):
    chart = study["study"].plot("grid", by="model").chart
    assert [panel.title for panel in chart.panels] == ["dynamic", "initial", "initial+dynamic"]
    assert {mark.name for panel in chart.panels for mark in panel.series} == {"forest", "linear"}


def test_boxes_hold_every_fit(study):
    (panel,) = study["study"].plot("boxes").chart.panels
    rows = study["study"].reassemble().drop_nulls("pearson_r")
    assert panel.x_names == ("0", "0.1", "0.3")
    assert sum(len(values) for mark in panel.series for values in mark.values) == rows.height


def test_degradation_names_what_has_no_baseline(study):
    chart = study["study"].plot("degradation").chart
    assert "35 of 105 fits have no baseline (level 0) in their assembly and are left out." in chart.notes
    assert "3 of 144 rows have no metric (forest: constant prediction)." in chart.notes
    assert Rule(0.0, "y") in chart.panels[0].marks


def test_picture_without_baseline_is_refused_by_name(study_folder, monkeypatch, lake):
    monkeypatch.chdir(study_folder)
    lakebatch.run(lake, "study", jobs=1, settings=["levels=[0.1]"])
    for kind in ("degradation", "robustness"):
        with pytest.raises(
            IncompleteError, match=r"There is no baseline to compare with: study, version 2, .*level 0"
        ):
            lake["study"].plot(kind)
    with pytest.raises(IncompleteError, match=r"has a single level, 0.1"):
        lake["study"].plot("sensitivity")
    with pytest.raises(IncompleteError, match="There is nothing to draw"):
        lake["study"].plot("levels", version=0)


def test_discarded_assembly_is_named_as_left_out(study_folder, tmp_path, monkeypatch):
    shutil.copytree(study_folder, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    stored = lakebatch.open_lake("lake")["study"]
    note = ", 1 discarded left out"
    assert note not in stored.plot().chart.description()
    stored.discard(stored.assemblies()["assembly_id"][0], "wrong dose")
    assert f"{note}." in stored.plot().chart.description()
    assert note in stored.report().html()
    assert note not in stored.plot(include=("completed", "discarded")).chart.description()


def test_growth_counts_the_rows_of_completed_assemblies(study):
    rows, assemblies = study["study"].plot("growth").chart.panels
    assert rows.marks[0].y == (0, 54, 108, 144)
    assert assemblies.marks[0].y == (0, 1, 2, 3)


def test_two_snapshots_are_overlaid(study):
    first = study["study"].assemblies()["assembly_id"][0]
    version = int(study["study"].history().filter(assembly_id=first, status="completed")["version"][0])
    picture = study["study"].plot("levels", against=str(version))
    (panel,) = picture.chart.panels
    old, new = ([mark for mark in panel.series if mark.ghost is ghost] for ghost in (True, False))
    assert [(mark.name, mark.slot) for mark in old] == [(mark.name, mark.slot) for mark in new]
    assert old[0].y != new[0].y
    rows = study["study"].reassemble(version=version)
    assert old[0].y == tuple(
        statistics.intervals(rows, "pearson_r", ["feature_set", "level"]).head(3)["mean"]
    )
    assert f"Dashed and hollow: version {version}, without its intervals" in picture.chart.description()
    zoomed = study["study"].plot("levels", against=str(version), zoom=(0.7, 1)).caption
    assert (
        f"Of version {version}, {sum(y < 0.7 for mark in old for y in mark.y)} points lie beyond the axis."
        in zoomed
    )
    shown = {line.line.dash: line.error_y.visible for line in picture.interactive().data}
    assert shown == {"dash": None, "solid": None}
    assert {
        line.error_y.array is None for line in picture.interactive().data if line.line.dash == "dash"
    } == {True}


@pytest.mark.parametrize("kind", OF_RESULTS)
def test_every_kind_overlays_an_older_state(study, kind):
    version = int(study["study"].history().filter(status="completed")["version"][0])
    picture = study["study"].plot(kind, against=str(version))
    assert any(mark.ghost for panel in picture.chart.panels for mark in panel.series)
    if kind in ("levels", "boxes", "robustness"):
        assert b"version" in picture.to_bytes(".svg")
    assert picture.interactive().data


def test_ranking_of_an_older_state_uses_the_rows_of_the_newer(study):
    version = int(study["study"].history().filter(status="completed")["version"][0])
    (panel,) = study["study"].plot("robustness", against=str(version)).chart.panels
    (old,) = study["study"].plot("robustness", version=version).chart.panels
    ghost = next(mark for mark in panel.series if mark.ghost and mark.name == "initial")
    alone = next(mark for mark in old.series if isinstance(mark, Dots) and mark.name == "initial")
    assert dict(zip(panel.y_names, ghost.x, strict=True)) == dict(zip(old.y_names, alone.x, strict=True))


def test_boxes_of_two_states_are_paired(study):
    version = int(study["study"].history().filter(status="completed")["version"][0])
    (axes,) = study["study"].plot("boxes", against=str(version)).figure().axes
    shown = sorted(axes.patches, key=lambda box: box.get_path().vertices[:, 0].min())
    faces = [box.get_facecolor() for box in shown]
    assert len(faces) > 4
    assert all(face == (1, 1, 1, 1) for face in faces[::2])
    assert not any(face == (1, 1, 1, 1) for face in faces[1::2])
    edges = [box.get_edgecolor() for box in shown]
    assert edges[::2] == edges[1::2]


def test_points_of_two_states_stay_in_their_row(study):
    version = int(study["study"].history().filter(status="completed")["version"][0])
    (axes,) = study["study"].plot("robustness", against=str(version)).figure().axes
    heights = [float(y) for line in axes.lines if line.get_marker() in MARKERS for y in line.get_ydata()]
    assert len(heights) > 4
    assert all(0 < abs(y - round(y)) < 0.2 for y in heights)


def test_metric_of_both_signs_has_a_line_at_zero(study):
    def panel(*values):
        return Panel((Line("a", 0, (0.0, 0.5), values),))

    rule = Rule(0.0, "y")
    both = with_zero([panel(0.5, -0.1), panel(0.5, None)])
    assert [rule in each.marks for each in both] == [True, True]
    assert rule in with_zero([Panel((Boxes("a", 0, ((-0.1,), (0.5,))),))])[0].marks
    assert rule not in with_zero([panel(0.5, 0.1)])[0].marks
    read_rows = read(study["study"].snapshot(), on_gap="ignore")
    material = replace(read_rows, rows=read_rows.rows.with_columns(pl.col("pearson_r") - 0.4))
    for draw in (levels.levels, levels.grid, levels.boxes):
        assert all(rule in each.marks for each in draw(material, choose(Options(), material)).panels)


def fitted(metric, low, high, mean=None, zoom=None):
    """Return the panel of one line, with the notes on its axis."""
    mean = mean or [(one + other) / 2 for one, other in zip(low, high, strict=True)]
    line = Line("a", 0, tuple(range(len(low))), tuple(mean), tuple(low), tuple(high))
    (panel,), notes = fit([Panel((line,))], zoom, bounds(BY_NAME[metric]))
    return panel, notes


def test_intervals_end_at_possible_values_and_the_caption_says_so():
    panel, notes = fitted("pearson_r", [-3.5, 0.2, 0.1], [0.4, 0.9, 1.2])
    assert panel.y_range is None
    assert (panel.series[0].low[0], panel.series[0].high[2]) == (-1, 1)
    assert notes == ("2 of 3 intervals end at the last possible values, -1 and 1.",)
    panel, notes = fitted("r2", [0.5, 0.2], [1.4, 0.9])
    assert panel.series[0].high == (1, 0.9)
    assert notes == ("1 of 2 intervals end at the last possible value, 1.",)
    assert fitted("pearson_r", [-0.5, 0.1], [0.9, 0.8])[1] == ()


def test_axis_of_an_open_metric_leaves_out_outliers_and_says_which():
    low, high = [0.1, 0.2, 0.15, 0.12, -270.0], [0.4, 0.5, 0.45, 1.3, 0.4]
    panel, notes = fitted("r2", low, high, [0.3, 0.3, 0.3, 0.8, -100.0])
    bottom, top = panel.y_range
    assert -0.2 < bottom < 0.1
    assert 1.0 < top < 1.1
    said = f"Beyond the axis ({bottom:.3g} to {top:.3g}) lie 1 of 5 points [a at 4 (-100)] and an end of 1 of 5 intervals."
    assert notes[1:] == (said,)
    assert limits([0.1, 0.2, 0.3], [0.4, 0.5, 0.6]) is None
    assert limits([], []) is None


def test_zoom_that_loses_a_line_says_so(study):
    picture = study["study"].plot("levels", zoom=(0.7, 1))
    assert "Wholly outside: initial." in picture.caption
    svg = picture.render("svg").decode()
    assert ">initial (outside)</text>" in svg
    assert {"initial (outside)", "dynamic"} < {line.name for line in picture.interactive().data}


def test_boxes_leave_out_outliers_and_count_them():
    values = tuple(0.5 + 0.01 * each for each in range(20))
    panel = Panel((Boxes("a", 0, (values, values, (*values, -50.0))),), x_names=("0", "1", "2"))
    (shown,), notes = fit([panel], None)
    assert 0.4 < shown.y_range[0] < 0.5
    assert "lie 1 of 61 single values." in notes[0]


def test_box_of_values_that_differ_by_rounding_has_whiskers():
    """Between these, interpolated quartiles are equal, and neither value is on them."""
    panel = Panel((Boxes("a", 0, ((0.9999999999999999, 0.9999999999999997),)),), x_names=("0",))
    (shown,), _ = fit([panel], None)
    assert shown.y_range[0] < 0.9999999999999997 < shown.y_range[1]


def test_option_that_means_nothing_to_a_kind_is_refused(study):
    for kind in ("growth", "trajectories", "network"):
        with pytest.raises(
            ConfigError, match=f"A picture of kind '{kind}' has no axis of a metric. Leave out zoom."
        ):
            study["study"].plot(kind, zoom=(0, 1))
    with pytest.raises(
        ConfigError, match=r"'level' means nothing to a picture of kind 'levels'. Leave it out."
    ):
        study["study"].plot("levels", level=0.1)


def test_caption_counts_what_a_zoom_leaves_out(study):
    shown = study["study"].plot("levels", zoom=(0.6, 1)).chart
    table = statistics.intervals(study["study"].reassemble(), "pearson_r", ["feature_set", "level"])
    points = table.filter((pl.col("mean") < 0.6) | (pl.col("mean") > 1)).height
    assert 0 < points < 9
    assert shown.notes[0].startswith(f"Beyond the axis (0.6 to 1) lie {points} of 9 points [initial at 0.3 (")


def test_ranking_marks_baselines_that_do_not_differ_from_zero(study):
    rows = read(study["study"].snapshot(), on_gap="ignore")
    noise = (
        pl.when(pl.col("feature_set") == "initial").then(0.5 - pl.col("repeat") * 0.4).otherwise("pearson_r")
    )
    data = replace(rows, rows=rows.rows.with_columns(pearson_r=noise))
    chart = degradation.robustness_chart(data, choose(Options(), data))
    names = chart.panels[0].y_names
    assert [name.endswith(" *") for name in names] == [False] * 4 + [True] * 2
    assert names[-1].startswith("initial, ")
    grey = [mark for mark in chart.panels[0].series if mark.muted]
    assert [mark.name for mark in grey] == ["initial"]
    assert set(grey[0].low) == {None}
    assert "with Fieller's 95 % interval, corrected for the overlap of splits" in chart.caption
    plain = degradation.robustness_chart(rows, choose(Options(), rows))
    (ghost,) = (
        mark for mark in overlay(chart, plain, "before").panels[0].series if mark.ghost and mark.slot == 1
    )
    assert len([value for value in ghost.x if value is not None]) == 2
    assert chart.notes[0].startswith("* and grey (2 of 6): Pearson r at level 0 does not differ from 0")


def labels(figure):
    """Return the boxes of all visible texts outside the axes: tick labels, labels, titles, legend."""
    figure.draw_without_rendering()
    texts = [text for axes in figure.axes for text in (*axes.get_xticklabels(), *axes.get_yticklabels(),
             axes.xaxis.label, axes.yaxis.label, axes._left_title)]  # fmt: skip
    texts += [text for each in figure.legends for text in (*each.get_texts(), each.get_title())]
    texts += [text for text in (figure._supxlabel, figure._supylabel) if text]
    shown = [text for text in texts if text.get_text() and text.get_visible() and is_inside(text, figure)]
    return {text: text.get_window_extent() for text in shown}


def is_inside(text, figure):
    """Whether it is drawn: labels of ticks beyond the limits of an axis are not."""
    for axes in figure.axes:
        for axis, ends in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
            for tick in axis.get_major_ticks():
                if tick.label1 is text:
                    return min(ends) <= tick.get_loc() <= max(ends)
    return True


@pytest.mark.parametrize(
    ("kind", "width"),
    [("levels", 60), ("boxes", 60), ("grid", 60), ("grid", 183), ("robustness", 60), ("growth", 60)],
)
def test_labels_do_not_touch(study, kind, width):
    picture = study["study"].plot(kind, on_gap="ignore")
    panels = tuple(
        replace(
            each,
            title=f"{each.title} of a long name",
            x_label=f"{each.x_label}, relative to its standard deviation",
        )
        for each in picture.chart.panels
    )
    figure = static.draw(replace(picture.chart, panels=panels), width)
    boxes = labels(figure)
    assert len(boxes) > 8
    for one, other in combinations(boxes, 2):
        assert not boxes[one].overlaps(boxes[other]), (one.get_text(), other.get_text())
    right = figure.bbox.width + 1
    assert all(box.x0 > -1 and box.x1 < right and box.y0 > -1 for box in boxes.values())


@pytest.mark.parametrize("hours", [0.13, 3, 60, 24 * 40])
def test_time_labels_of_an_axis_do_not_overlap(hours):
    start = datetime(2026, 11, 25, 12, 47, 18, tzinfo=UTC)
    line = Line("", 0, (start, start + timedelta(hours=hours)), (0.0, 1.0), step=True)
    figure = static.draw(Chart("Growth", "", (Panel((line,), x_label="time (UTC)"),) * 2, share=False))
    figure.canvas.draw()
    for axes in figure.axes:
        ends = [label.get_window_extent() for label in axes.get_xticklabels() if label.get_text()]
        assert len(ends) > 1
        assert all(one.x1 < other.x0 for one, other in pairwise(ends))


def test_trajectories_show_the_stored_cohort_and_the_onset(noise):
    chart = noise.plot("trajectories").chart
    rows = noise.table("trajectories").at().scan().collect()
    assert [panel.title for panel in chart.panels] == rows["species"].unique(maintain_order=True).to_list()
    panel = chart.panels[0]
    (band,) = panel.series
    stored = pl.DataFrame(rows.filter(species=panel.title)["values"].to_list(), orient="row")
    assert band.y == pytest.approx(stored.median().row(0))
    assert band.x[0] == 0
    assert band.x[-1] == 1000
    assert Rule(500.0, text="D") in panel.marks
    assert sum(isinstance(mark, Thread) for mark in panel.marks) == 12


def test_network_plot_shows_the_simulated_network(noise):
    chart = noise.plot("network").chart
    (panel,) = chart.panels
    boxes = {(mark.x, mark.y): mark.name for mark in panel.marks if isinstance(mark, Box)}
    drawn = {(boxes[mark.start], boxes[mark.end], mark.up) for mark in panel.marks if isinstance(mark, Arrow)}
    names = noise.table("samples").at().scan().collect()["parameter_names"].drop_nulls()[0]
    weights = [name.split("_") for name in names if name.startswith("Kw_")]
    simulated = set()
    for _, *name in weights:
        at = next(index for index, word in enumerate(name) if word in ("activation", "deactivation"))
        simulated.add(("_".join(name[at + 1 :]), "_".join(name[:at]), name[at] == "activation"))
    assert drawn == simulated
    assert len(drawn) == 9 + 2 + 1


def test_missing_stored_cohort_is_named(study):
    with pytest.raises(
        AssemblyError, match=r"There are no trajectories to draw: no completed assembly of study stored any"
    ):
        study["study"].plot("trajectories")
    with pytest.raises(ExperimentError, match=r"study has no diagram. Implement diagram"):
        study["study"].plot("network")


def test_trajectories_of_a_level_without_change_are_refused(noise):
    with pytest.raises(
        AssemblyError, match=r"no trajectories at level 0.3: response-noise stored .* clean cohort only"
    ):
        noise.plot("trajectories", level=0.3)
    (assembly_id,) = noise.snapshot().ids()
    with pytest.raises(AssemblyError, match=r"at level 0.3: .*Leave the level out"):
        noise.plot("trajectories", level=0.3, assembly=assembly_id)


@pytest.mark.parametrize("ending", [".png", ".svg", ".pdf"])
def test_files_are_the_same_each_time(study, tmp_path, ending):
    picture = study["study"].plot("levels")
    first, second = (picture.save(tmp_path / f"{name}{ending}").read_bytes() for name in "ab")
    assert first == second
    assert not re.search(rb"20\d\d-\d\d-\d\dT|CreationDate", first)


@pytest.mark.parametrize("form", ["svg", "png"])
def test_picture_whose_labels_fit_is_laid_out_and_drawn_once(study, monkeypatch, form):
    done = []

    def count(kind, name):
        original = getattr(kind, name)

        def counted(*given):
            done.append(name)
            return original(*given)

        monkeypatch.setattr(kind, name, counted)

    count(layout_engine.ConstrainedLayoutEngine, "execute")
    count(Figure, "draw")
    study["study"].plot("levels", on_gap="ignore").render(form)
    assert done == ["execute", "draw"]


def test_picture_is_rendered_in_memory(study):
    picture = study["study"].plot("levels")
    assert picture.render("svg") == picture.to_bytes(".svg")
    assert picture.render("png")[:4] == b"\x89PNG"
    assert picture.caption.startswith("Mean with 95 % t interval")
    assert picture.title == picture.chart.title
    with pytest.raises(ConfigError, match=r"Unknown form 'jpg' of a picture. Expected one of: png, svg, pdf"):
        picture.render("jpg")


def test_png_carries_its_caption_and_how_to_draw_it_again(study, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first, second, _ = study["study"].snapshot().ids()
    picture = study["study"].plot(
        "levels",
        by="model",
        zoom=(0.5, 1),
        assembly=[first, second],
        where="n_reps=3",
        version=9,
        on_gap="ignore",
    )
    known = Image.open(picture.save("a.png", 100)).text
    assert known["Title"] == picture.title
    assert known["Description"] == picture.chart.description()
    assert known["Software"] == f"lakebatch {lakebatch.__version__}"
    assert "State: version 9, last change 20" in known["Source"]
    assert f"Assemblies: {first}, {second}" in known["Source"]
    command, line = (each.partition(": ")[2] for each in known["Comment"].splitlines())
    done = run(*shlex.split(command)[1:])
    assert done.exit_code == 0, done.output
    assert Path("study-levels.png").read_bytes() == Path("a.png").read_bytes()
    Path("study-levels.png").unlink()
    assert line.startswith(
        f"lakebatch.open_lake({study.storage.uri!r})['study@v1'].plot('levels', by='model', "
    )
    eval(line, {"lakebatch": lakebatch})  # noqa: S307 the line that is promised to work
    assert Path("study-levels.png").read_bytes() == Path("a.png").read_bytes()


def test_caption_is_written_beside_the_picture_and_into_every_format(study, tmp_path):
    picture = study["study"].plot("levels", on_gap="ignore")
    picture.save(tmp_path / "a.svg", caption=True)
    title, caption, facts = (tmp_path / "a.txt").read_text().split("\n\n")
    assert (title, caption) == (picture.title, picture.caption)
    assert [line.partition(": ")[0] for line in facts.splitlines()] == [
        "Lake", "Experiment", "State", "Dataset", "Assemblies", "Command", "Python", "Software",
    ]  # fmt: skip
    command = next(line for line in facts.splitlines() if line.startswith("Command: "))
    svg = (tmp_path / "a.svg").read_text()
    assert f"<dc:title>{title}</dc:title>" in svg
    assert f"<dc:relation>{command}; Python: " in svg
    pdf = picture.render("pdf")
    assert f"/Title ({title})".encode() in pdf
    assert b"/Keywords (Lake: " in pdf
    assert b"/Creator (lakebatch " in pdf
    picture.save(tmp_path / "b.svg")
    assert not (tmp_path / "b.txt").exists()


def test_origin_lists_few_assemblies_and_names_the_ends_of_many(study, monkeypatch):
    snapshot = study["study"].snapshot()
    monkeypatch.setattr("lakebatch.analysis.plots.origin.MAX_IDS", 2)
    first, _, last = snapshot.ids()
    assert Origin(snapshot, "levels", Options()).facts["Assemblies"] == f"3, from {first} to {last}"


def test_print_files_have_column_width_and_real_text(study, tmp_path):
    picture = study["study"].plot("levels")
    svg = picture.to_bytes(".svg").decode()
    assert ">initial+dynamic</text>" in svg
    width = float(re.search(r'width="([\d.]+)pt"', svg)[1])
    assert width / 72 * 25.4 == pytest.approx(89, abs=0.1)
    pdf = picture.to_bytes(".pdf")
    assert b"/FontFile2" in pdf
    assert b"/Type3" not in pdf
    wide = float(re.search(r'width="([\d.]+)pt"', picture.to_bytes(".svg", 120).decode())[1])
    assert wide / 72 * 25.4 == pytest.approx(120, abs=0.1)


def test_interactive_page_needs_no_network_and_carries_its_origin(study, tmp_path):
    picture = study["study"].plot("levels", on_gap="ignore")
    page = picture.save(tmp_path / "levels.html").read_text()
    assert not re.search(r"<(script|link|img)[^>]+(src|href)=", page)
    assert "<title>Pearson r by level and feature set" in page
    assert '<meta name="viewport" content="width=device-width' in page
    metas = dict(re.findall('<meta name="([^"]+)" content="([^"]*)">', page))
    assert metas["description"].startswith("Pearson r by level and feature set, study. It compares")
    assert metas["lakebatch:lake"] == study.storage.uri
    assert metas["lakebatch:command"].endswith("--on-gap ignore -o study-levels.html")
    assert f'<p id="caption">{html.escape(picture.caption)}</p>' in page
    assert f"<dt>Lake</dt><dd>{study.storage.uri}</dd>" in page


def test_intervals_of_several_lines_stand_apart_on_a_page(study):
    lines = [line for line in study["study"].plot("levels").interactive().data if line.error_y.array]
    (first, *_) = zip(*(line.x for line in lines), strict=True)
    assert len(set(first)) == len(lines) == 3
    assert lines[0].hovertext[0].startswith("0: 0.")


def test_notebook_shows_the_plot(study):
    bundle = study["study"].plot("levels")._repr_mimebundle_()
    assert bundle["image/png"][:4] == b"\x89PNG"
    assert bundle["text/plain"].startswith("Pearson r by level")


def test_colours_and_markers_tell_many_series_apart():
    looks = [(colour(slot), marker(slot)) for slot in range(64)]
    assert len(set(looks)) == 64
    assert (
        len(set(looks[:8]))
        == len({look[0] for look in looks[:8]})
        == len({look[1] for look in looks[:8]})
        == 8
    )
    assert len(COLOURS) == len(MARKERS)


def test_names_are_shown_unchanged(study):
    from lakebatch.analysis.plots.picture import Picture

    picture = study["study"].plot("levels")
    (panel,) = picture.chart.panels
    odd = "<b>a</b> $x$ & _y_"
    marks = tuple(
        replace(mark, name=odd) if isinstance(mark, Line) and mark.slot == 0 else mark for mark in panel.marks
    )
    changed = Picture("levels", replace(picture.chart, panels=(replace(panel, marks=marks),)))
    assert "&lt;b&gt;a&lt;/b&gt; $x$ &amp; _y_</text>" in changed.to_bytes(".svg").decode()
    assert changed.interactive().data[0].name == "&lt;b&gt;a&lt;/b&gt; $x$ &amp; _y_"


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"metric": "r3"}, "Unknown metric 'r3'"),
        ({"by": "colour"}, "Cannot colour by 'colour'"),
        ({"unit": "day"}, "Unknown unit 'day'"),
        ({"zoom": (1, 0)}, "The zoom is 1 to 0"),
    ],
)
def test_invalid_option_is_named(study, options, fault):
    with pytest.raises((ConfigError, UnknownNameError), match=fault):
        study["study"].plot("levels", **options)


def test_unknown_kind_and_file_are_named(study, tmp_path):
    with pytest.raises(UnknownNameError, match=r"Unknown picture 'level'. Did you mean 'levels'"):
        study["study"].plot("level")
    with pytest.raises(ConfigError, match=r"Expected a name that ends in .png, .svg, .pdf, .html"):
        study["study"].plot("levels").save(tmp_path / "a.jpg")


def test_command_draws_one_and_all(study, tmp_path, monkeypatch):
    done = run("--lake", study.storage.uri, "plot", "study", "--by", "model", "--zoom", 0, 1, "--on-gap", "ignore",
               "-o", tmp_path / "levels.png")  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "Pearson r by level and model" in done.stderr
    assert (tmp_path / "levels.png").read_bytes() == study["study"].plot(
        "levels", by="model", zoom=(0, 1), on_gap="ignore"
    ).to_bytes(".png")
    monkeypatch.chdir(tmp_path)
    assert (
        run("--lake", study.storage.uri, "plot", "study", "--kind", "boxes", "--on-gap", "ignore").exit_code
        == 0
    )
    assert (tmp_path / "study-boxes.png").stat().st_size
    done = run(
        "--lake", study.storage.uri, "plot", "study", "--kind", "all", "--zoom", 0, 1, "-o", tmp_path / "all"
    )
    assert done.exit_code == 0, done.output
    assert "Growth of the dataset, study. 3 completed assemblies" in done.stderr
    assert sorted(file.stem for file in (tmp_path / "all").iterdir()) == sorted(OF_RESULTS)
    assert "no network: Unknown experiment 'study'" in done.stderr


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        (["--kind", "all", "-o", "x.png"], "Cannot write all kinds to x.png: they are several files"),
        (["--format", "svg"], "--format is for --kind all"),
    ],
)
def test_file_for_all_kinds_and_a_format_for_one_are_refused(study, tmp_path, monkeypatch, options, fault):
    monkeypatch.chdir(tmp_path)
    done = run("--lake", study.storage.uri, "plot", "study", *options)
    assert done.exit_code == 2
    assert fault in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_missing_library_is_named_with_what_to_install(study, tmp_path):
    script = (
        "import sys; sys.modules['matplotlib'] = None; sys.modules['plotly'] = sys.modules['plotly.subplots'] = None\n"
        f"import lakebatch; lake = lakebatch.open_lake({str(study.storage.uri)!r})\n"
        "from lakebatch.errors import MissingDependencyError\n"
        "for ending in ('png', 'html'):\n"
        "    try: lake['study'].plot('levels', on_gap='ignore').save('x.' + ending)\n"
        "    except MissingDependencyError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout.count("pip install 'lakebatch[plots]'") == 2, done.stderr
    assert not list(tmp_path.glob("x.*"))


def test_quiet_command_writes_its_plot_and_prints_nothing(study, tmp_path):
    file = tmp_path / "levels.png"
    done = CliRunner().invoke(main, ["-q", "plot", "study", "--on-gap", "ignore", "-o", str(file)])
    assert (done.exit_code, done.output) == (0, "")
    assert file.stat().st_size > 10_000
