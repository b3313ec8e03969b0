"""Tables for people, no wider than the terminal: columns closer together, cells folded, columns left out and named."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, TypeAlias

import polars as pl

from lakebatch._text import redact
from lakebatch.cli.cells import MAX_LINES, align_at_point, cell, elide, fill, fold, numbers, widest, width_of
from lakebatch.cli.colours import STATE_TITLES, paint, paint_state, shows_colour

Rows: TypeAlias = Literal["first", "last"]
GUTTER, NARROW_GUTTER = 3, 2  # blanks between columns, and those of tables that would be too wide
LIMITS = (60, 48, 40, 32, 24, 20, 16)
# Width that each cell has at most; ids and times, which are shorter than the last but two, are cut last.
WHOLE_LIMITS = LIMITS[:-1]
# The same where columns are left out: rather one column more than cut names.
FEW_ROWS, LINES_OF_FEW = 5, 8  # cells of so few rows can have so many lines
MAX_BLOCKS = 3  # rows that are blocks where the terminal is too narrow for the columns
ALL_ROWS = "--format csv"
# option with which every command prints all rows and columns


@dataclass(frozen=True)
class Column:
    """A column of a table: its title and its cells."""

    title: str
    cells: list[str]
    is_number: bool

    @cached_property
    def widest_cell(self) -> int:
        """The width of the widest cell."""
        return widest(set(self.cells))

    @cached_property
    def width(self) -> int:
        """The width of the widest cell, the title included."""
        return max(width_of(self.title), self.widest_cell)

    @cached_property
    def min_width(self) -> int:
        """The width in which no cell is broken, and the title only after an underscore."""
        return max(widest(_words(self.title)), self.widest_cell)

    @property
    def is_empty(self) -> bool:
        """Whether there are cells and none has a value."""
        return bool(self.cells) and not any(map(str.strip, self.cells))

    @property
    def is_constant(self) -> bool:
        """Whether there are several cells and all have one value."""
        return len(self.cells) > 1 and len(set(self.cells)) == 1

    def width_within(self, limit: int) -> int:
        """Return the width of the column where cells have at most a width; numbers are never cut."""
        return self.min_width if self.is_number else min(self.min_width, limit)


def draw(
    frame: pl.DataFrame, max_rows: int | None = None, keep: Rows = "first", all_rows: str = ALL_ROWS
) -> str:
    """Return a table that fits the terminal, without a line end.

    Parameters
    ----------
    max_rows : int, optional
        Number of rows to show; the others are counted.
    keep : {"first", "last"}
        Rows to show.
    all_rows : str
        Option that prints all rows.
    """
    shown = frame
    if max_rows is not None:
        shown = frame.head(max_rows) if keep == "first" else frame.tail(max_rows)
    lines, hidden = _fitted(_columns(shown))
    left_out = frame.height - shown.height
    if left_out:
        which = "more" if keep == "first" else "earlier"
        rows = "row" if left_out == 1 else "rows"
        hidden = [*hidden, f"{left_out} {which} {rows}; see them all with {all_rows}"]
    is_coloured = shows_colour(sys.stdout)
    notes = [line for note in hidden for line in _note(note)]
    return "\n".join([*lines, *(paint(each, "dim") if is_coloured else each for each in notes)])


def fits(frame: pl.DataFrame, width: int) -> bool:
    """Whether a table is readable in a width: no column is left out, and only long texts are broken."""
    return bool(_within(_without_empty(_columns(frame))[0], width, LIMITS[:1]))


def terminal_width() -> int | None:
    """Return the width of the terminal; nothing where standard output is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def _note(text: str) -> list[str]:
    width = terminal_width()
    return [text] if width is None else fold(text, width, max_lines=4)


def _columns(frame: pl.DataFrame) -> list[Column]:
    return [_column(cell(name), frame[name]) for name in frame.columns]


def _column(title: str, values: pl.Series) -> Column:
    texts = numbers(values.to_list()) if values.dtype.is_float() else _cells(values)
    if terminal_width() is not None:  # cells can be cut, and a part of a secret is not found
        texts = list(map(redact, texts))
    is_number = values.dtype.is_numeric()
    return Column(title, align_at_point(texts) if is_number else texts, is_number)


def _cells(values: pl.Series) -> list[str]:
    """Return the cells of a column, each different value converted once: in tables of thousands of rows most repeat."""
    if values.dtype.is_nested():  # dictionaries have no hash
        return list(map(cell, values.to_list()))
    found = values.to_list()
    known = {each: cell(each) for each in set(found)}
    return [known[each] for each in found]


def _words(title: str) -> list[str]:
    """Return the words of a title, each with its underscore.

    >>> _words("parts_planned")
    ['parts_', 'planned']
    """
    return title.replace("_", "_ ").split()


def _fitted(columns: list[Column]) -> tuple[list[str], list[str]]:
    """Return the lines of a table that fits the terminal, and the notes on the columns that it leaves out.

    Columns without a value go first, on any terminal. If the others are too wide, they come closer, long cells are
    broken, and columns with one value in all rows become a note. Where that is not enough, few rows are blocks, and
    of many rows the last columns are left out.
    """
    width = terminal_width()
    if width is None:
        return _aligned(columns, [each.width for each in columns], GUTTER), []
    columns, notes = _without_empty(columns)
    if lines := _within(columns, width):
        return lines, notes
    varying = [each for each in columns if not each.is_constant]
    same = [f"{each.title} {each.cells[0].strip()}" for each in columns if each.is_constant]
    if same and varying:
        notes = [f"The same in these rows: {', '.join(same)}", *notes]
        if lines := _within(varying, width):
            return lines, notes
    elif len(columns) and len(columns[0].cells) <= MAX_BLOCKS:
        return list(_blocks(columns, width)), notes
    return _first_columns(varying or columns, width, notes)


def _without_empty(columns: list[Column]) -> tuple[list[Column], list[str]]:
    """Return the columns with a value in some row, and a note that names the others."""
    empty = [each.title for each in columns if each.is_empty]
    filled = [each for each in columns if not each.is_empty]
    return (filled, [f"Without a value: {', '.join(empty)}"] if empty else []) if filled else (columns, [])


def _first_columns(columns: list[Column], width: int, notes: list[str]) -> tuple[list[str], list[str]]:
    """Return a table of the first columns that fit, and the notes with the names of the others."""
    for count in range(len(columns) - 1, 1, -1):
        if lines := _within(columns[:count], width, WHOLE_LIMITS):
            hidden = ", ".join(each.title for each in columns[count:])
            return lines, [f"Too wide for the terminal: {hidden}; see them with {ALL_ROWS}", *notes]
    return list(_blocks(columns, width)), notes


def _within(columns: list[Column], width: int, limits: tuple[int, ...] = LIMITS) -> list[str]:
    """Return the lines of a table no wider than that; none if it has too many columns."""
    for gutter in (GUTTER, NARROW_GUTTER):
        widths = [each.width for each in columns]
        if _total(widths, gutter) <= width:
            return _aligned(columns, widths, gutter)
    for limit in limits:
        widths = [each.width_within(limit) for each in columns]
        if _total(widths, NARROW_GUTTER) <= width:
            return _aligned(columns, _spread(columns, widths, width), NARROW_GUTTER)
    return []


def _spread(columns: list[Column], widths: list[int], width: int) -> list[int]:
    """Return widths with the columns that are left given to those that need them, the narrowest first."""
    spare = width - _total(widths, NARROW_GUTTER)
    wider = list(widths)
    for index in sorted(range(len(columns)), key=lambda each: columns[each].width - widths[each]):
        gain = min(columns[index].width - widths[index], spare)
        wider[index] += gain
        spare -= gain
    return wider


def _total(widths: list[int], gutter: int) -> int:
    return sum(widths) + gutter * (len(widths) - 1)


def _aligned(columns: list[Column], widths: list[int], gutter: int) -> list[str]:
    """Return the lines of a table whose columns have these widths."""
    if not columns:
        return []
    titles = [_title(column, width) for column, width in zip(columns, widths, strict=True)]
    height = max(map(len, titles))
    titles = [[""] * (height - len(each)) + each for each in titles]
    is_coloured = shows_colour(sys.stdout)
    head = list(_lines(columns, titles, widths, gutter, is_coloured=False))
    rule = "─" * _total(widths, gutter)
    return [
        *head,
        paint(rule, "dim") if is_coloured else rule,
        *_body(columns, widths, gutter, is_coloured=is_coloured),
    ]


def _body(columns: list[Column], widths: list[int], gutter: int, *, is_coloured: bool) -> Iterator[str]:
    """Yield the lines of all rows."""
    if all(each.widest_cell <= width for each, width in zip(columns, widths, strict=True)):
        padded = [
            _padded_cells(each, width, is_coloured=is_coloured)
            for each, width in zip(columns, widths, strict=True)
        ]
        yield from ((" " * gutter).join(row).rstrip() for row in zip(*padded, strict=True))
        return
    for row in zip(*(each.cells for each in columns), strict=True):
        folded = [_folded(*each) for each in zip(columns, row, widths, strict=True)]
        yield from _lines(columns, folded, widths, gutter, is_coloured=is_coloured)


def _padded_cells(column: Column, width: int, *, is_coloured: bool) -> Iterator[str]:
    known = {text: _padded(column, text, width, is_coloured=is_coloured) for text in set(column.cells)}
    return (known[text] for text in column.cells)


def _title(column: Column, width: int) -> list[str]:
    """Return a title as lines, broken after underscores where it is wider than its column."""
    if width_of(column.title) <= width:
        return [column.title]
    lines = [""]
    for word in _words(column.title):
        if lines[-1] and width_of(lines[-1] + word) > width:
            lines.append("")
        lines[-1] += word
    return [elide(each, width) for each in lines]


def _folded(column: Column, text: str, width: int) -> list[str]:
    if column.is_number:
        return [text]
    return fold(text, width, LINES_OF_FEW if len(column.cells) <= FEW_ROWS else MAX_LINES)


def _lines(
    columns: list[Column], cells: list[list[str]], widths: list[int], gutter: int, *, is_coloured: bool
) -> Iterator[str]:
    """Yield the lines of one row, of which cells can have several."""
    for number in range(max(map(len, cells))):
        texts = [each[number] if number < len(each) else "" for each in cells]
        padded = [
            _padded(*each, is_coloured=is_coloured) for each in zip(columns, texts, widths, strict=True)
        ]
        yield (" " * gutter).join(padded).rstrip()


def _padded(column: Column, text: str, width: int, *, is_coloured: bool) -> str:
    blanks = " " * (width - width_of(text))
    if is_coloured and column.title in STATE_TITLES:
        text = paint_state(text)
    return blanks + text if column.is_number else text + blanks


def _blocks(columns: list[Column], width: int) -> Iterator[str]:
    """Yield each row as a block with a line per column, long cells as several."""
    left = widest(each.title for each in columns)
    for number in range(len(columns[0].cells)):
        yield f"row {number + 1}"
        for each in columns:
            lines = fold(each.cells[number].strip(), max(width - left - 4, 1), LINES_OF_FEW)
            yield from _block(replace(each, cells=lines), left)


def _block(column: Column, left: int) -> Iterator[str]:
    is_state = column.title in STATE_TITLES and shows_colour(sys.stdout)
    for number, line in enumerate(column.cells):
        title = fill("" if number else column.title, left)
        yield f"  {title}  {paint_state(line) if is_state else line}".rstrip()
