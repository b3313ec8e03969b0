"""The interface of a place that holds a lake.

A backend is one class that implements `Place`: `lakebatch.storage.local.LocalFolder` and `lakebatch.storage.s3.Bucket`. A
further one also needs its scheme in `lakebatch.storage.uris`, its class in `lakebatch.storage.Storage.place`, the settings
of the engines in `lakebatch.storage.locate`, and the words of its errors in `lakebatch.storage.retry`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol, TypeAlias

from lakebatch.errors import StorageError

Validator: TypeAlias = "tuple[int | str, ...]"
"""Validator of a file, like an ETag: it changes whenever the file changes."""


@dataclass(frozen=True)
class StoredFile:
    """A file in a place: its path below the folder that was listed, its size in bytes, the time it was written.

    The fault says why it cannot be read, as a pipe or a link that leads nowhere cannot.
    """

    path: str
    size: int
    at: datetime
    fault: str | None = None


class Place(Protocol):
    """A place that holds a lake: a tree of files below one URI.

    Rules for a backend:

    - Paths are relative to the URI, with ``/`` between their steps.
    - *Put if absent.* The table engine creates a log entry only if there is none of that name; of several processes that
      create the same one, exactly one succeeds. `check_writable` refuses a place that does not guarantee this.
    - *Whole or not at all.* A reader never sees a part of a file that `write` writes. `renew` need not guarantee this.
    - *Read after write.* A file that was written or removed is so for every later call of any process.
    - *Order.* `folders` and `files` are sorted by name, `read_each` keeps the order of its argument.
    - *Absence.* To list what does not exist gives nothing, to remove it does nothing, to read it is an error.
    - *Clock.* `ages` are by the clock of the place, never by that of this machine alone.
    - *Errors.* Every method raises `StorageError` with one line: the action, the place, the reason and the advice. Requests
      whose failure may pass are repeated by the policy of `lakebatch.storage.retry`.
    - *Threads.* Several threads of a process may read at once. A thread that writes has a place of its own.
    """

    @property
    def is_local(self) -> bool:
        """Whether the files have paths on this machine."""

    def folders(self, below: str = "") -> list[str]:
        """Return the names of the folders directly in the place, or in a folder of it."""

    def files(self, folder: str) -> list[StoredFile]:
        """Return every file below a folder."""

    def validator(self, folder: str, name: str, unless: str) -> Validator | None:
        """Return the validator of a file; None if there is no such file, or if the file ``unless`` exists.

        On a disk the validator also changes when any file of the folder comes or goes.
        """

    def read(self, path: str) -> bytes:
        """Return the content of a file."""

    def read_each(self, paths: Iterable[str]) -> Iterator[bytes | StorageError]:
        """Yield the content of each file, or the error that kept it from being read."""

    def write(self, path: str, content: bytes) -> None:
        """Write a file, and the folders above it."""

    def renew(self, path: str, content: bytes) -> None:
        """Write a small file in place; its age becomes 0."""

    def remove(self, path: str) -> None:
        """Remove a file."""

    def remove_each(self, paths: Iterable[str]) -> None:
        """Remove files."""

    def ages(self, folder: str) -> dict[str, float]:
        """Return the age in seconds of each file of a folder, by name."""

    def make_folder(self, folder: str) -> None:
        """Create a folder and those above it, where the place has folders."""

    def creates_only_once(self, name: str) -> bool:
        """Whether the place keeps the rule *put if absent*; tried with a file of this name, which is removed."""

    def check_writable(self, folder: str = "") -> None:
        """Raise unless a run can list, read, write and rely on *put if absent* here, and in a folder where rights differ.

        The folder need not exist. `check_folders` need not check it again.
        """

    def check_folders(self, folders: Iterable[str]) -> None:
        """Raise unless files can be created in each of the folders that exist."""

    def locked(self, folder: str, *, for_writing: bool) -> list[str]:
        """Return the paths below a folder that rights forbid: files to read, or folders to write in.

        A place without such rights, or where only a try shows them, returns none.
        """

    def check_space(self, needed: int) -> None:
        """Raise unless a number of bytes, and a reserve for the records of a run, can be written."""

    def explain(self, message: str) -> str | None:
        """Return the reason and the advice for an engine's error; None if the place itself is not to blame for it."""


class ObjectStore(Place, Protocol):
    """A place that takes a request for each answer, so that a table there is opened from a copy of the end of its log."""

    def for_table(self, path: str) -> ObjectStore:
        """Return the same place for calls about a table, which wait as long as a run does, and name the table."""

    def tags(self, folder: str, after: str = "", limit: int | None = None) -> dict[str, str]:
        """Return the ETag of each file below a folder whose path in it comes after another; at most ``limit``."""

    def find(self, path: str) -> bytes | None:
        """Return the content of a file, None without it."""

    def upload(self, path: str, file: Path) -> None:
        """Write a file with the content of one of this machine."""

    def create(self, path: str, content: bytes) -> str | None:
        """Create a file, and return its ETag; None if another process has created it.

        Where an answer was lost, the content of the file tells who has created it, and its ETag, unknown, is empty.
        """
