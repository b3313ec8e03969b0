"""Checks of an experiment's assemblies: unfinished, incomplete, committed twice, without events, out of order in time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import polars as pl

from lakebatch.assembly.record import EVERY_STATUS, Assembly
from lakebatch.assembly.tables import ExperimentTables
from lakebatch.maintenance.doctor.finding import Finding
from lakebatch.maintenance.inspection.table import InspectedTable
from lakebatch.snapshot.snapshot import Snapshot
from lakebatch.storage.delta.engine import PART
from lakebatch.storage.delta.log import FOLDER

TOLERANCE = timedelta(seconds=1)
"""Difference between the clocks of two machines that is not reported."""


def check_unfinished(stored: ExperimentTables, pinned: Snapshot) -> Iterator[Finding]:
    """Yield the assemblies that are not completed, and how to continue them."""
    for each in pinned.assemblies:
        resume = f"lakebatch resume {stored.reference} {each.assembly_id}"
        if each.state == "interrupted":
            yield _note(
                stored, "unfinished", f"{each.assembly_id} is interrupted", f"Continue with: {resume}"
            )
        elif each.state == "failed":
            what = f"{each.assembly_id} has failed parts: {each.error}"
            yield _note(stored, "unfinished", what, f"Try them again with: {resume}")
        elif each.state == "running":
            what = f"{each.assembly_id} is running on {each.host} since {each.at:%Y-%m-%d %H:%M:%S} UTC"
            yield _note(stored, "unfinished", what, _advice_on_running(each, resume))


def _advice_on_running(each: Assembly, resume: str) -> str:
    worker = each.worker_seen()
    return (
        f"Wait for it, or stop it{worker.hint}."
        if worker
        else f"If that process is gone, continue with: {resume}"
    )


def check_mixtures(stored: ExperimentTables, pinned: Snapshot) -> Iterator[Finding]:
    """Yield the assemblies whose parts come from several sources or package versions."""
    for assembly_id, what in pinned.mixtures(EVERY_STATUS).items():
        advice = f"Compute it again with one: lakebatch run {stored.name}; or leave it out: lakebatch discard"
        yield _note(stored, "mixtures", f"{assembly_id}: {what}", advice)


def check_versions(stored: ExperimentTables, pinned: Snapshot) -> Iterator[Finding]:
    """Whether the results have every version that an event recorded."""
    if pinned.missing_versions:
        advice = f"Put the newest entries of {stored.results.uri}/{FOLDER} back from a backup."
        yield Finding("versions", stored.folder, "problem", pinned.missing_versions, advice)


def check_gaps(stored: ExperimentTables, pinned: Snapshot) -> Iterator[Finding]:
    """Yield the completed assemblies that lack rows, a planned part or the baseline."""
    completed = {each.assembly_id: each for each in pinned.assemblies if each.status == "completed"}
    rows = pinned.rows_by_assembly()
    for gap in pinned.gaps():
        each = completed.get(gap.assembly_id)
        if each is None:
            continue
        lost = rows.get(each.assembly_id, 0) != each.rows
        if lost:
            yield Finding("gaps", stored.folder, "problem", str(gap), _advice_on_lost_rows(stored, each))
        else:
            yield _note(stored, "gaps", str(gap), "It was planned so.")
    if not completed:
        yield Finding("gaps", stored.folder, "ok", "no completed assembly yet")


def _advice_on_lost_rows(stored: ExperimentTables, each: Assembly) -> str:
    return (
        f"See whether they can be healed with: lakebatch repair {stored.reference}; "
        f"else compute it again with its config and: lakebatch run {stored.name} --seed {each.seed}, "
        f"then: lakebatch discard {stored.reference} {each.assembly_id}"
    )


def check_duplicates(stored: ExperimentTables, table: InspectedTable) -> Iterator[Finding]:
    """Whether the rows of a part were committed twice, which must never happen."""
    parts = Counter(
        (entry.info.get("lakebatch.assembly_id"), entry.info[PART])
        for entry in table.log.entries
        if PART in entry.info
    )
    for (assembly_id, part), count in parts.items():
        if count > 1:
            what = f"part {part} of {assembly_id} was committed {count} times"
            advice = "Nothing tells which of them is right. Report this as a fault of lakebatch."
            yield Finding("duplicates", table.path, "problem", what, advice)
    if parts and len(parts) == parts.total():
        yield Finding("duplicates", table.path, "ok", f"{len(parts)} parts, each committed once")


def check_unrecorded(stored: ExperimentTables, pinned: Snapshot) -> Iterator[Finding]:
    """Whether there are rows of an assembly without an event."""
    known = set(stored.log.events()["assembly_id"])  # read after the rows, which come after the first event
    unknown = {each: rows for each, rows in pinned.rows_by_assembly().items() if each not in known}
    for assembly_id, rows in sorted(unknown.items()):
        yield Finding(
            "unrecorded",
            stored.folder,
            "problem",
            f"{rows} rows of {assembly_id} are there and no event of it; no dataset has them",
            f"If files of {stored.log.table.uri} are lost, heal them with: lakebatch repair {stored.reference}",
        )


def check_clock(stored: ExperimentTables, pinned: Snapshot) -> Iterator[Finding]:
    """Whether the times of the events increase, and none is in the future."""
    backwards = 0
    for name, chosen in (
        ("event", pinned.events.sort("run_number", "event")),
        ("run", pinned.events.filter(pl.col("event") == 0).sort("run_number")),
    ):
        within = pl.col("assembly_id") == pl.col("assembly_id").shift() if name == "event" else pl.lit(True)
        earlier = chosen.with_columns(before=pl.col("at").shift()).filter(
            within & (pl.col("at") < pl.col("before") - TOLERANCE)
        )
        for row in earlier.iter_rows(named=True):
            backwards += 1
            yield _backwards(stored, row["assembly_id"], row["status"], row["at"], row["before"])
    for row in pinned.events.filter(pl.col("at") > datetime.now(UTC) + TOLERANCE).iter_rows(named=True):
        backwards += 1
        what = (
            f"{row['assembly_id']} was {row['status']} at {row['at']:%Y-%m-%d %H:%M:%S} UTC, which is to come"
        )
        yield _note(stored, "clock", what, "Set the clock of this machine, or that of its host.")
    if not backwards:
        yield Finding("clock", stored.folder, "ok", "the times of all events go forward")


def _backwards(
    stored: ExperimentTables, assembly_id: str, status: str, at: datetime, before: datetime
) -> Finding:
    what = (
        f"{assembly_id} was {status} at {at:%Y-%m-%d %H:%M:%S} UTC, "
        f"after something of {before:%Y-%m-%d %H:%M:%S} UTC: a clock went back"
    )
    advice = f"No row is affected. Read past states by version, see: lakebatch history {stored.reference}"
    return _note(stored, "clock", what, advice)


def _note(stored: ExperimentTables, check: str, what: str, advice: str) -> Finding:
    return Finding(check, stored.folder, "note", what, advice)
