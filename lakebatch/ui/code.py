"""The code that computed assemblies: its files, and the lines in which two states of it differ."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import polars as pl

from lakebatch.assembly.record import Assembly, from_rows
from lakebatch.errors import LakebatchError, UnknownNameError
from lakebatch.experiment.provenance import SOURCE_HASH
from lakebatch.lake.experiment import StoredExperiment
from lakebatch.lake.lake import Lake
from lakebatch.snapshot import source_diff
from lakebatch.snapshot.changes import HASH_CHARACTERS
from lakebatch.snapshot.snapshot import Snapshot
from lakebatch.ui import commands
from lakebatch.ui.page import Page
from lakebatch.ui.page_state import PageState

Kind: TypeAlias = Literal["file", "place", "added", "removed", "same"]
KINDS: tuple[tuple[str, Kind], ...] = (
    ("--- ", "file"),
    ("+++ ", "file"),
    ("@@", "place"),
    ("+", "added"),
    ("-", "removed"),
)
MAX_LINES = 2000
"""Lines of one diff on a page."""


@dataclass(frozen=True)
class CodeDiff:
    """The lines in which two states of a source differ.

    Attributes
    ----------
    title : str
        Between what.
    lines : list of pairs
        Kind and text of each line; none if the sources are the same.
    added, removed : int
        The numbers of added and removed lines.
    left_out : int
        Lines beyond `MAX_LINES`.
    """

    title: str
    lines: list[tuple[Kind, str]]
    added: int = 0
    removed: int = 0
    left_out: int = 0


def diff(title: str, text: str) -> CodeDiff:
    """Return a unified diff for a page.

    >>> diff("", "--- a.py\\n+++ a.py\\n@@ -1 +1 @@\\n-old\\n+new").lines[2:]
    [('place', '@@ -1 +1 @@'), ('removed', '-old'), ('added', '+new')]
    """
    lines = [(_kind(line), line) for line in text.splitlines()]
    kinds = [kind for kind, _ in lines]
    left_out = max(0, len(lines) - MAX_LINES)
    return CodeDiff(title, lines[:MAX_LINES], kinds.count("added"), kinds.count("removed"), left_out)


def _kind(line: str) -> Kind:
    return next((kind for start, kind in KINDS if line.startswith(start)), "same")


def of_assembly(stored: StoredExperiment, snapshot: Snapshot, found: Assembly) -> dict[str, Any]:
    """Return the hash and the files of the code of an assembly, and its differences from later code."""
    source_hash = found.surroundings.get(SOURCE_HASH)
    files = None if source_hash is None else snapshot.source_files(source_hash)
    return {
        "hash": source_hash,
        "files": [] if files is None else list(files),
        "diffs": [] if files is None else list(_diffs(stored, snapshot, found)),
    }


def _diffs(stored: StoredExperiment, snapshot: Snapshot, found: Assembly) -> Iterator[CodeDiff]:
    newest = next(each for each in _newest_first(snapshot) if SOURCE_HASH in each.surroundings)
    if newest.assembly_id != found.assembly_id:
        text = source_diff.between_assemblies(found, snapshot.source_files, newest, snapshot.source_files)
        yield diff(f"From this assembly to the newest one, {newest.name or newest.assembly_id}", text)
    if not snapshot.moment.is_past:
        try:
            yield diff(
                "From this assembly to the code that is installed now", source_diff.since(stored, found)
            )
        except LakebatchError as error:
            yield CodeDiff("The code that is installed now cannot be compared", [("same", str(error))])


def _newest_first(snapshot: Snapshot) -> Iterator[Assembly]:
    """Yield the assemblies one at a time, since there can be thousands."""
    for row in snapshot.last_events.reverse().iter_slices(1):
        yield from from_rows(row, snapshot.leases)


def source(lake: Lake, state: PageState, folder: str, source_hash: str) -> Page:
    """Return the page of one state of an experiment's code: its files, and the assemblies that it computed."""
    stored = lake[folder]
    snapshot = stored.at(state.selection.moment)
    having = snapshot.last_events.filter(pl.col("environment").str.contains(source_hash, literal=True))
    users = [each for each in from_rows(having) if each.surroundings.get(SOURCE_HASH) == source_hash]
    files = snapshot.source_files(source_hash) if users else None
    if files is None:
        raise UnknownNameError(f"The source {source_hash!r} of {stored.reference} is not recorded.")
    return Page(
        "source",
        f"Code {source_hash[:HASH_CHARACTERS]} of {snapshot.qualified_name}",
        {
            "folder": folder,
            "reference": stored.reference,
            "assemblies": users,
            "files": {
                name: None if kept.text is None else kept.text.splitlines() for name, kept in files.items()
            },
        },
        python=commands.source_in_python(stored, users[-1]),
    )
