"""Checks of a table's files: the log, the data files that it names, and those that it does not."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta

from lakebatch.maintenance.doctor.finding import Finding, Severity
from lakebatch.maintenance.doctor.reference import Reference
from lakebatch.maintenance.doctor.table import ExaminedTable
from lakebatch.storage.delta import log as deltalog

MIXED = (
    "Remove nothing: another lake may have been copied over this one, and these be the rows of a run that its log named. "
    "Copy each lake into a folder of its own, from where they were before."
)
OF_OTHER_TOOLS = re.compile(
    r"(?:.*/)?(?:\..*\.crc|_SUCCESS|_metadata|_common_metadata|_symlink_format_manifest/.*|_\$folder\$)"
)
"""Files that Spark, Hive and Hadoop put beside data files."""
MAX_NAMED = 10
"""Files of one kind that are named one by one."""
YOUNG = timedelta(hours=1)
"""How old a file has to be, while something is running, to count as left over."""


def check_log(table: ExaminedTable) -> Iterator[Finding]:
    """Whether every entry of the log, its checkpoints and the pointer to them are there and whole."""
    for fault in table.log.faults:
        severity: Severity = "note" if fault.is_harmless else "problem"
        yield Finding("log", table.path, severity, f"{fault.file} {fault.what}", fault.advice)
    if not table.log.faults:
        yield Finding("log", table.path, "ok", f"{len(table.log.entries)} entries, all there and whole")


def check_data_files(table: ExaminedTable) -> Iterator[Finding]:
    """Whether every file that a version needs is there with the size that the log has."""
    faults = 0
    for reference in table.references.values():
        if what := fault_of(table, reference):
            faults += 1
            what = f"{table.locate(reference.path)} {what}"
            yield Finding("data files", table.path, "problem", what, advice(table, reference))
    if not faults:
        yield Finding(
            "data files", table.path, "ok", f"{len(table.references)} files, all there in their size"
        )


def fault_of(table: ExaminedTable, reference: Reference) -> str | None:
    """Return what is wrong with a data file, as far as its name and size tell."""
    file = table.files.get(reference.path)
    if file is None:
        return "is missing" if table.is_due(reference) and not _has_come(table, reference.path) else None
    if file.fault is not None:
        return file.fault
    return None if file.size == reference.size else f"has {file.size} bytes, its log says {reference.size}"


def _has_come(table: ExaminedTable, path: str) -> bool:
    """Whether a file is there that was not when the files were listed: its commit was read after that."""
    folder, _, name = f"{table.path}/{path}".rpartition("/")
    return any(each.path == name for each in table.storage.files(folder))


def advice(table: ExaminedTable, reference: Reference) -> str:
    """Return what to do about a file that is not as it was."""
    if reference.path in table.removed:
        return f"Only versions before {table.removed[reference.path]} need it. {table.repair}"
    return table.repair


def check_orphans(
    table: ExaminedTable, *, running: bool, damaged: bool, known: Collection[str]
) -> Iterator[Finding]:
    """Whether there are data files that no version names, as a killed writer leaves them.

    Where something is damaged they may be all that is left of a commit.

    Parameters
    ----------
    known : collection of str
        The assemblies that have an event; what wrote rows has recorded one before.
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
    if foreign := foreign_partitions(table, known):
        yield Finding("orphans", table.path, "problem", f"{what}; there is no event of {foreign[0]}", MIXED)
    elif damaged:
        keep = "Keep them: they may hold the rows of a lost commit."
        yield Finding("orphans", table.path, "note", what, keep)
    else:
        yield Finding("orphans", table.path, "note", what, "Remove them with: lakebatch vacuum")


def check_leftovers(table: ExaminedTable) -> Iterator[Finding]:
    """Whether a write that did not end has left something that no vacuum finds."""
    others = [path for path in table.files if not _belongs(table, path)]
    harmless = [path for path in others if OF_OTHER_TOOLS.fullmatch(path)]
    left = [path for path in others if not OF_OTHER_TOOLS.fullmatch(path)]
    for path in left[:MAX_NAMED]:
        what = f"{table.locate(path)} is left over from a write that did not end, or was put there"
        yield Finding("leftovers", table.path, "note", what, "Remove it when nobody writes.")
    if len(left) > MAX_NAMED:
        what = f"{len(left) - MAX_NAMED} more files are no data files, e.g. {table.locate(left[MAX_NAMED])}"
        yield Finding("leftovers", table.path, "note", what, "They do no harm.")
    if harmless:
        yield Finding(
            "leftovers", table.path, "ok", f"{len(harmless)} files of other tools, which do no harm"
        )


def _belongs(table: ExaminedTable, path: str) -> bool:
    return path.startswith(f"{deltalog.FOLDER}/") or _is_data(path) or path in table.references


def foreign_partitions(table: ExaminedTable, known: Collection[str]) -> list[str]:
    """Return the assemblies whose folders hold files that no version names, and of which there is no event."""
    orphans = (path for path in table.files if _is_data(path) and path not in table.references)
    folders = (path.partition("/")[0].partition("=") for path in orphans if "/" in path)
    return sorted({value for name, _, value in folders if name == "assembly_id"} - set(known))


def _is_data(path: str) -> bool:
    return path.endswith(".parquet") and not path.startswith(f"{deltalog.FOLDER}/")
