"""Last commit and remaining time of each assembly, from the lake alone."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import polars as pl

from lakebatch.assembly.lease import Note
from lakebatch.assembly.record import Assembly, now
from lakebatch.snapshot.snapshot import Snapshot
from lakebatch.storage.delta.omissions import warn_and_skip

ESTIMATE_COLUMNS: dict[str, pl.DataType] = {
    "assembly_id": pl.String(),
    "last_commit": pl.Datetime("us", "UTC"),
    "eta_seconds": pl.Float64(),
    "phase": pl.String(),
    "progress": pl.String(),
}
"""The columns of `progress_estimates`. ``phase`` is what a running assembly does before its first rows, ``progress`` its
finished work and rate, both as its processes said when they last renewed their leases."""
UNITS = ((60, "s"), (60, "min"), (24, "h"))
LONG_UNITS = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def progress_estimates(snapshot: Snapshot, *, only: Collection[str] | None = None) -> pl.DataFrame:
    """Return one row per assembly: its last commit and, while it runs, its remaining time.

    Parameters
    ----------
    only : collection of str, optional
        The ids of the assemblies; all by default.
    """
    chosen = (
        snapshot.assemblies
        if only is None
        else [each for each in snapshot.not_completed if each.assembly_id in only]
    )
    unfinished = [each.assembly_id for each in chosen if each.status != "completed"]
    commits = _commits(snapshot, unfinished)
    rows = [_estimate(each, snapshot, commits.get(each.assembly_id, [])) for each in chosen]
    return pl.DataFrame(rows, schema=ESTIMATE_COLUMNS)


def _estimate(each: Assembly, snapshot: Snapshot, commits: list[datetime]) -> dict[str, object]:
    last = {"assembly_id": each.assembly_id, "last_commit": max([each.at, *commits])}
    if snapshot.moment.is_past or snapshot.present_status(each) != "started":
        return last
    notes = _notes(each)
    eta = remaining_seconds(each.at, now(), commits, each.parts_planned)
    left = [seconds for seconds in (_left(note, age) for note, age in notes) if seconds is not None]
    has_rows = any(at >= each.at for at in commits)  # newer than what a lease says of the time before
    phases = dict.fromkeys(note.phase for note, _ in notes if note.phase and not has_rows)
    return last | {
        "eta_seconds": max(left) if notes and len(left) == len(notes) else eta,
        "phase": "; ".join(phases) or None,
        "progress": "; ".join(str(note) for note, _ in notes if note.done) or None,
    }


def _notes(each: Assembly) -> list[tuple[Note, float]]:
    """Return what the processes at work on an assembly have said, each with its age in seconds."""
    found: list[tuple[Note, float]] = []
    for worker in each.workers:
        if worker.lease is not None and worker.leases is not None and worker.is_running():
            note = worker.leases.note(worker.lease)
            found += [(note, worker.silence or 0.0)] if note is not None else []
    return found


def _left(note: Note, age: float) -> float | None:
    return None if note.seconds_left is None else max(note.seconds_left - age, 0.0)


def _commits(snapshot: Snapshot, assembly_ids: list[str]) -> dict[str, list[datetime]]:
    """Return the commit times of the parts of some assemblies."""
    found: dict[str, list[datetime]] = {}
    results = snapshot.table()
    if results is None or not assembly_ids:
        return found
    with warn_and_skip(snapshot.name):
        parts = results.scan(assembly_ids).group_by("assembly_id", "part").agg(pl.col("recorded_at").max())
        for assembly_id, _, at in snapshot.computed(parts, assembly_ids).iter_rows():
            found.setdefault(assembly_id, []).append(at)
    return found


def remaining_seconds(begun: datetime, at: datetime, commits: list[datetime], planned: int) -> float | None:
    """Return the estimated time for the missing parts, from the rate since this attempt began.

    Parts of an earlier attempt say nothing about the rate of this one. None before the first commit.

    >>> from datetime import timedelta
    >>> begun = datetime(2026, 11, 23)
    >>> earlier, later = begun - timedelta(hours=1), begun + timedelta(seconds=50)
    >>> remaining_seconds(begun, begun + timedelta(seconds=60), [earlier, later], 4)
    120.0
    """
    since = sum(each >= begun for each in commits)
    if not since:
        return None
    return (at - begun).total_seconds() / since * (planned - len(commits))


def duration(seconds: float | None) -> str:
    """Return a readable duration.

    >>> duration(42), duration(150), duration(7300), duration(200_000), duration(None)
    ('42 s', '2 min', '2 h', '2 d', '')
    """
    if seconds is None:
        return ""
    for size, unit in UNITS:
        if seconds < size:
            return f"{max(seconds, 0):.0f} {unit}" if unit == "s" else f"{int(seconds)} {unit}"
        seconds /= size
    return f"{int(seconds)} d"


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
    for size, unit in LONG_UNITS:
        if left >= size or words:
            words.append(f"{left // size} {unit}" if left >= size else "")
        left %= size
    return " ".join(filter(None, words[:2]))
