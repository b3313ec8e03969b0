"""Frames as text: table, CSV, JSON, NDJSON or Markdown."""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any, Literal, TypeAlias

import polars as pl
from polars import selectors

from lakebatch._text import escape_controls, to_second
from lakebatch.cli.values import as_json, exact, is_finite

Format: TypeAlias = Literal["table", "csv", "json", "ndjson", "markdown"]
MAX_WIDTH = 100_000
GUTTER = 3
UNBROKEN_WIDTH = 24  # cells up to this width, such as an assembly's id or a time, stay in one line


def render(frame: pl.DataFrame, form: Format, *, max_rows: int | None = None) -> str:
    """Return a frame as text, without a line end.

    ``table`` and ``markdown`` are for people: times in UTC (Z) without fractions, numbers to six digits. The
    other formats are lossless: durations are ISO 8601, binary is hexadecimal, and NaN and infinity, which JSON
    lacks, are the strings "NaN", "Infinity" and "-Infinity" there. With ``max_rows``, a table shows that many rows
    and counts the others.

    >>> print(render(pl.DataFrame({"level": [0.0, 0.1], "model": ["a", None]}), "markdown"))
    | level | model |
    |---|---|
    | 0 | a |
    | 0.1 |  |
    """
    if form == "csv":
        return flatten(frame).write_csv().removesuffix("\n")
    if form in ("json", "ndjson"):
        return _json(exact(frame), lines=form == "ndjson")
    frame = exact(frame).with_columns(frame.select(selectors.duration()))
    return _markdown(frame) if form == "markdown" else _table(frame, max_rows)


def _json(frame: pl.DataFrame, *, lines: bool) -> str:
    """Return the rows as JSON, one per line or in one list; by polars where that is lossless."""
    if all(map(is_finite, frame)):
        return frame.write_ndjson().removesuffix("\n") if lines else frame.write_json()
    named = frame.with_columns(selectors.temporal().cast(pl.String)).iter_rows(named=True)
    rows = [as_json(row, separators=(",", ":")) for row in named]
    return "\n".join(rows) if lines else f"[{','.join(rows)}]"


def _table(frame: pl.DataFrame, max_rows: int | None) -> str:
    shown = frame if max_rows is None else frame.head(max_rows)
    cells = {name: [_cell(value) for value in shown[name].to_list()] for name in shown.columns}
    left_out = frame.height - shown.height
    more = f"\n{left_out} more rows; see them all with --format csv" if left_out else ""
    return _drawn(cells, frame.schema) + more


def _drawn(cells: dict[str, list[str]], schema: pl.Schema) -> str:
    """Return the cells as a table as wide as the terminal; short cells, such as ids, stay in one line."""
    from rich.cells import cell_len

    if not cells:
        return ""
    titled = {name: [_cell(name), *column] for name, column in cells.items()}
    widths = {name: max(map(cell_len, column)) for name, column in titled.items()}
    right = {name for name in cells if schema[name].is_numeric()}
    width = _width(widths.values())
    if sum(widths.values()) + GUTTER * (len(widths) - 1) <= width:
        return _aligned(titled, widths, right)
    return _folded(titled, widths, right, width)


def _aligned(cells: dict[str, list[str]], widths: dict[str, int], right: Collection[str]) -> str:
    """Return the cells, a title first in each column, as a table with one line per row."""
    columns = [_padded(column, widths[name], name in right) for name, column in cells.items()]
    head, *lines = ((" " * GUTTER).join(row).rstrip() for row in zip(*columns, strict=True))
    return "\n".join([head, "─" * (sum(widths.values()) + GUTTER * (len(widths) - 1)), *lines])


def _padded(column: list[str], width: int, is_right_aligned: bool) -> list[str]:
    from rich.cells import cell_len

    blanks = (" " * (width - cell_len(cell)) for cell in column)
    pairs = zip(blanks, column, strict=True)
    return [blank + cell if is_right_aligned else cell + blank for blank, cell in pairs]


def _folded(cells: dict[str, list[str]], widths: dict[str, int], right: Collection[str], width: int) -> str:
    """Return the cells, a title first in each column, as a table that wraps long cells."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name, (title, *_) in cells.items():
        side: Literal["left", "right"] = "right" if name in right else "left"
        table.add_column(
            Text(title), justify=side, overflow="fold", min_width=min(widths[name], UNBROKEN_WIDTH)
        )
    for row in zip(*(column[1:] for column in cells.values()), strict=True):
        table.add_row(*map(Text, row))
    text = io.StringIO()
    Console(file=text, width=width).print(table)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines())


def _width(widths: Iterable[int]) -> int:
    """Return the width of a table: the terminal's, or more if short cells need it."""
    if not sys.stdout.isatty():
        return MAX_WIDTH
    return max(
        shutil.get_terminal_size().columns, sum(min(width, UNBROKEN_WIDTH) + GUTTER for width in widths)
    )


def _markdown(frame: pl.DataFrame) -> str:
    rows = [[_plain(_cell(value)) for value in row] for row in (frame.columns, *frame.iter_rows())]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], f"|{'---|' * frame.width}", *lines[1:]])


def _plain(text: str) -> str:
    """Return the text with Markdown's cell separators, HTML and links escaped."""
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "\\<").replace("](", "]\\(")


def _cell(value: Any) -> str:
    """Return one value for people; nothing for NULL."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, datetime):
        return to_second(value)
    if isinstance(value, list):
        return ", ".join(_cell(each) for each in value)
    if isinstance(value, dict):
        return ", ".join(f"{_cell(key)}: {_cell(each)}" for key, each in value.items())
    return escape_controls(str(value).replace("\n", " "))


def flatten(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the frame with strings for all types that CSV lacks: lists and structs are JSON."""
    frame = exact(frame)
    lists = [name for name, dtype in frame.schema.items() if dtype.is_nested()]
    return frame.with_columns(
        pl.Series(
            name,
            [None if value is None else as_json(value) for value in frame[name].to_list()],
            dtype=pl.String,
        )
        for name in lists
    )


def byte_size(count: float) -> str:
    """Return a number of bytes for people.

    >>> byte_size(1234567)
    '1.2 MB'
    """
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
