"""A table as its files and its log have it, without an engine: what can be told of one that cannot be opened."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import unquote

from lakebatch import deltalog
from lakebatch.delta.vacuum import EVENT
from lakebatch.deltalog import Entry, Log
from lakebatch.local import StoredFile
from lakebatch.storage import Storage


@dataclass(frozen=True)
class Reference:
    """A data file that a commit added: its path below the table, size, rows and assembly, and the commit's version."""

    path: str
    size: int
    version: int
    assembly_id: str | None


class ExaminedTable:
    """One table of an experiment: its files by path, its log, and which file is of which commit."""

    def __init__(self, storage: Storage, folder: str, name: str, files: Sequence[StoredFile]) -> None:
        self.storage = storage
        self.name = name
        self.path = f"{folder}/{name}"
        self.files = {each.path: each for each in files}

    @cached_property
    def log(self) -> Log:
        """The table's log, read entry by entry."""
        below = f"{deltalog.FOLDER}/"
        files = [
            StoredFile(path.removeprefix(below), each.size, each.at)
            for path, each in self.files.items()
            if path.startswith(below)
        ]
        return Log(self.storage, self.path, files)

    @cached_property
    def references(self) -> dict[str, Reference]:
        """Every data file that any commit added, by path."""
        return {each.path: each for entry in self.log.entries for each in added(entry)}

    @cached_property
    def columns(self) -> set[str]:
        """The names of the columns that the table has had."""
        schemas = [
            json.loads(each["schemaString"]) for entry in self.log.entries for each in entry.of("metaData")
        ]
        return {field["name"] for schema in schemas for field in schema["fields"]}

    @cached_property
    def removed(self) -> dict[str, int]:
        """The data files that newer versions do without, with the version that removed each."""
        return {
            unquote(each["path"]): entry.version for entry in self.log.entries for each in entry.of("remove")
        }

    @cached_property
    def vacuumed_at(self) -> int:
        """The newest version at which a vacuum ended; -1 without one."""
        ends = [each.version for each in self.log.entries if _is_vacuum(each)]
        return max(ends, default=-1)

    def is_due(self, reference: Reference) -> bool:
        """Whether a file has to be there: what was removed before a vacuum need not."""
        return self.removed.get(reference.path, self.vacuumed_at) >= self.vacuumed_at

    def locate(self, path: str) -> str:
        """Return where a file of the table is."""
        return self.storage.join(self.path, path)


def _is_vacuum(entry: Entry) -> bool:
    """Whether a commit says that files are gone from then on; before 0.2 the engine wrote it."""
    return entry.info.get("operation") == "VACUUM END" or entry.info.get(EVENT) == "vacuumed"


def added(entry: Entry) -> list[Reference]:
    """Return the data files that a commit added."""
    return [
        Reference(
            unquote(each["path"]),
            int(each["size"]),
            entry.version,
            each["partitionValues"].get("assembly_id"),
        )
        for each in entry.of("add")
    ]
