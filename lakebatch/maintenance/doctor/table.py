"""A table as its files and its log have it, without an engine: what can be told of one that cannot be opened."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any
from urllib.parse import unquote

from lakebatch.assembly.tables import FRAMES
from lakebatch.errors import DamageError
from lakebatch.maintenance.doctor.lineage import Lineage
from lakebatch.maintenance.doctor.reference import Reference, added
from lakebatch.storage import Storage
from lakebatch.storage.delta import log as deltalog
from lakebatch.storage.delta.log import Entry, Log
from lakebatch.storage.delta.schema import TableSchema, load_schema
from lakebatch.storage.delta.vacuum import EVENT
from lakebatch.storage.local import StoredFile

"""The folder of an experiment in which each table holds frames that were imported or saved under one name."""


class ExaminedTable:
    """One table of an experiment: its files by path, its log, and which file is of which commit.

    Attributes
    ----------
    kept : set of str
        The data files that tagged versions need, as far as the tags are known.
    """

    def __init__(self, storage: Storage, folder: str, name: str, files: Sequence[StoredFile]) -> None:
        self.storage = storage
        self.experiment = folder.split("_", 2)[-1]
        self.name = name
        self.path = f"{folder}/{name}"
        self.files = {each.path: each for each in files}
        self.kept: set[str] = set()

    @cached_property
    def log(self) -> Log:
        """The table's log, read entry by entry."""
        below = f"{deltalog.FOLDER}/"
        files = [
            replace(each, path=path.removeprefix(below))
            for path, each in self.files.items()
            if path.startswith(below)
        ]
        return Log(self.storage, self.path, files)

    @property
    def schema(self) -> TableSchema:
        """What its columns should be; frames bring further ones."""
        return load_schema(FRAMES if self.name.startswith(f"{FRAMES}/") else self.name)

    @property
    def repair(self) -> str:
        """The advice where something can be healed."""
        return f"See whether it can be healed with: lakebatch repair {self.experiment}"

    @cached_property
    def lineage(self) -> Lineage:
        """Which rows each data file has, as the log tells."""
        return Lineage(self.log.entries)

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

    def description(self, version: int) -> dict[str, Any]:
        """Return the newest description of the table's columns up to a version.

        Raises
        ------
        DamageError
            If the log has none.
        """
        found = [
            each for entry in self.log.entries if entry.version <= version for each in entry.of("metaData")
        ]
        if not found:
            raise DamageError(
                f"The log of {self.path} does not say which columns it has at version {version}."
            )
        return found[-1]

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
        """Whether a file has to be there: what was removed before a vacuum need not, unless a tag needs it."""
        is_kept = reference.path in self.kept
        return is_kept or self.removed.get(reference.path, self.vacuumed_at) >= self.vacuumed_at

    def keep(self, versions: Iterable[int]) -> None:
        """Remember which data files some versions need, whatever a vacuum removed."""
        wanted = set(versions)
        there: set[str] = set()
        for entry in self.log.entries if wanted else ():
            there -= {unquote(each["path"]) for each in entry.of("remove")}
            there |= {each.path for each in added(entry)}
            if entry.version in wanted:
                self.kept |= there

    def locate(self, path: str) -> str:
        """Return where a file of the table is."""
        return self.storage.join(self.path, path)


def _is_vacuum(entry: Entry) -> bool:
    """Whether a commit says that files are gone from then on; before 0.2 the engine wrote it."""
    return entry.info.get("operation") == "VACUUM END" or entry.info.get(EVENT) == "vacuumed"
