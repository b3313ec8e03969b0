"""Checks of a table's files: the log, the data files that it names, and those that it does not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from lakebatch import deltalog
from lakebatch.doctor.finding import Finding, Severity
from lakebatch.doctor.table import ExaminedTable, Reference

YOUNG = timedelta(hours=1)
"""How old a file has to be, while something is running, to count as left over."""


def check_log(table: ExaminedTable) -> Iterator[Finding]:
    """Whether every entry of the log, its checkpoints and the pointer to them are there and whole."""
    for fault in table.log.faults:
        severity: Severity = "note" if fault.is_harmless else "problem"
        yield Finding("log", table.path, severity, f"{fault.file} {fault.what}", fault.advice)
    if not table.log.faults:
        yield Finding("log", table.path, "ok", f"{len(table.log.entries)} entries, all there and whole")


def check_data_files(table: ExaminedTable, name: str) -> Iterator[Finding]:
    """Whether every file that a version needs is there with the size that the log has."""
    faults = 0
    for reference in table.references.values():
        if what := _fault(table, reference):
            faults += 1
            yield Finding("data files", table.path, "problem", what, advice(table, reference, name))
    if not faults:
        yield Finding(
            "data files", table.path, "ok", f"{len(table.references)} files, all there in their size"
        )


def _fault(table: ExaminedTable, reference: Reference) -> str | None:
    file = table.files.get(reference.path)
    where = table.locate(reference.path)
    if file is None:
        return f"{where} is missing" if table.is_due(reference) else None
    if file.size == reference.size:
        return None
    return f"{where} has {file.size} bytes, its log says {reference.size}"


def advice(table: ExaminedTable, reference: Reference, name: str) -> str:
    """Return what to do about a file that is not as it was."""
    restore = "Put it back from a backup"
    if reference.assembly_id is None:
        return f"{restore}. Everything else can be read."
    if reference.path in table.removed:
        return f"{restore}. Only versions before {table.removed[reference.path]} need it."
    return f"{restore}, or leave the assembly out with: lakebatch discard {name} {reference.assembly_id}"


def check_orphans(table: ExaminedTable, *, running: bool, damaged: bool) -> Iterator[Finding]:
    """Whether there are data files that no version names, as a killed writer leaves them.

    Where something is damaged they may be all that is left of a commit.
    """
    young = datetime.now(UTC) - YOUNG
    orphans = [
        file
        for path, file in table.files.items()
        if _is_data(path) and path not in table.references and not (running and file.at > young)
    ]
    if not orphans:
        yield Finding("orphans", table.path, "ok", "none")
        return
    size = sum(each.size for each in orphans)
    what = f"{len(orphans)} files of {size} bytes belong to no version, e.g. {table.locate(orphans[0].path)}"
    if damaged:
        keep = "Keep them: they may hold the rows of a lost commit."
        yield Finding("orphans", table.path, "note", what, keep)
    else:
        yield Finding("orphans", table.path, "note", what, "Remove them with: lakebatch vacuum")


def check_leftovers(table: ExaminedTable) -> Iterator[Finding]:
    """Whether a write that did not end has left something that no vacuum finds."""
    for path in table.files:
        if not path.startswith(f"{deltalog.FOLDER}/") and not _is_data(path):
            what = f"{table.locate(path)} is left over from a write that did not end, or was put there"
            yield Finding("leftovers", table.path, "note", what, "Remove it when nobody writes.")


def _is_data(path: str) -> bool:
    return path.endswith(".parquet") and not path.startswith(f"{deltalog.FOLDER}/")
