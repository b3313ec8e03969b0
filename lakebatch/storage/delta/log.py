"""The log of a Delta table as files, and the search for missing, empty, damaged and left-over ones."""

from __future__ import annotations

import itertools
import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lakebatch._files import ABSENT, path_exists, unreadable
from lakebatch.errors import StorageError
from lakebatch.ids import ExperimentName
from lakebatch.storage import Storage
from lakebatch.storage.place import StoredFile

FOLDER = "_delta_log"
POINTER = "_last_checkpoint"
ENTRY = re.compile(r"(\d{20})\.json")
MAX_ENTRY = 2**28
"""Upper bound in bytes: a commit of a hundred thousand files has less, and a larger file could fill the memory."""
MAX_NAMED = 100
"""Number of consecutive missing entries that are named one by one."""
CHECKPOINT = re.compile(r"(\d{20})\.checkpoint\.(?:(?:[\w-]+\.)*parquet|[\w-]+\.json)")
"""A checkpoint of one file, one of the files of another engine's, or the head of one with sidecars (version 2)."""
CHECKSUM = re.compile(r"(\d{20})\.crc")
OF_OTHER_TOOLS = re.compile(
    r"\..*\.crc|_(?:staged_)?commits/.*|_sidecars/.*|\d{20}\.\d{20}\.compacted\.json|_\$folder\$|\.s3-.*"
)
"""Files that Spark, Databricks and Hadoop put into a log."""
VERSION_DIGITS = 20
LOST = "LOST"
NEEDED: dict[str, dict[str, Any]] = {
    "add": {"path": str, "partitionValues": dict, "size": int},
    "remove": {"path": str},
    "metaData": {"id": str, "schemaString": str},
    "txn": {"appId": str, "version": int},
}
"""Required fields of the actions that are read here, with their types."""
PLACEHOLDER = json.dumps({"commitInfo": {"operation": LOST}}, separators=(",", ":"))
"""Content that replaces a lost entry, so that the entries after it can be read."""
RESTORE = (
    "Put it back from a backup. Without one its commit is lost; to read all others, make this line its content: "
    f"{PLACEHOLDER}"
)
READABLE = "See that you may read it, and that its disk answers."


@dataclass(frozen=True)
class Fault:
    """A file of a log that is damaged, missing or left over.

    Attributes
    ----------
    is_derived : bool
        Whether the file only repeats the entries, as a checkpoint does.
    is_damage : bool
        Whether the file is damaged, and not only out of reach.
    version : int or None
        The version of a checkpoint whose file it is.
    """

    file: str
    what: str
    advice: str
    is_harmless: bool = False
    is_damage: bool = True
    is_derived: bool = False
    version: int | None = None

    def __str__(self) -> str:
        return f"{self.file} {self.what}. {self.advice}"


@dataclass(frozen=True)
class Entry:
    """One commit: the content of a log file."""

    version: int
    actions: tuple[dict[str, Any], ...]

    @property
    def info(self) -> dict[str, Any]:
        """The metadata of the commit."""
        return dict(next((each["commitInfo"] for each in self.actions if "commitInfo" in each), {}))

    def of(self, kind: str) -> list[dict[str, Any]]:
        """Return the actions of one kind, such as ``add``."""
        return [dict(each[kind]) for each in self.actions if each.get(kind)]


class Log:
    """The log of one table, read file by file so that a damaged file hides no other."""

    def __init__(self, storage: Storage, table: str, files: Sequence[StoredFile] | None = None) -> None:
        self._storage = storage
        self._folder = f"{table}/{FOLDER}"
        self.files = storage.files(self._folder) if files is None else files
        self.entries: list[Entry] = []
        self.faults: list[Fault] = []
        self._read_entries()
        self.faults += [
            *self._gaps(),
            *self._checkpoints(),
            *self._pointer(),
            *self._leftovers(),
            *self._checksums(),
        ]

    def _fault(
        self, name: str, what: str, advice: str, *, is_harmless: bool = False, is_derived: bool = False
    ) -> Fault:
        where = self._storage.join(self._folder, name)
        return Fault(where, what, advice, is_harmless=is_harmless, is_derived=is_derived)

    @property
    def is_whole(self) -> bool:
        """Whether every commit can be read; checkpoints only repeat commits."""
        return all(fault.is_harmless or fault.is_derived for fault in self.faults)

    @property
    def newest(self) -> int:
        """The version of the newest entry; -1 without one."""
        return max((each.version for each in self.entries), default=-1)

    @property
    def repair(self) -> str:
        """The advice for a damaged file that only repeats the entries."""
        return f"Write it again with: lakebatch repair {self._experiment}"

    @property
    def _experiment(self) -> str:
        return str(ExperimentName.parse(self._folder.partition("/")[0]))

    def _unreadable(self, name: str, error: StorageError) -> Fault:
        reason = getattr(error.__cause__, "strerror", None) or " ".join(str(error).split()).rstrip(".")
        return Fault(
            self._storage.join(self._folder, name), f"cannot be read ({reason})", READABLE, is_damage=False
        )

    def _versions(self, pattern: re.Pattern[str]) -> dict[int, StoredFile]:
        matches = ((pattern.fullmatch(each.path), each) for each in self.files)
        return {int(match[1]): each for match, each in matches if match}

    def _read_entries(self) -> None:
        files = {}
        for version, file in self._versions(ENTRY).items():
            if what := fault_of(file):
                self.faults.append(self._fault(file.path, what, RESTORE))
            else:
                files[version] = file
        contents = self._storage.read_each(f"{self._folder}/{file.path}" for file in files.values())
        for (version, file), content in zip(files.items(), contents, strict=True):
            try:
                entry = Entry(version, tuple(parse(content)))
            except StorageError as error:
                self.faults.append(self._unreadable(file.path, error))
                continue
            except ValueError as error:
                what = "is empty" if not file.size else f"is cut off or damaged ({error})"
                self.faults.append(self._fault(file.path, what, RESTORE))
                continue
            self.entries.append(entry)
            self.faults += self._incomplete(entry, file.path)

    def _incomplete(self, entry: Entry, name: str) -> Iterator[Fault]:
        if entry.info.get("operation") == LOST:
            advice = "See what lacks rows with: lakebatch status"
            yield self._fault(name, "stands in for a lost commit", advice, is_harmless=True)
        announced = (entry.info.get("operationMetrics") or {}).get("num_added_files")
        if announced is not None and int(announced) != (found := len(entry.of("add"))):
            yield self._fault(name, f"is cut off: it announces {announced} files and names {found}", RESTORE)

    def _gaps(self) -> Iterator[Fault]:
        entries = self._versions(ENTRY)
        newest = max([*entries, *self._versions(CHECKPOINT)], default=-1)
        for before, after in itertools.pairwise(sorted({-1, *entries, newest + 1})):
            missing = range(before + 1, after)
            for version in missing[:MAX_NAMED]:
                yield self._fault(entry_name(version), "is missing", RESTORE)
            if len(missing) > MAX_NAMED:
                what = f"and {len(missing) - MAX_NAMED} entries before it are missing too"
                yield self._fault(entry_name(missing[-1]), what, RESTORE)

    def _checkpoints(self) -> Iterator[Fault]:
        from lakebatch.storage.delta.checkpoint_files import (
            find_faults,  # slow, and most logs are never examined
        )

        files = [each for each in self.files if CHECKPOINT.fullmatch(each.path)]
        readable = [each for each in files if not fault_of(each)]
        yield from (self._derived(each.path, str(fault_of(each))) for each in files if each not in readable)
        present = {each.path for each in self.files}
        for version, name, reason in find_faults(self._storage, self._folder, readable, present):
            if isinstance(reason, StorageError):
                yield self._unreadable(name, reason)
            else:
                yield self._derived(name, reason, version)

    def _derived(self, name: str, what: str, version: int | None = None) -> Fault:
        """Return the fault of a file of a checkpoint, which `repair` writes again."""
        of = int(name[:VERSION_DIGITS]) if version is None else version
        return Fault(self._storage.join(self._folder, name), what, self.repair, is_derived=True, version=of)

    def _pointer(self) -> Iterator[Fault]:
        pointer = next((each for each in self.files if each.path == POINTER), None)
        if pointer is None:
            return
        try:
            if fault_of(pointer):
                raise ValueError(pointer.fault)
            version = pointed_version(self._storage.read(f"{self._folder}/{POINTER}"))
        except StorageError as error:
            yield self._unreadable(POINTER, error)
            return
        except ValueError:
            what = "is cut off or damaged"
            yield self._fault(POINTER, what, self.repair, is_harmless=True, is_derived=True)
            return
        if version not in self._versions(CHECKPOINT):
            what = f"points to version {version}, which has no checkpoint"
            yield self._fault(POINTER, what, self.repair, is_derived=True)

    def _leftovers(self) -> Iterator[Fault]:
        for file in self.files:
            name = file.path
            if name == POINTER or any(each.fullmatch(name) for each in (ENTRY, CHECKPOINT, OF_OTHER_TOOLS)):
                continue
            checksum = CHECKSUM.fullmatch(name)
            if checksum is None:
                what, advice = "is left over from a write that did not end", "Leave it: nothing reads it."
                yield self._fault(name, what, advice, is_harmless=True)
            elif int(checksum[1]) > self.newest:
                what = f"is the checksum of a version that the log does not have; its newest is {self.newest}"
                advice = (
                    "Put lost entries of the log back from a backup; if none is lost, move this file to another folder: "
                    "engines refuse the table because of it."
                )
                yield self._fault(name, what, advice)

    def _checksums(self) -> Iterator[Fault]:
        """Yield the checksums of other engines that cannot be read; nothing but an engine's own check needs them."""
        names = [each.path for each in self._versions(CHECKSUM).values()]
        contents = self._storage.read_each(f"{self._folder}/{name}" for name in names)
        for name, content in zip(names, contents, strict=True):
            try:
                if isinstance(content, bytes) and not isinstance(json.loads(content), dict):
                    raise ValueError
            except (ValueError, RecursionError):
                what, advice = (
                    "is no checksum: it is cut off or damaged",
                    "Remove it: it only repeats the log.",
                )
                yield self._fault(name, what, advice, is_harmless=True)


def fault_of(file: StoredFile) -> str | None:
    """Return the reason why a log file cannot be read at all, if there is one."""
    if file.fault is None and file.size > MAX_ENTRY:
        return f"has {file.size} bytes, more than any commit has"
    return file.fault


def parse(content: bytes | StorageError) -> list[dict[str, Any]]:
    """Return the actions in a log entry; raise the error that was read in place of its content.

    Raises
    ------
    ValueError
        If the entry is empty, or one of its lines is not an object.
    """
    if isinstance(content, StorageError):
        raise content
    try:
        actions = [json.loads(line) for line in content.decode().splitlines() if line.strip()]
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not actions or not all(isinstance(each, dict) for each in actions):
        raise ValueError("no action in it")
    for action in actions:
        _check_action(action)
    return actions


def _check_action(action: dict[str, Any]) -> None:
    """Raise `ValueError` unless an action has the required fields with their types."""
    for kind, content in action.items():
        if not isinstance(content, dict | None):
            raise ValueError(f"{kind!r} is no object")
        for name, type_ in NEEDED.get(kind, {}).items():
            if content is not None and not isinstance(content.get(name), type_):
                raise ValueError(f"{kind!r} has no {name!r} of the right type")
    metrics = (action.get("commitInfo") or {}).get("operationMetrics") or {}
    if not isinstance(metrics, dict) or not str(metrics.get("num_added_files", 0)).isdecimal():
        raise ValueError("its metrics are no numbers")


def first_fault(storage: Storage, table: str) -> Fault | None:
    """Return the first fault that keeps a log from being read; None if there is none or the log cannot be reached."""
    try:
        faults = Log(storage, table).faults
    except StorageError:
        return None
    return next((each for each in faults if not each.is_harmless), None)


def entry_name(version: int) -> str:
    """Return the file name of the entry of a version.

    >>> entry_name(7)
    '00000000000000000007.json'
    """
    return f"{version:020d}.json"


def pointed_version(content: bytes) -> int:
    """Return the version of the checkpoint that a pointer names; raise `ValueError` if it is damaged."""
    try:
        return int(json.loads(content)["version"])
    except (KeyError, TypeError, RecursionError) as error:
        raise ValueError("it names no version") from error


def checkpoint_name(version: int) -> str:
    """Return the file name of the checkpoint of a version, if it is a single file."""
    return f"{version:020d}.checkpoint.parquet"


def exists(table: Path) -> bool:
    """Whether a folder of this machine is a table: whether its log has any entry or checkpoint.

    Raises
    ------
    StorageError
        If the folder cannot be read.
    """
    log = table / FOLDER
    try:
        with os.scandir(log) as files:
            return any(ENTRY.fullmatch(each.name) or CHECKPOINT.fullmatch(each.name) for each in files)
    except ABSENT:
        for place in (table.parent, table, log):  # raises at a dangling link: its disk may be unmounted
            path_exists(place)
        return False
    except OSError as error:
        raise unreadable(error, str(log)) from error
