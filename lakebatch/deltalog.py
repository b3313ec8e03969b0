"""The log of a Delta table as files: what of it is missing, empty, cut off or left over."""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lakebatch.errors import StorageError
from lakebatch.local import ABSENT, StoredFile, is_there, unreadable
from lakebatch.storage import Storage

FOLDER = "_delta_log"
POINTER = "_last_checkpoint"
ENTRY = re.compile(r"(\d{20})\.json")
CHECKPOINT = re.compile(r"(\d{20})\.checkpoint\.(?:[\w.-]+\.)?parquet")
LOST = "LOST"
PLACEHOLDER = json.dumps({"commitInfo": {"operation": LOST}}, separators=(",", ":"))
"""What stands in for an entry whose content is lost, so that the entries after it can be read."""
RESTORE = (
    "Put it back from a backup. Without one its commit is lost; to read all others, make this line its content: "
    f"{PLACEHOLDER}"
)
READABLE = "See that you may read it, and that its disk answers."


@dataclass(frozen=True)
class Fault:
    """One file of a log that is not as it should be."""

    file: str
    what: str
    advice: str
    is_harmless: bool = False
    is_damage: bool = True

    def __str__(self) -> str:
        return f"{self.file} {self.what}. {self.advice}"


@dataclass(frozen=True)
class Entry:
    """One commit as its file in the log has it."""

    version: int
    actions: tuple[dict[str, Any], ...]

    @property
    def info(self) -> dict[str, Any]:
        """Who committed what, and how."""
        return dict(next((each["commitInfo"] for each in self.actions if "commitInfo" in each), {}))

    def of(self, kind: str) -> list[dict[str, Any]]:
        """Return the actions of one kind, such as ``add``."""
        return [dict(each[kind]) for each in self.actions if each.get(kind)]


class Log:
    """The log of one table, read file by file so that one that is damaged hides no other."""

    def __init__(self, storage: Storage, table: str, files: Sequence[StoredFile] | None = None) -> None:
        self._storage = storage
        self._folder = f"{table}/{FOLDER}"
        self.files = storage.files(self._folder) if files is None else files
        self.entries: list[Entry] = []
        self.faults: list[Fault] = []
        self._read_entries()
        self.faults += [*self._gaps(), *self._checkpoints(), *self._pointer(), *self._leftovers()]

    def _fault(self, name: str, what: str, advice: str, *, is_harmless: bool = False) -> Fault:
        return Fault(self._storage.join(self._folder, name), what, advice, is_harmless)

    def _unreadable(self, name: str, error: StorageError) -> Fault:
        reason = getattr(error.__cause__, "strerror", None) or " ".join(str(error).split()).rstrip(".")
        return Fault(
            self._storage.join(self._folder, name), f"cannot be read ({reason})", READABLE, is_damage=False
        )

    def _versions(self, pattern: re.Pattern[str]) -> dict[int, StoredFile]:
        matches = ((pattern.fullmatch(each.path), each) for each in self.files)
        return {int(match[1]): each for match, each in matches if match}

    def _read_entries(self) -> None:
        files = self._versions(ENTRY)
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
        announced = entry.info.get("operationMetrics", {}).get("num_added_files")
        if announced is not None and int(announced) != (found := len(entry.of("add"))):
            yield self._fault(name, f"is cut off: it announces {announced} files and names {found}", RESTORE)

    def _gaps(self) -> Iterator[Fault]:
        there = self._versions(ENTRY)
        newest = max([*there, *self._versions(CHECKPOINT)], default=-1)
        for version in range(newest + 1):
            if version not in there:
                yield self._fault(entry_name(version), "is missing", RESTORE)

    def _checkpoints(self) -> Iterator[Fault]:
        import pyarrow as pa  # slow to import, and most logs are never looked at
        import pyarrow.parquet as pq

        for file in self._versions(CHECKPOINT).values():
            try:
                pq.read_table(io.BytesIO(self._storage.read(f"{self._folder}/{file.path}")))
            except StorageError as error:
                yield self._unreadable(file.path, error)
            except (pa.ArrowException, OSError) as error:
                detail = " ".join(str(error).split())
                yield self._fault(
                    file.path,
                    f"cannot be read ({detail})",
                    f"Move it and {POINTER} away: the entries of the log say the same.",
                )

    def _pointer(self) -> Iterator[Fault]:
        if all(each.path != POINTER for each in self.files):
            return
        advice = "Move it away: it only says where to begin to read."
        try:
            version = int(json.loads(self._storage.read(f"{self._folder}/{POINTER}"))["version"])
        except StorageError as error:
            yield self._unreadable(POINTER, error)
            return
        except (ValueError, KeyError, TypeError):
            yield self._fault(POINTER, "is cut off or damaged", advice, is_harmless=True)
            return
        if version not in self._versions(CHECKPOINT):
            yield self._fault(POINTER, f"points to version {version}, which has no checkpoint", advice)

    def _leftovers(self) -> Iterator[Fault]:
        for file in self.files:
            if (
                file.path != POINTER
                and not ENTRY.fullmatch(file.path)
                and not CHECKPOINT.fullmatch(file.path)
            ):
                advice = "Nothing reads it; it can be removed when nobody writes."
                yield self._fault(
                    file.path, "is left over from a write that did not end", advice, is_harmless=True
                )


def parse(content: bytes | StorageError) -> list[dict[str, Any]]:
    """Return the actions in an entry of a log; raise what came instead of its content.

    Raises
    ------
    ValueError
        If it is empty or one of its lines is not an object.
    """
    if isinstance(content, StorageError):
        raise content
    actions = [json.loads(line) for line in content.decode().splitlines() if line.strip()]
    if not actions or not all(isinstance(each, dict) for each in actions):
        raise ValueError("no action in it")
    return actions


def first_fault(storage: Storage, table: str) -> Fault | None:
    """Return what keeps a log from being read, if it can be told."""
    try:
        faults = Log(storage, table).faults
    except StorageError:
        return None
    return next((each for each in faults if not each.is_harmless), None)


def entry_name(version: int) -> str:
    """Return what the entry of a version is called.

    >>> entry_name(7)
    '00000000000000000007.json'
    """
    return f"{version:020d}.json"


def exists(table: Path) -> bool:
    """Whether a folder of this machine is a table: whether there is any entry or checkpoint in its log.

    Raises
    ------
    StorageError
        If that cannot be told.
    """
    log = table / FOLDER
    try:
        with os.scandir(log) as files:
            return any(ENTRY.fullmatch(each.name) or CHECKPOINT.fullmatch(each.name) for each in files)
    except ABSENT:
        for place in (table.parent, table, log):  # a link to nothing: the disk may be away on which it is
            is_there(place)
        return False
    except OSError as error:
        raise unreadable(error, str(log)) from error


def empty_entries(storage: Storage, table: str, since: int | None = None) -> list[Path]:
    """Return the empty entries of a log on disk, which engines pass over in silence.

    Only those that a power cut can have left: after the newest checkpoint, and none on S3, where an object is
    written whole or not at all. With ``since``, from that version on instead.
    """
    if storage.is_s3:
        return []
    folder = Path(storage.uri, table, FOLDER)
    first = _checkpointed(folder) + 1 if since is None else since
    try:
        later = [name for name in os.listdir(folder) if name >= f"{first:020d}"]  # of thousands, a few
        entries = [folder / name for name in sorted(later) if ENTRY.fullmatch(name)]
        return [entry for entry in entries if not entry.stat().st_size]
    except ABSENT:
        return []
    except OSError as error:
        raise unreadable(error, str(error.filename)) from error


def _checkpointed(folder: Path) -> int:
    try:
        return int(json.loads((folder / POINTER).read_bytes())["version"])
    except (OSError, ValueError, KeyError, TypeError):
        return -1
