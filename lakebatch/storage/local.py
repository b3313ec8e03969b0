"""Lakes in a folder of this machine."""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
import tempfile
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from lakebatch._files import (
    ABSENT,
    NO_SPACE,
    O_BINARY,
    O_NOFOLLOW,
    O_NONBLOCK,
    allocate,
    path_exists,
    probe,
    unreadable,
    unwritable,
)
from lakebatch.errors import StorageError
from lakebatch.storage.place import Place, StoredFile, Validator

STAGED = re.compile(r"\.\w+")
"""Names of files while they are written: hidden, without an extension."""
DANGLING = "is a link that leads nowhere,"
"""Start of the fault of a dangling link: the disk that it leads to may be unmounted."""
MAX_DEPTH = 4
"""Depth of nested folders in a lake."""
MAX_LINKS = 2
"""Number of links in a path, such as a table and a partition that were moved; more can be a cycle."""
RESERVE = 128_000
"""Bytes that rows leave free on a disk, so that their run can still record its progress."""
# Bytes that are allocated for a moment, to see whether a quota allows them
MAX_TRIAL = 2**26
NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}

READ_FLAGS = os.O_RDONLY | O_NONBLOCK | O_BINARY
RENEW_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | O_NOFOLLOW | O_NONBLOCK | O_BINARY


class LocalFolder(Place):
    """A folder on a disk of this machine, or on a mounted one."""

    is_local = True

    def __init__(self, uri: str) -> None:
        self.path = Path(uri)

    def folders(self, below: str = "") -> list[str]:
        """Return the names of the folders directly in it, or in a folder of it; sorted, none if it does not exist."""
        folder = self.path / below
        if not path_exists(folder):
            return []
        try:
            with os.scandir(folder) as entries:
                return sorted(entry.name for entry in entries if entry.is_symlink() or entry.is_dir())
        except OSError as error:
            raise unreadable(error, f"the folder {folder}" if below else f"the lake {folder}") from error

    def files(self, folder: str) -> list[StoredFile]:
        """Return every file below a folder of it, by path; none if the folder does not exist."""
        return sorted(_walk(self.path / folder), key=lambda each: each.path)

    def validator(self, folder: str, name: str, unless: str) -> Validator | None:
        """Return the validator of a file and its folder; None without it, or with the file ``unless``."""
        # The clock of a disk is coarse: the time of the folder alone does not tell that a file has come
        place = self.path / folder
        if path_exists(place / unless):
            return None
        try:
            return *_identity(place), *_identity(place / name)
        except OSError:
            return None

    def read(self, path: str) -> bytes:
        """Return the content of a file."""
        file = self.path / path
        try:
            return _content(file)
        except OSError as error:
            raise unreadable(error, str(file), "file") from error

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
            with suppress(OSError):
                staged.unlink()

    def explain(self, message: str) -> str | None:
        """Return None: an engine's error about a disk names its file and reason."""
        return None

    def remove(self, path: str) -> None:
        """Remove a file, if it exists."""
        try:
            (self.path / path).unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(f"Cannot remove {self.path / path}: {error.strerror}.") from error

    def remove_each(self, paths: Iterable[str]) -> None:
        """Remove the files that exist."""
        for path in paths:
            self.remove(path)

    def renew(self, path: str, content: bytes) -> None:
        """Write a small file in place, never through a link."""
        file = self.path / path
        try:
            file.parent.mkdir(exist_ok=True)
            with open(os.open(file, RENEW_FLAGS, 0o666), "wb") as stream:
                stream.write(content)
        except OSError as error:
            raise StorageError(
                f"Cannot write {file}: {error.strerror}. Expected a writable folder."
            ) from error

    def ages(self, folder: str) -> dict[str, float]:
        """Return the age in seconds of each file of a folder, by the disk's clock; none without the folder."""
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
        """Yield the content of each file, or the error that kept it from being read, in the order of the paths."""
        for path in paths:
            try:
                yield self.read(path)
            except StorageError as error:
                yield error

    def creates_only_once(self, name: str) -> bool:
        """Whether a file can be created only once in the way of commits: written under a second name, then linked.

        Raises
        ------
        StorageError
            If no file can be created, for want of rights, space or hard links.
        """
        with self._created(name) as (staged, created):
            try:
                created.hardlink_to(staged)
            except FileExistsError:
                return True
        return False

    @contextmanager
    def _created(self, name: str) -> Iterator[tuple[Path, Path]]:
        """Create a file in the way of commits and remove it again; yield its first and its final path."""
        staged, created = self.path / f"{name}.staged", self.path / name
        try:
            staged.write_bytes(b"lakebatch")
            created.hardlink_to(staged)
            yield staged, created
        except OSError as error:
            raise self._unwritable(error) from error
        finally:
            for file in (created, staged):
                with suppress(OSError):
                    file.unlink()

    def _unwritable(self, error: OSError) -> StorageError:
        if error.errno in NO_LINKS and error.filename2:
            return StorageError(
                f"Cannot write to the lake {self.path}: its file system makes no hard links ({error.strerror}), and "
                "without them no commit. Name a folder on another disk with --lake, or s3://bucket/prefix."
            )
        return unwritable(error, f"the lake {self.path}")

    def make_folder(self, folder: str) -> None:
        """Create a folder in it, and those above, unless it exists."""
        place = self.path / folder
        try:
            place.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unwritable(error, str(place)) from error

    def check_writable(self, folder: str = "") -> None:
        """Raise `StorageError` unless commits can be made here and the disk is not full; a folder is checked by itself."""
        path_exists(self.path)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._unwritable(error) from error
        with self._created(f".lakebatch-probe-{uuid.uuid4().hex}"):
            pass
        self.check_space(0)

    def check_folders(self, folders: Iterable[str]) -> None:
        """Raise `StorageError` unless files can be created in each of the folders that exist."""
        for folder in folders:
            if path_exists(self.path / folder):
                probe(self.path / folder)

    def locked(self, folder: str, *, for_writing: bool) -> list[str]:
        """Return the paths below a folder that rights forbid, sorted: files to read, or folders to write in."""
        found = []
        for place, _, names in os.walk(self.path / folder, onerror=_refuse):
            paths = [place] if for_writing else [f"{place}/{name}" for name in names]
            wanted = os.W_OK | os.X_OK if for_writing else os.R_OK
            found += [path for path in paths if not os.access(path, wanted) and _exists(path)]
        return sorted(found)

    def check_space(self, needed: int) -> None:
        """Raise `StorageError` unless a number of bytes, and a reserve for the records of the run, can be written.

        The disk must have them free, and no quota or limit of this process may forbid them.
        """
        free, needed = shutil.disk_usage(self.path).free, needed + RESERVE
        if free < needed:
            raise self._full(f"The disk of the lake {self.path} is full: {free // 1000} kB are free", needed)
        try:
            with tempfile.TemporaryFile(dir=self.path) as file:
                allocate(file.fileno(), min(needed, MAX_TRIAL))
        except OSError as error:
            if error.errno not in NO_SPACE:
                raise unwritable(error, f"the lake {self.path}") from error
            what = f"Cannot write to the lake {self.path}: {error.strerror}"
            raise self._full(what, needed, NO_SPACE[error.errno]) from error

    def _full(self, what: str, needed: int, what_to_free: str = "free some space") -> StorageError:
        return StorageError(
            f"{what}, {needed // 1000} kB may be needed. Nothing is lost: {what_to_free}, "
            "then go on with: lakebatch resume"
        )


def _exists(path: str) -> bool:
    """Whether a path exists; not a dangling link, which is no matter of rights."""
    return os.path.exists(path) if os.path.islink(path) else os.path.lexists(path)


def _clock(folder: Path) -> float:
    """Return the time by the clock of a disk; by that of this machine if the folder is not writable."""
    try:
        with tempfile.TemporaryFile(dir=folder) as probe:
            return os.fstat(probe.fileno()).st_mtime
    except OSError:
        return time.time()


def _content(file: Path) -> bytes:
    """Return the content of a regular file; a read of a pipe or a device might never end."""
    with open(os.open(file, READ_FLAGS), "rb") as opened:
        about = os.fstat(opened.fileno())
        if not stat.S_ISREG(about.st_mode):
            raise OSError(errno.EINVAL, "no regular file but a pipe, a socket or a device")
        return opened.read(about.st_size)


def _identity(path: Path) -> Validator:
    about = path.stat()
    return about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns


def _walk(folder: Path) -> Iterator[StoredFile]:
    """Yield the files below a folder; links are followed, as readers do."""
    below = len(os.path.join(folder, ""))
    links = {str(folder): 0}
    for place, folders, names in os.walk(folder, onerror=_refuse, followlinks=True):
        above = links.pop(place)
        inner = {each: os.path.join(place, each) for each in folders}
        counts = {each: above + os.path.islink(inner[each]) for each in folders}
        folders[:] = [each for each in folders if _is_followed(inner[each], below, counts[each])]
        links |= {inner[each]: counts[each] for each in folders}
        for file in (os.path.join(place, name) for name in names):
            try:
                yield _stored(file, below)
            except ABSENT:  # removed meanwhile
                continue
            except OSError as error:
                raise unreadable(error, file, "file") from error


def _is_followed(folder: str, below: int, links: int) -> bool:
    """Whether to list a folder: links that form a cycle or lead far out of the lake are not followed."""
    if not links:
        return True
    above = os.path.join(os.path.realpath(os.path.dirname(folder)), "")
    leads_back = os.path.islink(folder) and above.startswith(os.path.join(os.path.realpath(folder), ""))
    return links <= MAX_LINKS and folder.count(os.sep, below) < MAX_DEPTH and not leads_back


def _stored(file: str, below: int) -> StoredFile:
    """Return a file, or the target of a link, with its path from the given character on."""
    fault = None
    try:
        about = os.stat(file)
    except OSError as error:
        about = os.lstat(file)
        if error.errno not in (errno.ENOENT, errno.ELOOP):
            raise
        fault = f"{DANGLING} to {os.readlink(file)}"
    else:
        if not stat.S_ISREG(about.st_mode):
            fault = "is no regular file but a pipe, a socket or a device"
    return StoredFile(
        Path(file[below:]).as_posix(), about.st_size, datetime.fromtimestamp(about.st_mtime, UTC), fault
    )


def _refuse(error: OSError) -> None:
    if not isinstance(error, ABSENT):
        raise unreadable(error, str(error.filename)) from error
