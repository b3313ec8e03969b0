"""Frames as files and as text."""

import io
import json
from datetime import UTC, datetime

import polars as pl
import pytest

from lakebatch import output
from lakebatch import render as rendering
from lakebatch.errors import ConfigError, StorageError
from lakebatch.render import render

FRAME = pl.DataFrame(
    {
        "level": [0.0, 0.1234567890123, None],
        "n": [1, 2, 9_007_199_254_740_993],
        "text": ["a, b", 'say "x"', None],
        "at": pl.Series(
            [datetime(2026, 11, 23, 14, 22, 30, 123456, tzinfo=UTC)] * 3, dtype=pl.Datetime("us", "UTC")
        ),
    }
)
READERS = {".parquet": pl.read_parquet, ".arrow": pl.read_ipc}


@pytest.mark.parametrize("ending", READERS)
def test_file_gives_back_every_value_and_type(tmp_path, ending):
    output.write([FRAME], tmp_path / f"rows{ending}")
    back = READERS[ending](tmp_path / f"rows{ending}")
    assert back.schema == FRAME.schema
    assert back.equals(FRAME)


def test_csv_file_gives_back_every_number_and_text(tmp_path):
    output.write([FRAME], tmp_path / "rows.csv")
    back = pl.read_csv(tmp_path / "rows.csv")
    assert back.drop("at").equals(FRAME.drop("at"))


@pytest.mark.parametrize("name", ["rows.txt", "rows", "rows.parquet.gz"])
def test_file_of_an_unknown_ending_is_refused(tmp_path, name):
    with pytest.raises(
        ConfigError, match=f"Cannot write .*{name}. Expected a name that ends in .parquet, .csv, .arrow"
    ):
        output.write([FRAME], tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_file_in_a_folder_that_is_not_there_is_one_clear_line(tmp_path):
    with pytest.raises(StorageError, match=r"^Cannot write .*/none/rows.csv: .*No such file or directory"):
        output.write([FRAME], tmp_path / "none" / "rows.csv")


def test_file_is_replaced_only_when_all_is_written(tmp_path, monkeypatch):
    file = tmp_path / "rows.csv"
    output.write([FRAME], file)
    before = file.read_bytes()

    def fail_halfway(frame, target, ending):
        target.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(output, "_write", fail_halfway)
    with pytest.raises(StorageError, match="No space left on device"):
        output.write([FRAME.head(1)], file)
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


def test_csv_text_gives_back_every_number_and_text():
    back = pl.read_csv(io.StringIO(render(FRAME, "csv")))
    assert back.drop("at").equals(FRAME.drop("at"))


def test_csv_text_keeps_empty_rows_at_the_end():
    assert render(pl.DataFrame({"error": ["x", None, None]}), "csv").count("\n") == 3


def test_csv_text_has_lists_as_json():
    frame = pl.DataFrame({"values": [[0.5, None], None]})
    assert render(frame, "csv").splitlines()[1] == '"[0.5, null]"'


def test_json_text_gives_back_every_number():
    back = json.loads(render(FRAME, "json"))
    assert [row["level"] for row in back] == [0.0, 0.1234567890123, None]
    assert back[2]["n"] == 9_007_199_254_740_993
    assert [json.loads(line) for line in render(FRAME, "ndjson").splitlines()] == back


@pytest.mark.parametrize("form", ["json", "ndjson", "csv", "table", "markdown"])
def test_text_of_no_rows_is_still_text(form):
    text = render(FRAME.clear(), form)
    assert text == {"json": "[]", "ndjson": ""}.get(form, text)
    if form in ("csv", "table", "markdown"):
        assert all(name in text for name in FRAME.columns)


def test_table_is_for_people():
    text = render(FRAME, "table")
    assert "0.123457" in text
    assert "2026-11-23 14:22:30" in text
    assert "123456789" not in text
    assert "None" not in text


def test_table_in_another_time_zone_is_shown_in_utc():
    frame = FRAME.select(pl.col("at").dt.convert_time_zone("Asia/Tokyo"))
    assert "2026-11-23 14:22:30" in render(frame, "table")


@pytest.mark.parametrize("columns", [{}, {"a": []}, {"über": ["ä", None, "東京"], "n": [1.5, None, -2]}])
def test_table_with_room_for_all_is_drawn_as_one_whose_long_texts_are_broken(columns, monkeypatch):
    frame = pl.DataFrame(columns, strict=False)
    drawn = render(frame, "table")
    monkeypatch.setattr(rendering, "_aligned", lambda *cells: rendering._folded(*cells, rendering.WIDE))
    assert drawn == render(frame, "table")


def test_table_says_how_many_rows_it_leaves_out():
    frame = pl.DataFrame({"x": list(range(5))})
    assert render(frame, "table", most=3).splitlines()[-1] == "2 more rows; see them all with --format csv"
    assert "more rows" not in render(frame, "table", most=5)
    assert "more rows" not in render(frame, "table")


def test_table_shows_marks_of_other_languages_as_they_are():
    assert "[bold]x[/bold]" in render(pl.DataFrame({"text": ["[bold]x[/bold]"]}), "table")


def test_markdown_cells_stay_in_their_columns():
    text = render(pl.DataFrame({"a": ["x|y", "two\nlines"], "b": [1, 2]}), "markdown")
    assert text.splitlines() == ["| a | b |", "|---|---|", "| x\\|y | 1 |", "| two lines | 2 |"]
