"""Frames as text: table, CSV, JSON, NDJSON or Markdown."""

from __future__ import annotations

from typing import Literal, TypeAlias

import polars as pl
from polars import selectors

from lakebatch.cli.cells import cell
from lakebatch.cli.table import ALL_ROWS, Rows, draw
from lakebatch.snapshot.values import as_json, exact, flatten, is_finite

Format: TypeAlias = Literal["table", "csv", "json", "ndjson", "markdown"]


def render(
    frame: pl.DataFrame,
    form: Format,
    *,
    max_rows: int | None = None,
    keep: Rows = "first",
    all_rows: str = ALL_ROWS,
) -> str:
    """Return a frame as text, without a line end.

    ``table`` and ``markdown`` are for people: times in UTC (Z) without fractions, measured numbers to four digits.
    The other formats are lossless: durations are ISO 8601, binary is hexadecimal, and NaN and infinity, which JSON
    lacks, are the strings "NaN", "Infinity" and "-Infinity" there. With ``max_rows``, a table shows that many rows,
    the first or the last, counts the others, and names the option ``all_rows`` that prints them.

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
    return _markdown(frame) if form == "markdown" else draw(frame, max_rows, keep, all_rows)


def _json(frame: pl.DataFrame, *, lines: bool) -> str:
    """Return the rows as JSON, one per line or in one list; by polars where that is lossless."""
    if all(map(is_finite, frame)):
        return frame.write_ndjson().removesuffix("\n") if lines else frame.write_json()
    named = frame.with_columns(selectors.temporal().cast(pl.String)).iter_rows(named=True)
    rows = [as_json(row, separators=(",", ":")) for row in named]
    return "\n".join(rows) if lines else f"[{','.join(rows)}]"


def _markdown(frame: pl.DataFrame) -> str:
    rows = [[_plain(cell(value)) for value in row] for row in (frame.columns, *frame.iter_rows())]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], f"|{'---|' * frame.width}", *lines[1:]])


def _plain(text: str) -> str:
    """Return the text with Markdown's cell separators, HTML and links escaped."""
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "\\<").replace("](", "]\\(")


def with_sizes(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a frame for people, with sizes in units in place of numbers of bytes."""
    names = {"bytes": "size", "merged_bytes": "merged"}
    for name in frame.columns:
        if name in names:
            sizes = frame[name].map_elements(byte_size, pl.String)
            frame = frame.with_columns(sizes.str.pad_start(int(sizes.str.len_chars().max() or 0)))  # type: ignore[arg-type]
    return frame.rename(names, strict=False)


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
