"""HTML representations in notebooks."""

import os
import re
from html import escape

import polars as pl
import pytest

from lakebatch import _html as notebook
from lakebatch import _process as process


def test_lake_snapshot_experiment_and_diff_show_as_tables(lake, stored, run):
    first = stored.assemblies()["assembly_id"][0]
    second = run("levels=[0, 0.5]").assembly_id
    for shown in (stored, stored.snapshot(), stored.diff(first, second)):
        html = shown._repr_html_()
        assert "<table" in html
        assert "0.5" in html or second in html
    for shown in (lake, lake.snapshot()):
        assert "<table" in shown._repr_html_()
        assert ">toy" in shown._repr_html_() or "&quot;toy&quot;" in shown._repr_html_()


def test_empty_lake_shows_as_an_empty_table(lake):
    assert "0 experiments, now" in lake.snapshot()._repr_html_()


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "a & b"])
def test_text_is_escaped(text):
    html = notebook.section(text, pl.DataFrame({"error": [text]}))
    assert text not in html
    assert html.count(escape(text)) == 2


def test_long_table_is_truncated_and_says_so():
    html = notebook.section("many", pl.DataFrame({"n": range(notebook.MAX_ROWS + 3)}))
    assert "3 more rows" in html


def test_experiment_and_snapshot_show_the_same_state_and_data_the_recorded_word(stored, plan):
    token = {"process_started": process.start_token(os.getpid())}
    running = stored.log.start(plan(environment=token), 0)
    interrupted = stored.log.record(stored.log.start(plan(), 0), "started")
    for shown in (stored, stored.snapshot()):
        html = shown._repr_html_()
        counts = [len(re.findall(rf"[>;]{word}[<&]", html)) for word in ("running", "interrupted", "started")]
        assert counts == [1, 1, 0]
    assert [stored.log.get(each.assembly_id).state for each in (running, interrupted)] == [
        "running",
        "interrupted",
    ]
    assert stored.assemblies()["status"].to_list() == ["completed", "started", "interrupted"]
    assert stored.status(running.assembly_id) == "started"
