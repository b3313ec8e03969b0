"""Tables on S3, opened in a local copy of the end of their log.

To open a table, look at a transaction and commit, the engine reads each entry since the last checkpoint up to five times,
and whenever it looks for entries it also looks for a checkpoint; on S3 each of these is a request. So a replica fetches each
file of the log once, into a folder of this machine, and the engine opens the table there.

It also commits there. Then the data files are written to S3, and after them the entry is created as the next one: S3 refuses
a second entry of the same version, and nobody sees a commit before that. If another commit was first, the entry becomes the
one after it, unless the other one touched what this one relies on; then it is refused, as the engine would refuse it.
"""

from __future__ import annotations

import math
import os
import shutil
import tempfile
import time
import weakref
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from lakebatch.errors import StorageError
from lakebatch.storage import Storage, disk_errors
from lakebatch.storage.delta.engine import Handle
from lakebatch.storage.delta.log import (
    CHECKPOINT,
    ENTRY,
    FOLDER,
    POINTER,
    VERSION_DIGITS,
    checkpoint_name,
    entry_name,
    parse,
    pointed_version,
)
from lakebatch.storage.delta.log_files import LogFiles, checked
from lakebatch.storage.place import ObjectStore, Validator

MOVABLE = {"add", "commitInfo", "remove", "txn"}
"""Actions of a commit that can follow a commit which it did not know; one that changes the columns cannot."""
REPLACING = "remove"
PAGE = 1000
"""Files of a log that are looked at without asking for its newest checkpoint: as many as one answer of S3 names."""
FRESH_SECONDS = 2.0
"""Age from which on a state is brought up to date before a commit, so that a log that lost an entry is not continued."""


class OvertakenError(CommitFailedError):
    """A commit that was not made, because another one was first with which it does not go together."""


class UnusualLogError(DeltaError):
    """A log that only the engine itself can open, or refuse: it has a gap, or another tool's kind of checkpoint."""


class Replica(Handle):
    """A table on S3 at its newest version, opened in a local copy of the end of its log.

    Raises
    ------
    TableNotFoundError
        If there is no table.
    UnusualLogError
        If its log is not a plain one.
    """

    def __init__(self, storage: Storage, table: str, fetched: LogFiles) -> None:
        if storage.objects is None:
            raise TypeError("A table on a disk needs no copy.")
        self._storage, self._objects = storage, storage.objects.for_table(table)
        self._path, self._uri = table, storage.join(table)
        self._log, self._fetched = f"{table}/{FOLDER}", fetched
        with self._explained():
            self._folder = Path(tempfile.mkdtemp(prefix="lakebatch-log-"))
        weakref.finalize(self, _remove, self._folder, os.getpid())
        self._load()

    @property
    def root(self) -> str:
        """The URI of the table."""
        return self._uri

    @property
    def is_fresh(self) -> bool:
        """Whether a commit may start from this state: it was the newest one a moment ago."""
        return time.monotonic() - self._checked_at < FRESH_SECONDS

    @property
    def validator(self) -> Validator | None:
        """The validator of the newest log entry, as the log was when it was read."""
        tag = self._fetched.tag(self._log, entry_name(self.version()))
        return None if tag is None else (tag,)

    def history(self, limit: int | None = None) -> list[dict[str, Any]]:
        """Return the metadata of all commits, newest first, from the log on S3."""
        return Handle(self._uri, version=self.version(), storage_options=dict(self._storage.options)).history(
            limit
        )

    def _load(self) -> None:
        """Open the table anew, from the newest checkpoint on."""
        self._checked_at = time.monotonic()
        files = self._fetched.fetch(self._objects, self._log, _recent(self._objects, self._log))
        shutil.rmtree(self._folder / FOLDER, ignore_errors=True)
        self._place(files)
        super().__init__(str(self._folder))

    def _place(self, files: Mapping[str, bytes]) -> None:
        with self._explained():
            (self._folder / FOLDER).mkdir(exist_ok=True)
            for name, content in files.items():
                (self._folder / FOLDER / name).write_bytes(content)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Raise a refusal of the disk with the copy, of which an engine's error would say that it is the lake's."""
        try:
            yield
        except (OSError, DeltaError) as error:
            if (reason := disk_errors.refusal(str(error))) is None:
                raise
            raise StorageError(
                f"Cannot write a copy of {self._uri} to {tempfile.gettempdir()}: {reason}. Nothing is lost: make room and "
                f"rights there, or set TMPDIR to another folder, {disk_errors.RESUME}"
            ) from error

    def catch_up(self) -> None:
        """Read the commits that others have made since."""
        if later := self._later(self.version()):
            self._place(later)
            self.update_incremental()

    def _later(self, version: int) -> dict[str, bytes]:
        """Return the entries after a version, by name."""
        self._checked_at = time.monotonic()
        listed = self._objects.tags(self._log, after=entry_name(version))
        later = {name: tag for name, tag in listed.items() if ENTRY.fullmatch(name)}
        _check_contiguous(version, later)
        read = map(checked, self._objects.read_each(f"{self._log}/{name}" for name in later))
        contents = dict(zip(later, read, strict=True))
        for name, content in contents.items():
            self._fetched.keep(self._log, name, later[name], content)
        return contents

    @contextmanager
    def committing(self) -> Iterator[None]:
        """Let the engine commit to the copy, and then make these commits on S3.

        Raises
        ------
        OvertakenError
            If another commit was first with which one of these does not go together. The replica is of no use then.
        """
        before = self.version()
        with self._explained():
            yield
        self._push([self._entry(version) for version in range(before + 1, self.version() + 1)], before + 1)

    def _entry(self, version: int) -> bytes:
        return (self._folder / FOLDER / entry_name(version)).read_bytes()

    def _push(self, entries: Sequence[bytes], first: int) -> None:
        """Make the commits of some entries on S3, from a version on or after those that were first."""
        log: list[bytes] = []
        for content in entries:
            actions = parse(content)
            self._upload(each["add"]["path"] for each in actions if each.get("add"))
            while not self._create(first + len(log), content):
                log += self._overtaking(actions, first + len(log))
            log.append(content)
        if len(log) > len(entries):
            self._place({entry_name(version): content for version, content in enumerate(log, first)})
            super().__init__(str(self._folder))
            self._checked_at = -math.inf  # where others commit all the time, it is better to look first

    def _upload(self, paths: Iterable[str]) -> None:
        """Write the data files that lie in the copy to S3; those that do not are there."""
        for path in map(unquote, paths):
            file = self._folder / path
            if file.exists():
                self._objects.upload(f"{self._path}/{path}", file)
                file.unlink()

    def _create(self, version: int, content: bytes) -> bool:
        """Create an entry on S3, and return whether it is this one that is there."""
        name = entry_name(version)
        tag = self._objects.create(f"{self._log}/{name}", content)
        if tag is not None:
            self._fetched.keep(self._log, name, tag, content)
        return tag is not None

    def _overtaking(self, actions: Sequence[Mapping[str, Any]], version: int) -> Iterable[bytes]:
        """Return the entries that were first, from a version on; raise unless a commit can follow them."""
        later = self._later(version - 1)
        if not later:  # it may be this one, asked for again while the first request is under way
            raise CommitFailedError(f"A commit is being made to {self._uri}")
        for name, content in later.items():
            if not _can_follow(actions, parse(content)):
                raise OvertakenError(f"Another commit was first, {name} of {self._uri}")
        return later.values()

    def create_checkpoint(self) -> None:
        """Write a checkpoint of this version on S3, and then the pointer to it."""
        super().create_checkpoint()
        for name in (checkpoint_name(self.version()), POINTER):
            self._storage.write(f"{self._log}/{name}", (self._folder / FOLDER / name).read_bytes())


def _remove(folder: Path, owner: int) -> None:
    if os.getpid() == owner:  # and not a fork, which inherits the call
        shutil.rmtree(folder, ignore_errors=True)


def _recent(objects: ObjectStore, log: str) -> dict[str, str]:
    """Return the names and ETags of the newest checkpoint and of the entries from it on."""
    listed = _listed(objects, log)
    checkpoints = {int(name[:VERSION_DIGITS]): name for name in listed if CHECKPOINT.fullmatch(name)}
    start = max(checkpoints, default=-1)
    entries = {name: tag for name, tag in listed.items() if ENTRY.fullmatch(name) and _version(name) >= start}
    if start < 0:
        _check_contiguous(-1, entries)
        return entries
    if checkpoints[start] != checkpoint_name(start):
        raise UnusualLogError(checkpoints[start])
    _check_contiguous(start, [name for name in entries if _version(name) > start])
    return {checkpoints[start]: listed[checkpoints[start]]} | entries


def _listed(objects: ObjectStore, log: str) -> dict[str, str]:
    """Return the names and ETags of the files of a log; of a long one, those from its newest known checkpoint on."""
    listed = objects.tags(log, limit=PAGE)
    if not any(ENTRY.fullmatch(name) or CHECKPOINT.fullmatch(name) for name in listed):
        raise TableNotFoundError(f"no log in {log}")
    if len(listed) < PAGE:
        return listed
    pointer = objects.find(f"{log}/{POINTER}")
    try:
        version = 0 if pointer is None else pointed_version(pointer)
    except ValueError as error:
        raise UnusualLogError(POINTER) from error
    return objects.tags(log, after=f"{version:0{VERSION_DIGITS}d}")


def _check_contiguous(version: int, names: Collection[str]) -> None:
    """Raise unless entries follow a version without a gap."""
    if sorted(map(_version, names)) != list(range(version + 1, version + 1 + len(names))):
        raise UnusualLogError(f"a gap after version {version}")


def _version(name: str) -> int:
    return int(name[:VERSION_DIGITS])


def _can_follow(actions: Sequence[Mapping[str, Any]], others: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a commit with some actions can follow another one that it did not know."""
    kinds, other_kinds = _kinds(actions), _kinds(others)
    both_replace = REPLACING in kinds and REPLACING in other_kinds
    is_same = not _transactions(actions).isdisjoint(_transactions(others))
    return kinds | other_kinds <= MOVABLE and not both_replace and not is_same


def _kinds(actions: Iterable[Mapping[str, Any]]) -> set[str]:
    return {kind for action in actions for kind in action}


def _transactions(actions: Iterable[Mapping[str, Any]]) -> set[str]:
    return {action["txn"]["appId"] for action in actions if action.get("txn")}
