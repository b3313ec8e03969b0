"""Frames as text: table, CSV, JSON, NDJSON or Markdown."""

from __future__ import annotations

import io
import shutil
import sys
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Literal, TypeAlias

import polars as pl
from polars import selectors

from lakebatch._text import escape_controls, to_second
from lakebatch.cli.values import as_json, exact, is_finite

Format: TypeAlias = Literal["table", "csv", "json", "ndjson", "markdown"]
MAX_WIDTH = 100_000
GUTTER, NARROW_GUTTER = 3, 2  # blanks between columns, and those of tables that would be too wide
UNBROKEN_WIDTHS = (24, 20, 16, 12)
# Cells up to the first width, such as an assembly's id or a time, stay in one line; in tables that would still be
# too wide, cells up to one of the next widths.
MAX_BLOCKS = 20  # of tables with too many columns for the terminal, whose rows are blocks


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
    """Return a table, or one block per row if the terminal is too narrow for the columns."""
    shown = frame if max_rows is None else frame.head(max_rows)
    text = _drawn(_columns(shown))
    if text is None:
        shown = shown.head(MAX_BLOCKS)
        text = _blocks(_columns(shown))
    left_out = frame.height - shown.height
    return f"{text}\n{left_out} more rows; see them all with --format csv" if left_out else text


def _columns(frame: pl.DataFrame) -> list[_Column]:
    return [
        _Column(
            _cell(name), [_cell(value) for value in frame[name].to_list()], frame.schema[name].is_numeric()
        )
        for name in frame.columns
    ]


@dataclass(frozen=True)
class _Column:
    """A column of a table: its title and its cells."""

    title: str
    cells: list[str]
    is_number: bool

    @cached_property
    def width(self) -> int:
        """The width of the widest cell, the title included."""
        return _widest([self.title, *self.cells])

    @cached_property
    def unbroken_width(self) -> int:
        """The width in which no cell is broken, and the title only after an underscore."""
        return _widest([*_words(self.title), *self.cells])

    @property
    def is_empty(self) -> bool:
        """Whether there are cells and none has a value."""
        return bool(self.cells) and not any(self.cells)


def _widest(texts: Iterable[str]) -> int:
    from rich.cells import cell_len

    return max(map(cell_len, texts), default=0)


def _words(title: str) -> list[str]:
    """Return the words of a title, each with its underscore.

    >>> _words("parts_planned")
    ['parts_', 'planned']
    """
    return title.replace("_", "_ ").split()


def _drawn(columns: list[_Column]) -> str | None:
    """Return a table no wider than the terminal; nothing if it has too many columns.

    If it would be too wide, columns come closer, those without a value are left out and named, and long cells are
    broken; short ones, such as ids, only where nothing else is left.
    """
    terminal = shutil.get_terminal_size().columns if sys.stdout.isatty() else MAX_WIDTH
    if _total([each.width for each in columns], GUTTER) <= terminal:
        return _aligned(columns, GUTTER)
    filled, note = _filled(columns)
    if _total([each.width for each in filled], NARROW_GUTTER) <= terminal:
        return _aligned(filled, NARROW_GUTTER) + note
    for limit in UNBROKEN_WIDTHS:
        widths = [min(each.unbroken_width, limit) for each in filled]
        if _total(widths, NARROW_GUTTER) <= terminal:
            return _folded(filled, widths, terminal) + note
    return None


def _blocks(columns: list[_Column]) -> str:
    """Return each row as a block with a line per column."""
    filled, note = _filled(columns)
    titles = _padded([each.title for each in filled], is_number=False)
    rows = zip(*(each.cells for each in filled), strict=True)
    blocks = (
        [f"row {number}", *(f"  {title}  {cell}" for title, cell in zip(titles, row, strict=True))]
        for number, row in enumerate(rows, 1)
    )
    return "\n".join(line for block in blocks for line in block) + note


def _filled(columns: list[_Column]) -> tuple[list[_Column], str]:
    """Return the columns with a value in some row, and a line that names the others."""
    empty = [each.title for each in columns if each.is_empty]
    note = f"\nWithout a value: {', '.join(empty)}" if empty else ""
    return [each for each in columns if not each.is_empty], note


def _total(widths: list[int], gutter: int) -> int:
    return sum(widths) + gutter * (len(widths) - 1)


def _aligned(columns: list[_Column], gutter: int) -> str:
    """Return a table with one line per row."""
    if not columns:
        return ""
    padded = [_padded([each.title, *each.cells], each.is_number) for each in columns]
    head, *lines = ((" " * gutter).join(row).rstrip() for row in zip(*padded, strict=True))
    return "\n".join([head, "─" * _total([each.width for each in columns], gutter), *lines])


def _padded(texts: list[str], is_number: bool) -> list[str]:
    """Return texts filled with blanks to the width of the widest, numbers to the right."""
    from rich.cells import cell_len

    width = _widest(texts)
    blanks = (" " * (width - cell_len(text)) for text in texts)
    pairs = zip(blanks, texts, strict=True)
    return [blank + text if is_number else text + blank for blank, text in pairs]


def _folded(columns: list[_Column], min_widths: list[int], width: int) -> str:
    """Return a table that breaks cells which are wider than their column."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, padding=(0, NARROW_GUTTER - 1, 0, 0), pad_edge=False, show_edge=False)
    for column, min_width in zip(columns, min_widths, strict=True):
        side: Literal["left", "right"] = "right" if column.is_number else "left"
        title = "\n".join(
            textwrap.wrap(" ".join(_words(column.title)), max(min_width, _widest(column.cells)))
        )
        table.add_column(Text(title.replace("_ ", "_")), justify=side, overflow="fold", min_width=min_width)
    for row in zip(*(each.cells for each in columns), strict=True):
        table.add_row(*map(Text, row))
    text = io.StringIO()
    Console(file=text, width=width).print(table)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines())


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
