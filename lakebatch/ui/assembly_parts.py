"""The parts of one assembly: state, rows, time and process of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from lakebatch.assembly.record import Assembly
from lakebatch.errors import DamageError, LakebatchError
from lakebatch.snapshot.gaps import why_missing
from lakebatch.snapshot.snapshot import Snapshot

UNITS = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def parts(snapshot: Snapshot, found: Assembly, seconds: Mapping[str, float]) -> list[dict[str, Any]]:
    """Return one row per planned part: its state, rows, time of the commit, duration and process.

    Parameters
    ----------
    seconds : mapping
        The time in which each part was computed, in s, as far as the log has it.
    """
    counted, fault = _counted(snapshot, found)
    state = snapshot.state(found)
    purge = snapshot.tables.purges.get(found.assembly_id)
    processes = _processes(snapshot, found)
    return [
        {
            "part": part,
            "state": _part_state(part, counted, found, state, purged=purge is not None),
            "rows": counted.get(part, {}).get("rows"),
            "at": counted.get(part, {}).get("at"),
            "duration": long_duration(seconds.get(part)),
            "process": processes.get(part, ""),
            "why": "" if part in counted else str(purge or fault or why_missing(found, state, part)),
        }
        for part in found.parts
    ]


def totals(rows: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Return how many of the parts have rows, and how many rows, as facts."""
    done = [each["rows"] for each in rows if each["rows"]]
    return [("Parts", f"{len(done)} of {len(rows)}"), ("Rows", f"{sum(done):,}")]


def _part_state(part: str, counted: Mapping[str, Any], found: Assembly, state: str, *, purged: bool) -> str:
    if part in counted:
        return "completed"
    if purged:
        return "purged"
    return "failed" if part in found.failures else "waiting" if state in ("started", "running") else "missing"


def _counted(snapshot: Snapshot, found: Assembly) -> tuple[dict[str, dict[str, Any]], str]:
    """Return rows and time of each part that has rows, and why they cannot be read."""
    results = snapshot.table()
    if results is None or found.assembly_id in snapshot.tables.purges:
        return {}, ""
    try:
        rows = snapshot.rows_of(results, [found.assembly_id]).group_by("part")
        read = snapshot.computed(rows.agg(rows=pl.len(), at=pl.col("recorded_at").max()), [found.assembly_id])
    except DamageError as error:
        return {}, str(error)
    return {row["part"]: row for row in read.iter_rows(named=True)}, ""


def _processes(snapshot: Snapshot, found: Assembly) -> dict[str, str]:
    """Return machine and process that committed each part, as far as the commits tell."""
    if snapshot.attempts is None:
        return {}
    begun = {
        event: f"{host}, process {pid}" if pid else str(host)
        for event, host, pid in snapshot.events.select("event", "host", "pid").iter_rows()
    }
    try:
        by_event = snapshot.attempts.parts(found.assembly_id) or {}
    except LakebatchError:
        return {}
    return {part: begun.get(event, "") for event, names in by_event.items() for part in names}


def failures(found: Assembly, tracebacks: Mapping[str, str]) -> list[dict[str, str]]:
    """Return the reason and the traceback of each failed part; of an error without a part, its text."""
    if not found.error:
        return []
    reasons = found.failures or {"": found.error}
    return [
        {"part": part, "why": why, "traceback": tracebacks.get(part, "")} for part, why in reasons.items()
    ]


def long_duration(seconds: float | None) -> str:
    """Return a duration in its two largest units.

    >>> long_duration(0.25), long_duration(42), long_duration(3725), long_duration(None)
    ('0.25 s', '42 s', '1 h 2 min', '')
    """
    if seconds is None:
        return ""
    if seconds < 10:
        return f"{max(seconds, 0):.2g} s"
    words: list[str] = []
    left = int(seconds)
    for size, unit in UNITS:
        if left >= size or words:
            words.append(f"{left // size} {unit}" if left >= size else "")
        left %= size
    return " ".join(filter(None, words[:2]))
