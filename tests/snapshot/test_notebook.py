"""HTML representations in notebooks."""

from html import escape

import polars as pl
import pytest

from lakebatch import _html as notebook


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
