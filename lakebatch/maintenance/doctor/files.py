"""Checks of a table's files: its log, its data files, and files that no commit names."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta

from lakebatch.maintenance.doctor.finding import Finding, Severity
from lakebatch.maintenance.inspection.data_files import fault_of, foreign_partitions, is_data, orphans
from lakebatch.maintenance.inspection.reference import Reference
from lakebatch.maintenance.inspection.table import InspectedTable
from lakebatch.storage.delta import log as deltalog
from lakebatch.storage.delta.origins import NOTE
from lakebatch.storage.delta.vacuum import is_within

MIXED = (
    "Remove nothing: another lake may have been copied over this one, and these may be the rows of a run that its log "
    "named. Copy each lake into a folder of its own, from where they were before."
)
INNER = "Move it elsewhere: another tool that cleans up the outer table may remove its files."
OF_OTHER_TOOLS = re.compile(
    r"(?:.*/)?(?:\..*\.crc|_SUCCESS|_(?:started|committed)_\d+|_metadata|_common_metadata|_symlink_format_manifest/.*"
    r"|_\$folder\$|deletion_vector_[\w-]+\.bin)|_change_data/.*"
)
"""Files that Spark, Databricks, Hive and Hadoop put beside data files."""
MAX_NAMED = 10
"""Number of files of one kind that get a finding each."""
YOUNG = timedelta(hours=1)
"""Age from which an orphan counts as left over although an assembly is running."""


def check_log(table: InspectedTable) -> Iterator[Finding]:
    """Whether every entry of the log, its checkpoints and the pointer to them are there and whole."""
    for fault in table.log.faults:
        severity: Severity = "note" if fault.is_harmless else "problem"
        yield Finding("log", table.path, severity, f"{fault.file} {fault.what}", fault.advice)
    if not table.log.faults:
        yield Finding("log", table.path, "ok", f"{len(table.log.entries)} entries, all there and whole")


def check_data_files(table: InspectedTable) -> Iterator[Finding]:
    """Whether every file that a version needs is there with the size in the log."""
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


def advice(table: InspectedTable, reference: Reference) -> str:
    """Return the advice on a damaged file."""
    if reference.path in table.removed:
        return f"Only versions before {table.removed[reference.path]} need it. {table.repair}"
    return table.repair


def check_orphans(
    table: InspectedTable, *, running: bool, damaged: bool, known: Collection[str]
) -> Iterator[Finding]:
    """Whether there are data files that no commit names, as a killed writer leaves them.

    If something is damaged, they may be the only remains of a commit.

    Parameters
    ----------
    known : collection of str
        The assemblies that have an event; every writer of rows records one before.
    """
    young = datetime.now(UTC) - YOUNG
    files = [table.files[path] for path in orphans(table)]
    left_over = [file for file in files if not (running and file.at > young)]
    if not left_over:
        yield Finding("orphans", table.path, "ok", "none")
        return
    size = sum(file.size for file in left_over)
    example = table.locate(left_over[0].path)
    what = f"{len(left_over)} files of {size} bytes belong to no version, e.g. {example}"
    if foreign := foreign_partitions(table, known):
        yield Finding("orphans", table.path, "problem", f"{what}; there is no event of {foreign[0]}", MIXED)
    elif damaged:
        keep = "Keep them: they may hold the rows of a lost commit."
        yield Finding("orphans", table.path, "note", what, keep)
    else:
        yield Finding("orphans", table.path, "note", what, "Remove them with: lakebatch vacuum")


def check_leftovers(table: InspectedTable) -> Iterator[Finding]:
    """Whether there are files that no vacuum removes, such as the remains of unfinished writes."""
    for folder in sorted(table.inner_tables):
        what = f"{table.locate(folder)} is another table"
        yield Finding("leftovers", table.path, "note", what, INNER)
    others = [path for path in table.files if not _belongs(table, path)]
    others = [path for path in others if path not in table.link_targets]
    harmless = [path for path in others if OF_OTHER_TOOLS.fullmatch(path)]
    left = [path for path in others if not OF_OTHER_TOOLS.fullmatch(path)]
    for path in left[:MAX_NAMED]:
        what = f"{table.locate(path)} is left over from an unfinished write, or was put there"
        yield Finding("leftovers", table.path, "note", what, "Remove it when nobody writes.")
    if len(left) > MAX_NAMED:
        what = f"{len(left) - MAX_NAMED} more files are no data files, e.g. {table.locate(left[MAX_NAMED])}"
        yield Finding("leftovers", table.path, "note", what, "They do no harm.")
    if harmless:
        yield Finding(
            "leftovers", table.path, "ok", f"{len(harmless)} files of other tools, which do no harm"
        )


def _belongs(table: InspectedTable, path: str) -> bool:
    is_own = (
        path.startswith(f"{deltalog.FOLDER}/") or is_data(path) or path in table.references or path == NOTE
    )
    return is_own or is_within(path, table.inner_tables)
