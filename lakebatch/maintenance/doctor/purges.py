"""Checks of purges: each is finished, and nothing of a purged assembly is there again."""

from __future__ import annotations

from collections.abc import Iterator

from lakebatch.assembly.purges import Purge
from lakebatch.assembly.tables import ExperimentTables
from lakebatch.errors import LakebatchError
from lakebatch.maintenance.doctor.finding import Finding
from lakebatch.maintenance.purge.holdings import data_tables, holdings
from lakebatch.snapshot.snapshot import Snapshot
from lakebatch.storage.delta.table import Table
from lakebatch.storage.delta.table_format import APPEND_ONLY


def check_purges(stored: ExperimentTables, pinned: Snapshot) -> Iterator[Finding]:
    """Yield each purge, one that was not finished as a problem; and tables from which rows can be removed."""
    for purge in pinned.tables.purges.values():
        yield _finding(stored, purge)
    for name, table in data_tables(stored):
        if _is_open(table):
            what = "rows can be removed from it: delta.appendOnly is false, as after a purge that was killed"
            advice = "Go on with the purge, which sets it again; or set it with the tool that changed it."
            yield Finding("purges", f"{stored.folder}/{name}", "problem", what, advice)


def _is_open(table: Table) -> bool:
    """Whether engines may take rows out of a table; one that cannot be read is a finding of other checks."""
    try:
        return table.at().properties.get(APPEND_ONLY) == "false"
    except LakebatchError:
        return False


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
