"""Frames as files and as printed text."""

import io
import json
import math
import os
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import polars as pl
import pytest

from lakebatch.cli.render import render
from lakebatch.errors import ConfigError, SchemaError, StorageError
from lakebatch.snapshot import write_file as output

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
def test_file_keeps_every_value_and_type(tmp_path, ending):
    output.write([FRAME], tmp_path / f"rows{ending}")
    back = READERS[ending](tmp_path / f"rows{ending}")
    assert back.schema == FRAME.schema
    assert back.equals(FRAME)


def test_csv_file_keeps_every_number_and_string(tmp_path):
    output.write([FRAME], tmp_path / "rows.csv")
    back = pl.read_csv(tmp_path / "rows.csv")
    assert back.drop("at").equals(FRAME.drop("at"))


@pytest.mark.parametrize("name", ["rows.txt", "rows", "rows.parquet.gz"])
def test_unknown_file_extension_is_refused(tmp_path, name):
    with pytest.raises(
        ConfigError, match=f"Cannot write .*{name}. Expected a name that ends in .parquet, .csv, .arrow"
    ):
        output.write([FRAME], tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_file_in_a_missing_folder_is_one_clear_line(tmp_path):
    with pytest.raises(StorageError, match=r"^Cannot write .*/none/rows.csv: .*No such file or directory"):
        output.write([FRAME], tmp_path / "none" / "rows.csv")


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("folder.csv", "there is a folder of that name"),
        ("pipe.csv", "there is a device, pipe or socket of that name"),
        ("file/rows.csv", "Not a directory"),
        ("x" * 300 + ".csv", "File name too long"),
        ("nul\0.csv", "embedded null byte"),
    ],
)
def test_unwritable_path_is_refused_before_anything_is_read(tmp_path, name, fault):
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe.csv")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(StorageError, match=f"^Cannot write .*: .*{fault}"):
        output.write((pytest.fail("read") for _ in range(1)), tmp_path / name)
    assert sorted(tmp_path.iterdir()) == before


def test_link_and_permissions_are_kept(tmp_path):
    real, link = tmp_path / "real.csv", tmp_path / "link.csv"
    real.touch(mode=0o600)
    link.symlink_to(real)
    output.write([FRAME], link)
    assert link.is_symlink()
    assert (real.read_bytes()[:5], real.stat().st_mode & 0o777) == (b"level", 0o600)
    longest = tmp_path / ("x" * 246 + ".csv")
    output.write([FRAME], longest)
    assert sorted(tmp_path.iterdir()) == sorted([real, link, longest])


def test_file_is_replaced_only_when_fully_written(tmp_path, monkeypatch):
    file = tmp_path / "rows.csv"
    output.write([FRAME], file)
    before = file.read_bytes()

    def fail_halfway(frame, target, ending, about):
        target.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(output, "_write", fail_halfway)
    with pytest.raises(StorageError, match="No space left on device"):
        output.write([FRAME.head(1)], file)
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


def test_csv_text_keeps_every_number_and_string():
    back = pl.read_csv(io.StringIO(render(FRAME, "csv")))
    assert back.drop("at").equals(FRAME.drop("at"))


def test_csv_text_keeps_empty_rows_at_the_end():
    assert render(pl.DataFrame({"error": ["x", None, None]}), "csv").count("\n") == 3


def test_csv_text_writes_lists_as_json():
    frame = pl.DataFrame({"values": [[0.5, None], None]})
    assert render(frame, "csv").splitlines()[1] == '"[0.5, null]"'


def test_json_text_keeps_every_number():
    back = json.loads(render(FRAME, "json"))
    assert [row["level"] for row in back] == [0.0, 0.1234567890123, None]
    assert back[2]["n"] == 9_007_199_254_740_993
    assert [json.loads(line) for line in render(FRAME, "ndjson").splitlines()] == back


@pytest.mark.parametrize("form", ["json", "ndjson", "csv", "table", "markdown"])
def test_text_without_rows_is_valid(form):
    text = render(FRAME.clear(), form)
    assert text == {"json": "[]", "ndjson": ""}.get(form, text)
    if form in ("csv", "table", "markdown"):
        assert all(name in text for name in FRAME.columns)


@pytest.mark.parametrize(
    ("values", "dtype", "texts"),
    [
        ([1.5, math.inf, -math.inf, math.nan, None], pl.Float64, [1.5, "Infinity", "-Infinity", "NaN", None]),
        ([[0.5, math.nan], [], None], pl.List(pl.Float64), [[0.5, "NaN"], [], None]),
        ([{"a": math.inf}, None], pl.Struct({"a": pl.Float32}), [{"a": "Infinity"}, None]),
        ([timedelta(seconds=1.5), None], pl.Duration("us"), ["PT1.5S", None]),
        ([[timedelta(days=-1)], []], pl.List(pl.Duration("us")), [["-P1D"], []]),
        ([b"\xff\x00", None], pl.Binary, ["ff00", None]),
        ([[b"\xff"], None, [None]], pl.List(pl.Binary), [["ff"], None, [None]]),
        (
            [{"a": b"\xff", "b": 1}, None],
            pl.Struct({"a": pl.Binary, "b": pl.Int8}),
            [{"a": "ff", "b": 1}, None],
        ),
        ([Decimal("12345678901234567890.10"), None], pl.Decimal(38, 2), ["12345678901234567890.10", None]),
        ([2**64 - 1], pl.UInt64, [2**64 - 1]),
    ],
)
@pytest.mark.parametrize("beside", [1.0, math.inf])
def test_json_text_loses_nothing_of_any_type(values, dtype, texts, beside):
    frame = pl.DataFrame({"x": pl.Series(values, dtype=dtype), "beside": beside})
    found = json.loads(render(frame, "json"), parse_constant=pytest.fail)
    assert [row["x"] for row in found] == texts
    assert [json.loads(line) for line in render(frame, "ndjson").splitlines()] == found


def test_times_are_printed_the_same_beside_infinity():
    frame = pl.DataFrame(
        {"at": [FRAME["at"][0]], "ns": pl.Series([1], dtype=pl.Datetime("ns", "UTC")), "x": [math.inf]}
    )
    (row,) = json.loads(render(frame, "json"))
    assert datetime.fromisoformat(row["at"]) == FRAME["at"][0]
    assert row["ns"] == "1970-01-01 00:00:00.000000001+00:00"


def test_csv_text_and_file_lose_nothing_of_any_type(tmp_path):
    frame = pl.DataFrame(
        {
            "float": [math.inf, math.nan],
            "binary": [b"\xff", None],
            "duration": [timedelta(seconds=1), None],
            "nested": [[{"a": math.nan, "b": b"\x01"}], None],
        }
    )
    lines = ["float,binary,duration,nested", 'inf,ff,PT1S,"[{""a"": ""NaN"", ""b"": ""01""}]"', "NaN,,,"]
    assert render(frame, "csv").splitlines() == lines
    output.write([frame], tmp_path / "rows.csv")
    assert (tmp_path / "rows.csv").read_text().splitlines() == lines


@pytest.mark.parametrize("form", ["csv", "json", "ndjson", "table", "markdown"])
@pytest.mark.parametrize(
    ("number", "dtype", "text"),
    [
        (2**31 - 1, pl.Date, "infinity"),
        (1 - 2**31, pl.Date, "-infinity"),
        (2**31 - 9, pl.Date, "2147483639 days from 1970-01-01"),
        (2**63 - 1, pl.Datetime("us", "UTC"), "infinity"),
        (10**18, pl.Datetime("us", "UTC"), "+33658-09-27 01:46:40.000000+00:00"),
    ],
)
def test_date_out_of_range_is_a_string(form, number, dtype, text):
    column = pl.Series([number, 0, None]).cast(pl.Int32 if dtype == pl.Date else pl.Int64).cast(dtype)
    shown = render(pl.DataFrame({"x": column}), form)
    assert text in shown
    assert text in render(pl.DataFrame({"x": [column]}), form)
    assert "1970-01-01" in shown


def test_file_format_without_a_type_is_refused_in_one_line(tmp_path):
    with pytest.raises(
        SchemaError, match=r"^Cannot write .*rows.parquet: .*Cast that column, or write another form"
    ):
        output.write([pl.DataFrame({"x": pl.Series([1], dtype=pl.Int128)})], tmp_path / "rows.parquet")
    assert list(tmp_path.iterdir()) == []


def test_table_is_for_people():
    text = render(FRAME, "table")
    assert "0.1235" in text
    assert "2026-11-23 14:22:30" in text
    assert "123456789" not in text
    assert "None" not in text


def test_table_in_another_time_zone_is_shown_in_utc():
    frame = FRAME.select(pl.col("at").dt.convert_time_zone("Asia/Tokyo"))
    assert "2026-11-23 14:22:30" in render(frame, "table")


def test_table_shows_markup_unchanged():
    assert "[bold]x[/bold]" in render(pl.DataFrame({"text": ["[bold]x[/bold]"]}), "table")


def test_markdown_cells_stay_in_their_columns():
    text = render(pl.DataFrame({"a": ["x|y", "two\nlines"], "b": [1, 2]}), "markdown")
    assert text.splitlines() == ["| a | b |", "|---|---|", "| x\\|y | 1 |", "| two lines | 2 |"]
