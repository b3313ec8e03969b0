"""The log of one assembly for its page: records, tracebacks, and the durations that it tells."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from lakebatch.assembly.logs import LEVELS
from lakebatch.assembly.record import Assembly
from lakebatch.errors import ConfigError, LakebatchError
from lakebatch.lake.experiment import StoredExperiment
from lakebatch.snapshot.snapshot import Snapshot
from lakebatch.ui.page_state import PageState

PAGE = 200
"""Records on one page of a log."""
COMPUTED = r"^part .*: computed in ([0-9.]+) s"


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


def log(stored: StoredExperiment, snapshot: Snapshot, found: Assembly, state: PageState) -> Log:
    """Return the page of a log that an address asks for with ``level`` and ``page``, by default the newest records."""
    level = next(iter(state.viewed("level")), "")
    rows = _records(stored, snapshot, found, level or None)
    pages = max(1, -(-rows.height // PAGE))
    number = _number(next(iter(state.viewed("page")), ""), pages)
    shown = rows.slice((number - 1) * PAGE, PAGE)
    return Log(list(shown.iter_rows(named=True)), level.upper(), number, pages, rows.height)


def _number(text: str, pages: int) -> int:
    if text and not (text.isascii() and text.isdecimal() and 1 <= int(text) <= pages):
        raise ConfigError(f"There is no page {text!r} of the log. Expected 1 to {pages}.")
    return int(text or pages)


def _records(
    stored: StoredExperiment, snapshot: Snapshot, found: Assembly, level: Any = None
) -> pl.DataFrame:
    """Return the records up to the moment of a snapshot."""
    rows = stored.logs(found.assembly_id, level=level)
    until = known_until(snapshot)
    return rows if until is None else rows.filter(pl.col("at") <= until)


def known_until(snapshot: Snapshot) -> datetime | None:
    """Return the time up to which a past moment knows records: its own, or that of its last event; None for now."""
    if not snapshot.moment.is_past:
        return None
    last = snapshot.events["at"].max()
    return snapshot.moment.time or (last if isinstance(last, datetime) else None)


def tracebacks(stored: StoredExperiment, snapshot: Snapshot, found: Assembly) -> dict[str, str]:
    """Return the newest traceback of each part; that of the run itself has the key ``""``."""
    if not found.error:
        return {}
    rows = _records(stored, snapshot, found, "ERROR").filter(pl.col("message").str.contains("Traceback"))
    return {part or "": message for part, message in rows.select("part", "message").iter_rows()}


def durations(stored: StoredExperiment, found: Assembly) -> dict[str, float]:
    """Return the time in which each part was computed, in s, as far as the log tells."""
    try:
        rows = stored.logs(found.assembly_id).drop_nulls("part")
    except LakebatchError:
        return {}
    told = rows.select(
        "part", seconds=pl.col("message").str.extract(re.compile(COMPUTED).pattern).cast(pl.Float64)
    )
    return dict(told.drop_nulls().iter_rows())


def pages(shown: Log, around: int = 2) -> list[int]:
    """Return the numbers of pages to link to: the first, those around the shown one, and the last."""
    near = range(shown.number - around, shown.number + around + 1)
    return sorted({1, shown.pages, *(each for each in near if 1 <= each <= shown.pages)})
