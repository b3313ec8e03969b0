"""Checks of the published table: it has exactly the rows of the dataset."""

from __future__ import annotations

from collections.abc import Iterator

from lakebatch.assembly.tables import PUBLISHED, ExperimentTables
from lakebatch.maintenance.doctor.finding import Finding
from lakebatch.maintenance.published import commits, comparison
from lakebatch.snapshot.snapshot import Snapshot
from lakebatch.storage.delta.version import TableVersion


def check_published(stored: ExperimentTables, pinned: Snapshot, *, deep: bool) -> Iterator[Finding]:
    """Yield how the published table differs from the dataset; a note while a process may be about to update it."""
    if not commits.has_results(stored):
        return
    subject, advice = (
        f"{stored.folder}/{PUBLISHED}",
        f"Bring it up to date with: lakebatch optimize {stored.reference} --yes",
    )
    wanted, table = commits.now(stored), stored.table(PUBLISHED)
    if not table.exists():
        if wanted.entries:
            what = "is not there; it only repeats rows, for other readers"
            yield Finding(
                "published", subject, "note", what, advice.replace("Bring it up to date", "Make it")
            )
        return
    state: TableVersion = table.at()
    found = list(comparison.differences(state, wanted))
    is_running = any(each.state == "running" for each in pinned.assemblies)
    for what in found:
        yield Finding("published", subject, "note" if is_running else "problem", what, advice)
    if found:
        return
    other = comparison.other_values(stored, state, wanted) if deep else None
    if other:
        repair = f"Have it made again with: lakebatch repair {stored.reference} --yes"
        yield Finding("published", subject, "problem", other, repair)
    else:
        yield Finding(
            "published", subject, "ok", f"has the rows of {len(wanted.entries)} completed assemblies"
        )
