"""Last commit and remaining time of each assembly, from the lake alone."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import polars as pl

from lakebatch.assembly.record import Assembly, now
from lakebatch.snapshot.snapshot import Snapshot
from lakebatch.storage.delta.omissions import warn_and_skip

ESTIMATE_COLUMNS: dict[str, pl.DataType] = {
    "assembly_id": pl.String(),
    "last_commit": pl.Datetime("us", "UTC"),
    "eta_seconds": pl.Float64(),
}
"""The columns of `progress_estimates`."""
UNITS = ((60, "s"), (60, "min"), (24, "h"))


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
    running = snapshot.state(each) == "started" and not snapshot.moment.is_past
    eta = remaining_seconds(each.at, now(), commits, each.parts_planned) if running else None
    last = max([each.at, *commits])
    return {"assembly_id": each.assembly_id, "last_commit": last, "eta_seconds": eta}


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
