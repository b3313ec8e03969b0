"""What the files of the published table hold, from their footers, and which of it should be there."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from lakebatch.errors import DamageError
from lakebatch.ids import canonical_json, content_hash
from lakebatch.snapshot.published_layout import Layout, layout
from lakebatch.snapshot.snapshot import Snapshot
from lakebatch.storage.delta.compaction import READERS
from lakebatch.storage.delta.damage import READ_ERRORS, read_error
from lakebatch.storage.delta.version import DataFile, TableVersion

ENTRIES = "lakebatch.assemblies"
"""Key in the footer of a file: the assemblies in it, in the order of the rows."""


class Entry(NamedTuple):
    """Rows of one assembly: their number, the event that completed it, and how many of its rows stand in files before."""

    rows: int
    event: int
    offset: int = 0


Entries = Mapping[str, Entry]
"""The rows of a file, or of the whole table, by assembly."""


@dataclass(frozen=True)
class Content:
    """A file of the published table and the assemblies in it; None where lakebatch did not write the file."""

    file: DataFile
    entries: Entries | None


@dataclass(frozen=True)
class Wanted:
    """The rows that should be in the published table at one state of an experiment."""

    snapshot: Snapshot
    assemblies_version: int

    @cached_property
    def entries(self) -> Entries:
        """The completed assemblies that have rows."""
        rows = self.snapshot.rows_by_assembly()
        ends = self.layout.completions
        return {
            each: Entry(rows[each], int(ends[each]["event"]))
            for each in sorted(self.snapshot.ids())
            if rows.get(each)
        }

    @cached_property
    def layout(self) -> Layout:
        """The columns."""
        return layout(self.snapshot)

    @property
    def digest(self) -> str:
        """Hash of the assemblies and their rows."""
        return digest(self.entries)

    def check_whole(self) -> None:
        """Raise `DamageError` if events or versions are lost, so that it is unknown what should be there."""
        if lost := self.snapshot.tables.lost:
            raise DamageError(str(lost[0]))
        if missing := self.snapshot.missing_versions:
            raise DamageError(f"Rows are missing: {missing}. Look closer with: lakebatch doctor")


def digest(entries: Entries) -> str:
    """Return a hash of assemblies, their row counts and the events that completed them."""
    return content_hash(
        canonical_json([[name, each.rows, each.event] for name, each in sorted(entries.items())])
    )


def contents(state: TableVersion) -> list[Content]:
    """Return the files of a state and what is in them."""
    files = state.data_files()
    with ThreadPoolExecutor(READERS) as pool:
        entries = list(pool.map(lambda file: read_entries(state, file), files))
    return [Content(file, found) for file, found in zip(files, entries, strict=True)]


def read_entries(state: TableVersion, file: DataFile) -> Entries | None:
    """Return the assemblies of a file; None if it cannot be read, or another tool wrote it.

    A row count below 0 is not compared.
    """
    try:
        text = state.file_metadata(file).get(ENTRIES)
        found = None if text is None else {name: Entry(*each) for name, each in json.loads(text).items()}
    except (*READ_ERRORS, ValueError, TypeError) as error:
        if isinstance(error, READ_ERRORS) and state.storage.explain(error):
            raise read_error(state, error) from error
        return None
    is_right = found is None or file.rows in (-1, sum(each.rows for each in found.values()))
    return found if is_right else None


def total(found: Sequence[Content]) -> dict[str, Entry]:
    """Return the rows of some files by assembly; an assembly of two different events has -1 as its event."""
    known: dict[str, Entry] = {}
    for name, each in _entries(found):
        before = known.get(name, Entry(0, each.event))
        known[name] = Entry(before.rows + each.rows, each.event if before.event == each.event else -1)
    return known


def _entries(found: Sequence[Content]) -> Iterator[tuple[str, Entry]]:
    for content in found:
        yield from (content.entries or {}).items()
