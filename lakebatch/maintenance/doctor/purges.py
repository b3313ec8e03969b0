"""Checks of purges: each is finished, and nothing of a purged assembly is there again."""

from __future__ import annotations

from collections.abc import Iterator

from lakebatch.assembly.purges import Purge
from lakebatch.assembly.tables import ExperimentTables
from lakebatch.maintenance.doctor.finding import Finding
from lakebatch.maintenance.purge.holdings import data_tables, holdings
from lakebatch.snapshot.snapshot import Snapshot
from lakebatch.storage.delta.removal import is_sealed


def check_purges(stored: ExperimentTables, pinned: Snapshot) -> Iterator[Finding]:
    """Yield each purge, one that was not finished as a problem; and tables from which rows can be removed."""
    for purge in pinned.tables.purges.values():
        yield _finding(stored, purge)
    for name, table in data_tables(stored):
        if not is_sealed(table.at()):
            what = (
                "rows can be removed from it: delta.appendOnly is not set, as after a purge that was killed"
            )
            advice = "Finish the purge, or start any run, which sets it again."
            yield Finding("purges", f"{stored.folder}/{name}", "problem", what, advice)


def _finding(stored: ExperimentTables, purge: Purge) -> Finding:
    what = f"{purge.assembly_id} was {purge}"
    left = [each for each in holdings(stored, purge.assembly_id) if not each.is_empty()]
    if purge.done and not left:
        counts = f" ({purge.rows} rows, {purge.bytes} bytes)"
        advice = "Other programs cannot read versions of its tables from before that."
        return Finding("purges", stored.folder, "note", what + counts, advice)
    if purge.done:
        what += f"; {left[0].name} has files of it again"
    again = f"Go on with: lakebatch purge {stored.reference} {purge.assembly_id} --yes"
    return Finding("purges", stored.folder, "problem", what, again)
