"""A lake in a folder: what is in it, and whether it can be written."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

from lakebatch.errors import StorageError

logger = logging.getLogger(__name__)

Stamp: TypeAlias = "tuple[int | str, ...]"
"""What is another when a file is."""
RESERVE = 128_000
"""Bytes that rows leave free on a disk, so that their run can still record how far it came."""

RENEWED = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK


@dataclass(frozen=True)
class StoredFile:
    """A file in the lake: its path below the folder that was listed, its size in bytes, when it was written."""

    path: str
    size: int
    at: datetime


class LocalFolder:
    """A folder on this machine, or on one whose disk is mounted here."""

    def __init__(self, uri: str) -> None:
        self.path = Path(uri)

    def folders(self) -> list[str]:
        """Return the names of the folders directly in it, sorted; none if it does not exist yet."""
        if not self.path.exists():
            return []
        try:
            return sorted(entry.name for entry in self.path.iterdir() if entry.is_dir())
        except OSError as error:
            raise StorageError(
                f"Cannot read the lake {self.path}: {error.strerror}. Expected a readable folder."
            ) from error

    def files(self, folder: str) -> list[StoredFile]:
        """Return every file below a folder of it, by path; none if that is not there."""
        return sorted(_walk(self.path / folder), key=lambda each: each.path)

    def stamp(self, folder: str, name: str, unless: str) -> Stamp | None:
        """Return what is another when a file is, or any comes or goes in its folder; see `Storage.stamp`.

        The clock of a disk is coarse, so the folder alone does not tell that another file has come.
        """
        place = self.path / folder
        if (place / unless).exists():
            return None
        try:
            return *_identity(place), *_identity(place / name)
        except OSError:
            return None

    def read(self, path: str) -> bytes:
        """Return the content of a file."""
        file = self.path / path
        try:
            return file.read_bytes()
        except OSError as error:
            raise StorageError(f"Cannot read {file}: {error.strerror}. Expected a readable file.") from error

    def write(self, path: str, content: bytes) -> None:
        """Write a file, whole or not at all."""
        file = self.path / path
        staged = file.with_name(f".{uuid.uuid4().hex}")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with staged.open("wb") as sink:
                sink.write(content)
                sink.flush()
                os.fsync(sink.fileno())
            staged.replace(file)
        except OSError as error:
            raise StorageError(
                f"Cannot write {file}: {error.strerror}. Expected a writable folder."
            ) from error
        finally:
            staged.unlink(missing_ok=True)

    def remove(self, path: str) -> None:
        """Remove a file, if it is there."""
        try:
            (self.path / path).unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(f"Cannot remove {self.path / path}: {error.strerror}.") from error

    def remove_each(self, paths: Iterable[str]) -> None:
        """Remove files that are there; those in a folder behind a link, which may lie outside of the lake, stay."""
        linked = set()
        for path in paths:
            if link := self._link(path):
                linked.add(link)
            else:
                self.remove(path)
        for link in sorted(linked):
            logger.warning("Nothing was removed from %s: it is a link, whose files others may need.", link)

    def _link(self, path: str) -> Path | None:
        """Return the folder on the way to a file that is a link, if there is one."""
        folders = [self.path / parent for parent in Path(path).parents]
        return next((folder for folder in folders[:-1] if folder.is_symlink()), None)

    def renew(self, path: str, content: bytes) -> None:
        """Write a small file in place, never through a link."""
        file = self.path / path
        try:
            file.parent.mkdir(exist_ok=True)
            with open(os.open(file, RENEWED, 0o666), "wb") as stream:
                stream.write(content)
        except OSError as error:
            raise StorageError(
                f"Cannot write {file}: {error.strerror}. Expected a writable folder."
            ) from error

    def ages(self, folder: str) -> dict[str, float]:
        """Return how many seconds ago each file of a folder was written, by the disk's clock; none without the folder."""
        place = self.path / folder
        written: dict[str, float] = {}
        try:
            for path in place.iterdir():
                with suppress(FileNotFoundError):  # it was removed meanwhile
                    written[path.name] = path.lstat().st_mtime
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise StorageError(
                f"Cannot read {place}: {error.strerror}. Expected a readable folder."
            ) from error
        now = _clock(place) if written else 0.0
        return {name: now - at for name, at in written.items()}

    def read_each(self, paths: Iterable[str]) -> Iterator[bytes | StorageError]:
        """Yield the content of each file, or what was wrong with it, in the order asked for."""
        for path in paths:
            try:
                yield self.read(path)
            except StorageError as error:
                yield error

    def creates_only_once(self, name: str) -> bool:
        """Whether a file is created as commits do it, written under another name and linked to its own, once only."""
        staged, created = self.path / f"{name}.staged", self.path / name
        try:
            staged.write_bytes(b"lakebatch")
            created.hardlink_to(staged)
            created.hardlink_to(staged)
        except FileExistsError:
            return True
        except OSError as error:
            raise StorageError(f"Cannot create {created}: {error.strerror}.") from error
        finally:
            created.unlink(missing_ok=True)
            staged.unlink(missing_ok=True)
        return False

    def check_writable(self) -> None:
        """Raise `StorageError` unless files can be created here and the disk is not full."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.path) as probe:
                probe.write(b"lakebatch")
                probe.flush()
        except OSError as error:
            raise StorageError(
                f"Cannot write to the lake {self.path}: {error.strerror}. "
                "Free or unlock the folder, or name another with --lake."
            ) from error
        self.check_space(0)

    def check_space(self, needed: int) -> None:
        """Raise `StorageError` unless so many bytes are free, and some for what has to be recorded besides."""
        free = shutil.disk_usage(self.path).free
        if free < needed + RESERVE:
            raise StorageError(
                f"The disk of the lake {self.path} is full: {free // 1000} kB are free, "
                f"{(needed + RESERVE) // 1000} kB may be needed. Nothing is lost: free some space, "
                "then go on with: lakebatch resume"
            )


def _clock(folder: Path) -> float:
    """Return the time by the clock that a disk stamps files with; by this machine's where one may not write."""
    try:
        with tempfile.TemporaryFile(dir=folder) as probe:
            return os.fstat(probe.fileno()).st_mtime
    except OSError:
        return time.time()


def _identity(path: Path) -> Stamp:
    about = path.stat()
    return about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns


def _walk(folder: Path) -> Iterator[StoredFile]:
    below = len(f"{folder}/")
    for place, _, names in os.walk(folder, onerror=_unreadable):
        for file in (f"{place}/{name}" for name in names):
            with suppress(FileNotFoundError):  # it was there for a moment only
                about = os.lstat(file)
                at = datetime.fromtimestamp(about.st_mtime, UTC)
                yield StoredFile(file[below:], about.st_size, at)


def _unreadable(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        raise StorageError(
            f"Cannot read {error.filename}: {error.strerror}. Expected a readable folder."
        ) from error
