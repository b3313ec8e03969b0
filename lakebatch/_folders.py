"""Folders for others: written whole or not at all, and replaced only if nothing in them is of somebody else."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from lakebatch.errors import LakebatchError, StorageError

CHECKSUMS = "SHA256SUMS"
FORMER = "former"
# of Linux's renameat2: paths count from the working directory, and the two are exchanged
AT_FDCWD, RENAME_EXCHANGE = -100, 2


@dataclass(frozen=True)
class Kind:
    """What a folder is.

    Attributes
    ----------
    noun : str
        Such as ``export``.
    readme : str
        The name of its README.
    first_line : str
        How the README begins, by which the folder is known.
    """

    noun: str
    readme: str
    first_line: str


def check_folder(folder: Path, kind: Kind) -> None:
    """Raise `StorageError` unless one can be written to a folder: a new one, an empty one, or an older one of its kind."""
    try:
        if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
            raise StorageError(f"Cannot write to {folder}: it is no folder. Name a new one.")
        if folder.is_dir() and any(folder.iterdir()):
            _check_is_ours(folder, kind)
        parent = folder.resolve().parent
        if not parent.is_dir():
            raise StorageError(f"Cannot write to {folder}: there is no folder {parent}. Make it first.")
        if not os.access(parent, os.W_OK | os.X_OK):
            raise StorageError(
                f"Cannot write to {folder}: no right to write in {parent}. Name another folder."
            )
    except LakebatchError:
        raise
    except OSError as error:
        raise _cannot_write(folder, error) from error


@dataclass
class NewFolder:
    """A folder that is being written, with the checksum of each file.

    Attributes
    ----------
    size : int
        Bytes written so far.
    """

    path: Path
    size: int = 0
    _checksums: dict[str, str] = field(default_factory=dict)

    def write(self, path: str, content: bytes) -> None:
        """Write a file by its path below the folder."""
        self.place(path).write_bytes(content)
        self.add(path)

    def place(self, path: str) -> Path:
        """Return where to write a file that is then added, and make the folder that it lies in."""
        file = self.path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        return file

    def add(self, path: str) -> None:
        """Count and hash a file that was written in its place."""
        self._checksums[path] = sha256(self.path / path)
        self.size += (self.path / path).stat().st_size

    def add_all(self) -> None:
        """Count and hash every file that was written in its place and not added yet."""
        files = (each.relative_to(self.path).as_posix() for each in self.path.rglob("*") if each.is_file())
        for path in sorted(set(files) - self._checksums.keys()):
            self.add(path)

    def checksum(self, path: str) -> str:
        """Return the SHA-256 of a file of the folder, in hexadecimal."""
        return self._checksums[path]

    @property
    def files(self) -> list[str]:
        """The paths of the files so far, sorted."""
        return sorted(self._checksums)

    def finish(self) -> None:
        """Write the checksums, as ``sha256sum`` reads them."""
        lines = "".join(f"{digest}  {path}\n" for path, digest in sorted(self._checksums.items()))
        self.write(CHECKSUMS, lines.encode())


@contextmanager
def replaced(folder: Path, kind: Kind) -> Iterator[NewFolder]:
    """Yield a new folder, which takes the place of ``folder`` when it is complete.

    Raises
    ------
    StorageError
        If it cannot be written.
    """
    check_folder(folder, kind)
    target = folder.resolve()
    try:
        with workspace(target) as inside:
            new = NewFolder(inside / "new")
            new.path.mkdir()
            yield new
            new.finish()
            check_folder(folder, kind)
            _put(new.path, target, inside / FORMER)
    except LakebatchError:
        raise
    except OSError as error:
        raise _cannot_write(folder, error) from error


@contextmanager
def workspace(target: Path) -> Iterator[Path]:
    """Yield a new folder beside a target, which is removed in the end; also remove those of processes that were killed."""
    prefix = f".lakebatch-{hashlib.sha256(os.fsencode(target.name)).hexdigest()[:12]}-"
    for left in target.parent.glob(f"{prefix}*"):
        _remove_left_over(left, target)
    made = target.with_name(f"{prefix}{os.urandom(6).hex()}")
    made.mkdir()
    lock = _lock(made)
    try:
        yield made
    finally:
        _restore(made, target)
        shutil.rmtree(made, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def _remove_left_over(left: Path, target: Path) -> None:
    """Remove the folder of a process that was killed; without locks, as on Windows, nobody knows, and it stays."""
    if (lock := _lock(left)) is not None:
        _restore(left, target)
        shutil.rmtree(left, ignore_errors=True)
        os.close(lock)


def _lock(folder: Path) -> int | None:
    """Lock a folder until the descriptor is closed or its process ends; None if another one has it, or locks are unknown."""
    if sys.platform == "win32":
        return None
    import fcntl

    descriptor = None
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # also from a file system without locks
        if descriptor is not None:
            os.close(descriptor)
        return None
    return descriptor


def _put(new: Path, target: Path, former: Path) -> None:
    """Put a folder in the place of another one, in one step where the system can exchange them."""
    if not target.is_dir():
        new.rename(target)
    elif not _exchange(new, target):
        target.rename(former)
        new.rename(target)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two folders in one step; False if the system or the file system cannot."""
    if sys.platform == "win32":
        return False
    import ctypes  # most processes only read

    library = ctypes.CDLL(None, use_errno=True)
    paths = (AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other))
    return hasattr(library, "renameat2") and library.renameat2(*paths, RENAME_EXCHANGE) == 0


def _restore(inside: Path, target: Path) -> None:
    """Put the older folder back if its process ended before the new one was in place."""
    if (inside / FORMER).is_dir() and not target.exists():
        (inside / FORMER).rename(target)


def _check_is_ours(folder: Path, kind: Kind) -> None:
    """Raise `StorageError` if a folder is not of its kind, or somebody added or changed a file in it."""
    refused = f"Cannot write to {folder}: "
    readme = folder / kind.readme
    if not readme.is_file() or not readme.read_bytes().startswith(kind.first_line.encode()):
        raise StorageError(f"{refused}it is not empty, and no {kind.noun} of lakebatch. Name a new folder.")
    known = _recorded(folder / CHECKSUMS)
    for file in sorted(each for each in folder.rglob("*") if each.is_symlink() or not each.is_dir()):
        path = file.relative_to(folder).as_posix()
        is_whole = not file.is_symlink() and known.get(path) == sha256(file)
        if path != CHECKSUMS and not is_whole:
            raise StorageError(
                f"{refused}{path} was added or changed after the {kind.noun}. Name a new folder."
            )


def _recorded(checksums: Path) -> dict[str, str]:
    if not checksums.is_file():
        return {}
    lines = checksums.read_text(encoding="utf-8", errors="replace").splitlines()
    return {path: digest for digest, _, path in (line.partition("  ") for line in lines)}


def sha256(file: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _cannot_write(folder: Path, error: OSError) -> StorageError:
    return StorageError(f"Cannot write to {folder}: {error.strerror}. Name another folder.")
