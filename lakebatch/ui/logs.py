"""The log of one assembly for its page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from lakebatch.assembly.logs import LEVELS, levels_from
from lakebatch.errors import ConfigError
from lakebatch.ui.page_state import PageState

PAGE = 200
"""Records on one page of a log."""


@dataclass(frozen=True)
class Log:
    """One page of a log.

    Attributes
    ----------
    level : str
        The lowest level that is shown; empty for all.
    number, pages : int
        Which page it is, from 1, the newest last, and how many there are.
    total : int
        The number of records of these levels.
    """

    records: list[dict[str, Any]]
    level: str
    number: int
    pages: int
    total: int
    levels: tuple[str, ...] = tuple(LEVELS)


def page_of(log: pl.DataFrame, state: PageState) -> Log:
    """Return the page of a log that an address asks for with ``level`` and ``page``, by default the newest records."""
    level = next(iter(state.viewed("level")), "")
    rows = log.filter(pl.col("level").is_in(levels_from(level or None)))
    pages = max(1, -(-rows.height // PAGE))
    number = _number(next(iter(state.viewed("page")), ""), pages)
    shown = rows.slice((number - 1) * PAGE, PAGE)
    return Log(list(shown.iter_rows(named=True)), level.upper(), number, pages, rows.height)


def _number(text: str, pages: int) -> int:
    if text and not (text.isascii() and text.isdecimal() and 1 <= int(text) <= pages):
        raise ConfigError(f"There is no page {text!r} of the log. Expected 1 to {pages}.")
    return int(text or pages)


def pages(shown: Log, around: int = 2) -> list[int]:
    """Return the numbers of pages to link to: the first, those around the shown one, and the last."""
    near = range(shown.number - around, shown.number + around + 1)
    return sorted({1, shown.pages, *(each for each in near if 1 <= each <= shown.pages)})
