"""Tables on terminals of several widths: what is folded, cut, left out and named, and which colours states have."""

import os
import re
import shutil
import sys
from datetime import UTC, datetime

import polars as pl
import pytest

from lakebatch.cli.cells import cell
from lakebatch.cli.main import main
from lakebatch.cli.render import render, with_sizes

WIDTHS = (80, 100, 160)
ESCAPE = re.compile("\x1b\\[[0-9;]*m")
IDS = ["20261127_212323_run001", "20261127_212411_run002"]
EVENTS = pl.DataFrame(
    {
        "assembly_id": IDS,
        "at": [
            datetime(2026, 11, 27, 21, 23, 23, tzinfo=UTC),
            datetime(2026, 11, 27, 22, 23, 23, tzinfo=UTC),
        ],
        "parts_planned": [6, 12],
        "error": pl.Series([None, None], dtype=pl.String),
        "commit": ["60340241def9", None],
    }
)
FITS = pl.DataFrame(
    {
        "assembly_id": IDS[:1] * 30,
        "part": ["level=0.1"] * 30,
        "level": [0.1] * 30,
        "feature_set": ["initial", "initial+dynamic"] * 15,
        "model": ["gradient_boosting_20", "linear_regression", "support_vector"] * 10,
        "repeat": list(range(30)),
        "mse": [41.7134711 + number for number in range(30)],
        "r2": [-0.123456789 * number for number in range(30)],
        "pearson_r": [0.3312345 / (1 + number) for number in range(30)],
        "pearson_p": [1.234567e-12 * 10**number for number in range(0, 60, 2)],
        "fit_seconds": [0.00071234 * number for number in range(30)],
        "error": pl.Series([None] * 30, dtype=pl.String),
    }
)


@pytest.fixture
def terminal(monkeypatch):
    """Return a function that makes standard output a terminal of a width, without colour unless asked."""
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")

    def resize(width, colour=False):
        if colour:
            monkeypatch.delenv("NO_COLOR")
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
        monkeypatch.setattr(shutil, "get_terminal_size", lambda *_: os.terminal_size((width, 24)))

    return resize


@pytest.fixture
def command(terminal, capsys):
    """Return a function that runs a command on a terminal of a width, and returns its lines."""

    def run(width, *words, colour=False):
        terminal(width, colour)
        main.main(list(words), standalone_mode=False)
        return capsys.readouterr().out.splitlines()

    return run


def lines_of(frame, **options):
    return render(frame, "table", **options).splitlines()


def test_table_in_a_pipe_has_every_column_and_every_row():
    lines = lines_of(FITS)
    assert len(lines) == 32
    assert lines[0].split() == FITS.columns
    assert lines_of(pl.DataFrame()) == []


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("frame", [FITS, EVENTS, FITS.head(1), FITS.head(2)], ids=range(4))
def test_table_is_no_wider_than_the_terminal_and_names_each_column(terminal, width, frame):
    terminal(width)
    text = render(frame, "table", max_rows=20)
    assert max(map(len, text.splitlines())) <= width
    words = set(re.findall(r"[a-z_0-9]+", text.replace("_\n", "_")))
    heads = "".join(line for line in text.splitlines()[:3])
    assert [name for name in frame.columns if name not in words and name.split("_")[0] not in heads] == []
    assert "Without a value: error" in text


def test_constant_columns_become_a_note_before_any_column_is_left_out(terminal):
    terminal(80)
    text = render(FITS, "table", max_rows=20)
    assert f"The same in these rows: assembly_id {IDS[0]}, part level=0.1" in text
    assert "Too wide for the terminal: pearson_p, fit_seconds; see them with --format csv" in text
    assert "gradient_boosting_20" in text
    assert text.splitlines()[-1] == "10 more rows; see them all with --format csv"
    terminal(160)
    assert "Too wide" not in render(FITS, "table", max_rows=20)


def test_long_ids_keep_both_ends_and_sentences_break_between_words(terminal):
    terminal(40)
    frame = pl.DataFrame(
        {"assembly_id": IDS, "note": ["the pump was off for a while", "a/very/long/path/to/a.csv"]}
    )
    assert lines_of(frame) == [
        "assembly_id             note",
        "────────────────────────────────────────",
        "20261127_212323_run001  the pump was off",
        "                        for a while",
        "20261127_212411_run002  a/very/l…o/a.csv",
    ]


def test_long_texts_are_cut_where_there_are_many(terminal):
    terminal(40)
    frame = pl.DataFrame({"note": ["words " * 60] * 6, "n": list(range(6))})
    lines = lines_of(frame)
    assert len(lines) == 2 + 6 * 3
    assert sum(line.rstrip(" 0123456789").endswith("…") for line in lines) == 6


def test_titles_are_broken_before_cells(terminal):
    terminal(24)
    frame = pl.DataFrame({"parts_planned": [6, 7], "assembly_id": ["20261127_run001", "20261127_run002"]})
    assert lines_of(frame)[:4] == [
        " parts_",
        "planned  assembly_id",
        "────────────────────────",
        "      6  20261127_run001",
    ]


def test_one_row_with_too_many_columns_is_a_block(terminal):
    terminal(80)
    lines = lines_of(pl.DataFrame({f"column{i:02}": ["x" * 12] for i in range(9)}))
    assert lines[:3] == ["row 1", "  column00  xxxxxxxxxxxx", "  column01  xxxxxxxxxxxx"]
    assert len(lines) == 10


def test_table_states_the_number_of_omitted_rows():
    frame = pl.DataFrame({"x": list(range(5))})
    assert lines_of(frame, max_rows=4)[-1] == "1 more row; see them all with --format csv"
    earlier = lines_of(frame, max_rows=3, keep="last")
    assert (earlier[2], earlier[-1]) == ("2", "2 earlier rows; see them all with --format csv")
    assert "more row" not in render(frame, "table", max_rows=5) + render(frame, "table")


def test_numbers_have_four_digits_and_their_points_in_one_line():
    frame = pl.DataFrame(
        {"r": [0.71417638, -0.0323779, 12345.678, 0.0, None], "level": [0.05, 0.1, 1.0, 0.12345, 2.0]}
    )
    assert lines_of(frame)[2:] == [
        "    0.7142    0.05",
        "   -0.03238   0.1",
        "12346         1",
        "    0         0.12345",
        "              2",
    ]
    assert render(frame, "csv").splitlines()[1] == "0.71417638,0.05"


def test_sizes_are_for_people():
    assert lines_of(with_sizes(pl.DataFrame({"bytes": [1_234_567, 12]})))[2:] == ["1.2 MB", "  12 B"]


def test_secret_is_withheld_before_a_cell_is_cut(terminal, monkeypatch):
    monkeypatch.setenv("NTFY_TOKEN", "a-very-long-token-of-somebody")
    terminal(24)
    text = render(
        pl.DataFrame({"t": ["https://example.org/a-very-long-token-of-somebody/x"], "n": [1]}), "table"
    )
    assert "a-very" not in text
    assert "somebody" not in text


def test_states_have_colours_on_a_terminal_only(terminal, monkeypatch):
    frame = pl.DataFrame({"state": ["failed", "interrupted", "running", "completed", "discarded"]})
    terminal(80, colour=True)
    codes = [re.findall("\x1b\\[([0-9;]+)m", line)[0] for line in lines_of(frame)[2:]]
    assert codes == ["31", "33", "36", "32", "2"]
    for variable, value in (("NO_COLOR", "1"), ("TERM", "dumb")):
        with monkeypatch.context() as patch:
            patch.setenv(variable, value)
            assert "\x1b" not in render(frame, "table")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: False)
    assert "\x1b" not in render(frame, "table")
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[31mfailed" in render(frame, "table")
    assert "\x1b" not in render(frame, "json") + render(frame, "csv") + render(frame, "markdown")


COMMANDS = (
    ["status"],
    ["history", "study"],
    ["diff", "study", "5", "now"],
    ["list"],
    ["queries"],
    ["config", "study"],
    ["replicates", "study"],
    ["completeness", "study", "--all"],
    ["du"],
    ["optimize"],
    ["reassemble", "study"],
    ["sql", "SELECT * FROM lake.assemblies"],
    ["sql", "--query", "summary", "--param", "experiment=study"],
)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("width", WIDTHS)
def test_no_command_prints_a_line_wider_than_the_terminal(study, command, width):
    for words in COMMANDS:
        lines = command(width, *words)
        assert lines, words
        assert max(map(len, lines)) <= width, words
        rows = [line for line in lines if re.search(r"run\d{3}  ", line)]
        assert len(rows) <= 21, words


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("width", WIDTHS)
def test_page_of_an_assembly_fits_the_terminal(study, command, width):
    ids = study["study"].assemblies()["assembly_id"].to_list()
    failed = command(width, "status", "study", ids[3])
    assert max(map(len, failed)) <= width
    text = "\n".join(failed)
    assert failed[0] == f"{ids[3]} of study@v1 is failed"
    assert "level=0.3: ValueError: no | convergence" in text
    assert "    ValueError: no | convergence" in text
    assert "Config (closest to the defaults; * marks the 2 keys that differ)" in text
    assert "* fail: [0.3]  (default: [])" in text
    assert f"lakebatch resume study {ids[3]}" in text
    assert f"lakebatch logs study {ids[3]} --level ERROR" in text
    whole = command(width, "status", "study", ids[0], colour=True)
    assert f"{ids[0]} of study@v1 is \x1b[32mcompleted\x1b[0m" == whole[0]
    assert max(len(ESCAPE.sub("", line)) for line in whole) <= width


def test_equal_values_are_converted_once():
    """A table of ten thousand assemblies has few states, and conversions are most of its time."""
    calls = []

    def note(frame, event, _):
        if event == "call" and frame.f_code is cell.__code__:
            calls.append(frame.f_locals["value"])

    found = pl.DataFrame({"state": ["completed", None] * 50, "rows": [250] * 100, "parts": [[1, 2]] * 100})
    sys.setprofile(note)
    try:
        lines = render(found, "table").splitlines()
    finally:
        sys.setprofile(None)
    assert lines[2:4] == ["completed    250   1, 2", "             250   1, 2"]
    assert (calls.count("completed"), calls.count(None), calls.count(250)) == (1, 1, 1)
