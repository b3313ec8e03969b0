"""The files in a folder of the older layout: those that can be imported, and those that are missing or unreadable."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, get_args

from lakebatch.errors import LegacyError
from lakebatch.legacy.files import Item, content, inspect
from lakebatch.legacy.names import FORMS, LIST, BatchFile, Listed, is_known_id, parse, read_list
from lakebatch.storage import Storage
from lakebatch.storage.place import StoredFile

Kind: TypeAlias = Literal[
    "missing file",
    "unreadable file",
    "several files",
    "changed file",
    "unknown id",
    "wrong status",
    "wrong rows",
    "not completed",
    "unlisted file",
    "other spelling",
    "duplicate rows",
    "other form",
    "other file",
    "already imported",
]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""The kinds of findings in a folder, the worst first."""
NOT_IMPORTED: tuple[Kind, ...] = ("unreadable file", "several files", "unknown id", "changed file")
"""The kinds of findings of files that cannot be imported."""


@dataclass(frozen=True)
class Finding:
    """One row of the report."""

    what: Kind
    id: str = ""
    file: str = ""
    rows: int | None = None
    detail: str = ""


@dataclass
class Survey:
    """A folder: its readable files, its list, and the findings of both."""

    source: Storage
    items: list[Item] = field(default_factory=list)
    listed: Mapping[str, Listed] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    has_list: bool = False

    def report(self, what: Kind, **fields: object) -> None:
        """Add a finding to the report."""
        self.findings.append(Finding(what, **fields))  # type: ignore[arg-type]

    def missing(self) -> list[str]:
        """Return the ids that are listed as completed and have no readable file."""
        there = {item.id for item in self.items}
        return [each for each, listed in self.listed.items() if listed.completed and each not in there]


def survey(source: Storage, *, unlisted: bool = True) -> Survey:
    """Read every file in a folder, and return the importable files and the findings.

    Parameters
    ----------
    unlisted : bool
        Whether files that the list does not name are imported.

    Raises
    ------
    LegacyError
        If there is a list that cannot be read.
    """
    found = Survey(source)
    files = source.files_in("")
    _read_list(found, files)
    batch_files = _recognise(found, files)
    chosen = _choose(found, batch_files)
    for each in chosen:
        _inspect(found, each, unlisted=unlisted)
    _compare_with_list(found, batch_files)
    return found


def _read_list(found: Survey, files: Sequence[StoredFile]) -> None:
    lists = [file for file in files if file.path == LIST]
    found.has_list = bool(lists)
    if not found.has_list:
        return
    try:
        found.listed = read_list(content(found.source, lists[0]))
    except LegacyError as error:
        raise LegacyError(
            f"{found.source.join(LIST)} cannot be read: {error}. Expected a CSV with the columns assembly_id, timestamp "
            "and status, which says which files are completed. Mend it; or move it away to import all files as "
            "completed."
        ) from error
    for each, listed in found.listed.items():
        if not is_known_id(each):
            found.report("unknown id", id=each, detail="neither a level nor YYYYMMDD_HHMMSS_runNNN")
        if len(listed.rows) > 1:
            rows = ", ".join(" ".join(row) for row in listed.rows)
            found.report("duplicate rows", id=each, detail=f"{len(listed.rows)} in the list: {rows}")


def _recognise(found: Survey, files: Iterable[StoredFile]) -> list[BatchFile]:
    recognised = []
    for file in files:
        if file.path == LIST:
            continue
        if parsed := parse(file):
            recognised.append(parsed)
        else:
            found.report("other file", file=file.path, detail="its name is not NAME_ID.pkl, .parquet or .csv")
    return recognised


def _choose(found: Survey, batch_files: Iterable[BatchFile]) -> list[list[BatchFile]]:
    """Return the files of each name and id, which are formats of one frame, the preferred one first."""
    groups: dict[tuple[str, str], list[BatchFile]] = {}
    for each in batch_files:
        groups.setdefault((each.name, each.id), []).append(each)
    order = list(dict.fromkeys(FORMS.values()))
    return [sorted(group, key=lambda each: order.index(each.form)) for group in groups.values()]


def _inspect(found: Survey, group: Sequence[BatchFile], *, unlisted: bool) -> None:
    """Add the first readable file of a group; report the others."""
    listed = found.listed.get(group[0].id)
    if listed is None and not unlisted:
        for each in group:
            found.report("unlisted file", id=each.id, file=each.file.path, detail="left out, as requested")
        return
    readable = [item for each in group if (item := _readable(found, each, listed))]
    if not readable:
        return
    forms = [item for item in readable if item.form == readable[0].form]
    if len({item.sha256 for item in forms}) > 1:
        names = ", ".join(item.file for item in forms)
        found.report(
            "several files", id=forms[0].id, detail=f"{names} differ. Move away all but the right one"
        )
        return
    found.items.append(readable[0])
    for item in readable[1:]:
        found.report("other form", id=item.id, file=item.file, detail=f"{readable[0].file} is imported")
    if listed is None and found.has_list:
        found.report(
            "unlisted file",
            id=readable[0].id,
            file=readable[0].file,
            detail="not in the list, imported all the same",
        )


def _readable(found: Survey, batch_file: BatchFile, listed: Listed | None) -> Item | None:
    try:
        return inspect(found.source, batch_file, listed)
    except LegacyError as error:
        found.report("unreadable file", id=batch_file.id, file=batch_file.file.path, detail=str(error))
        return None


def _compare_with_list(found: Survey, batch_files: Sequence[BatchFile]) -> None:
    with_file = {each.id for each in batch_files}
    for item in found.items:
        listed = found.listed.get(item.id)
        if listed and item.written_id not in listed.written_ids:
            written = ", ".join(dict.fromkeys(listed.written_ids))
            found.report(
                "other spelling",
                id=item.id,
                file=item.file,
                detail=f"listed as {written}: the older layout did not find it",
            )
    for each in found.missing():
        if each not in with_file and is_known_id(each):
            found.report("missing file", id=each, detail="listed as completed")
