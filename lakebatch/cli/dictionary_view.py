"""The data dictionary for people: a paragraph per table and a line per column, folded to the terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from lakebatch.cli.cells import fill, width_of
from lakebatch.cli.colours import paint_label, shows_colour
from lakebatch.cli.output import wrapped_lines
from lakebatch.cli.stderr import sanitize
from lakebatch.cli.table import terminal_width
from lakebatch.snapshot.dictionary import ColumnEntry, Dictionary, TableEntry
from lakebatch.snapshot.dictionary_text import notes

GUTTER = 2
MIN_MEANING = 36
"""Columns of the terminal that a meaning needs to stand beside the name and the type."""


def lines(dictionary: Dictionary) -> Iterator[str]:
    """Yield the lines of a dictionary, none wider than the terminal where that is possible."""
    width = terminal_width()
    yield from _fold(dictionary.title, width)
    for table in dictionary:
        yield ""
        yield from _table(table, width)


def _table(table: TableEntry, width: int | None) -> Iterator[str]:
    name = paint_label(table.name) if shows_colour(sys.stdout) else table.name
    first, *others = _fold(f"{table.name}: {table.description}{_count(table)}", width)
    yield name + first.removeprefix(table.name)
    yield from others
    names = max(width_of(each.name) for each in table.columns)
    types = max(width_of(_type(each)) for each in table.columns)
    for each in table.columns:
        yield from _column(each, names, types, width)
    if table.constraints:
        rules = "; ".join(each.meaning for each in table.constraints)
        yield from _fold(f"Always: {rules}.", width, "  ", "    ")


def _count(table: TableEntry) -> str:
    return f" {table.rows} rows." if table.rows is not None else ""


def _column(column: ColumnEntry, names: int, types: int, width: int | None) -> Iterator[str]:
    head = f"  {fill(column.name, names)}  {fill(_type(column), types)}"
    left = width_of(head) + GUTTER
    if width is None or width - left >= MIN_MEANING:
        folded = _fold(_meaning(column), None if width is None else width - left)
        yield f"{head}  {folded[0]}"
        yield from (" " * left + each for each in folded[1:])
    else:
        yield f"  {column.name}  {_type(column)}"
        yield from _fold(_meaning(column), width, "      ", "      ")


def _type(column: ColumnEntry) -> str:
    unit = f" [{column.unit}]" if column.unit and column.unit != "1" else ""
    return f"{column.type}{unit}"


def _meaning(column: ColumnEntry) -> str:
    return notes(column) if column.nullable else f"{notes(column)} Never NULL."


def _fold(text: str, width: int | None, first: str = "", later: str = "") -> list[str]:
    text = sanitize(" ".join(text.split()))
    if width is None:
        return [first + text]
    return wrapped_lines(text, width, later, first)
