"""One table as its files and its log describe it, without an engine, so that a table that cannot be opened is too."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from lakebatch.assembly.tables import FRAMES, table_schema
from lakebatch.columns import OWN, Column
from lakebatch.errors import DamageError
from lakebatch.ids import ExperimentName
from lakebatch.maintenance.inspection.lineage import Lineage
from lakebatch.maintenance.inspection.reference import Reference, added, purged_by, removed
from lakebatch.storage import Storage
from lakebatch.storage.delta import log as deltalog
from lakebatch.storage.delta.foreign import EVENT
from lakebatch.storage.delta.log import Entry, Log
from lakebatch.storage.delta.own_view import OwnView
from lakebatch.storage.delta.schema import TableSchema, load_schema
from lakebatch.storage.delta.vacuum import inner_tables, link_targets
from lakebatch.storage.place import StoredFile


class InspectedTable:
    """One table of an experiment: its files by path, its log, and the commit of each file.

    Attributes
    ----------
    kept : set of str
        The data files of tagged versions, where the tags are known.
    """

    def __init__(self, storage: Storage, folder: str, name: str, files: Sequence[StoredFile]) -> None:
        self.storage = storage
        self.experiment = str(ExperimentName.parse(folder))
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

    @cached_property
    def inner_tables(self) -> set[str]:
        """The folders of other tables below its folder."""
        return inner_tables(self.files)

    @cached_property
    def link_targets(self) -> set[str]:
        """The files in its folder to which links at its data files lead."""
        return link_targets(self.locate(""), self.references) if self.storage.is_local else set()

    @cached_property
    def schema(self) -> TableSchema:
        """The columns that it must have, with an experiment's own as its log describes them; frames may have more."""
        if self.name.startswith(f"{FRAMES}/"):
            return load_schema(FRAMES)
        return table_schema(self.name).completed(self._own_columns)

    @property
    def is_own(self) -> bool:
        """Whether an experiment declared it: a column says so or, without a log that does, partitions of assemblies do."""
        return bool(self._own_columns) or (
            not self.columns and any(path.startswith("assembly_id=") for path in self.files)
        )

    @property
    def _own_columns(self) -> list[Column]:
        found = {field["name"]: field for field in self._fields if OWN in (field.get("metadata") or {})}
        return [
            Column.from_metadata(name, _type_name(field["type"]), field["nullable"], field["metadata"])
            for name, field in found.items()
        ]

    @property
    def repair(self) -> str:
        """The advice for damage that may be healed."""
        return f"See whether it can be healed with: lakebatch repair {self.experiment}"

    @cached_property
    def lineage(self) -> Lineage:
        """The origin of the rows in each data file."""
        return Lineage(self.log.entries, self.own_view.origins.brought)

    @cached_property
    def own_view(self) -> OwnView:
        """Its files as they are, and as they would be if only lakebatch had written to it."""
        return OwnView(self.log.entries)

    @cached_property
    def references(self) -> dict[str, Reference]:
        """Every data file that any commit added, by path."""
        return {each.path: each for entry in self.log.entries for each in added(entry)}

    @cached_property
    def columns(self) -> set[str]:
        """The names of all columns that the table has or had."""
        return {field["name"] for field in self._fields}

    @cached_property
    def _fields(self) -> list[dict[str, Any]]:
        """The description of each column in each state of the table, the oldest first."""
        schemas = [
            json.loads(each["schemaString"]) for entry in self.log.entries for each in entry.of("metaData")
        ]
        return [field for schema in schemas for field in schema["fields"]]

    def metadata(self, version: int) -> dict[str, Any]:
        """Return the table's metadata, with its columns, at a version.

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
        """The data files that commits removed, with the version of the commit."""
        return {path: entry.version for entry in self.log.entries for path in removed(entry)}

    @cached_property
    def purged(self) -> dict[str, int]:
        """The assemblies whose files were purged, with the version of the commit."""
        found = ((purged_by(entry), entry.version) for entry in self.log.entries)
        return {name: version for name, version in found if name is not None}

    @cached_property
    def vacuumed_at(self) -> int:
        """The newest version at which a vacuum ended; -1 without one."""
        ends = [each.version for each in self.log.entries if _is_vacuum(each)]
        return max(ends, default=-1)

    def is_required(self, reference: Reference) -> bool:
        """Whether a file must exist: one that was removed before a vacuum need not, unless a tagged version has it, or
        another program took it out.

        Files that a purge took out need not exist for any version.
        """
        if reference.version < self.purged.get(reference.assembly_id or "", -1):
            return False
        is_kept = reference.path in self.kept or reference.path in self.own_view.missing
        return is_kept or self.removed.get(reference.path, self.vacuumed_at) >= self.vacuumed_at

    def keep(self, versions: Iterable[int]) -> None:
        """Remember that the data files of some versions must exist, although a vacuum ended."""
        wanted = set(versions)
        active: set[str] = set()
        for entry in self.log.entries if wanted else ():
            active -= set(removed(entry))
            active |= {each.path for each in added(entry)}
            if entry.version in wanted:
                self.kept |= active

    def locate(self, path: str) -> str:
        """Return the URI of a file of the table."""
        return self.storage.join(self.path, path)


def _type_name(of: Any) -> str:
    """Return the type of a field in a log, one of `lakebatch.columns.TYPES` for an own column."""
    return f"list<{_type_name(of['elementType'])}>" if isinstance(of, dict) else str(of)


def _is_vacuum(entry: Entry) -> bool:
    """Whether a vacuum committed an entry; before 0.2 the engine wrote it."""
    return entry.info.get("operation") == "VACUUM END" or entry.info.get(EVENT) == "vacuumed"
