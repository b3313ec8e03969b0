"""Checks of what other programs brought into the tables, and took out of them."""

from __future__ import annotations

from collections.abc import Iterator

from lakebatch.maintenance.doctor.finding import Finding
from lakebatch.maintenance.inspection.table import InspectedTable
from lakebatch.storage.delta.foreign import describe


def check_foreign(table: InspectedTable) -> Iterator[Finding]:
    """Whether lakebatch wrote every file of a table, and no other program took one out."""
    if not table.log.is_whole:
        yield Finding("foreign", table.path, "note", "cannot be told before the log is whole")
        return
    view = table.own_view
    faults = list(describe(table.storage.join(table.path), view.origins, view.active, table.log.newest))
    for what in faults:
        yield Finding("foreign", table.path, "problem", what, table.repair)
    if not faults:
        yield Finding("foreign", table.path, "ok", "every file is of lakebatch, and none was taken out")
