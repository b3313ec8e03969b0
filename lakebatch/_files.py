"""Files of users: checks of existence and rights, and writes that take place whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lakebatch.errors import LakebatchError, StorageError

# Only these errors mean that nothing exists; after any other, something may
ABSENT = (FileNotFoundError, NotADirectoryError)
# Errors of a full disk, and the advice on each
NO_SPACE = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some of your quota",
    errno.EFBIG: "raise the limit of file sizes (ulimit -f)",
}


def path_exists(path: Path) -> bool:
    """Whether something exists at a path.

    Raises
    ------
    StorageError
        If rights or the disk prevent an answer, or if the path is a link to nothing.
    """
    try:
        path.stat()
    except ABSENT as error:
        if path.is_symlink():
            raise unreadable(error, f"{path}, a link to {os.readlink(path)}") from error
        return False
    except OSError as error:
        raise unreadable(error, str(path)) from error
    return True


def check_readable(file: Path) -> None:
    """Raise `StorageError` unless the first byte of a file can be read."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK)  # a pipe would wait for its other end
        try:
            os.read(descriptor, 1)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise unreadable(error, str(file), "file") from error


def unreadable(error: OSError, path: str, expected: str = "folder") -> StorageError:
    """Return the error for a path that cannot be read and may exist."""
    return StorageError(f"Cannot read {path}: {error.strerror}. Expected a readable {expected}.")


def unwritable(error: OSError, path: str) -> StorageError:
    """Return the error for a path that cannot be written to."""
    return StorageError(
        f"Cannot write to {path}: {error.strerror}. Free or unlock the folder, or name another with --lake."
    )


def allocate(descriptor: int, size: int) -> None:
    """Reserve bytes for a file on disks that can do so without writing them.

    Raises
    ------
    OSError
        If the disk is full, or a quota or a limit is reached.
    """
    import ctypes  # most processes only read

    library = ctypes.CDLL(None, use_errno=True)
    if not hasattr(library, "fallocate"):  # as on macOS
        return
    if library.fallocate(descriptor, 0, ctypes.c_int64(0), ctypes.c_int64(size)):
        code = ctypes.get_errno()
        if code in NO_SPACE:
            raise OSError(code, os.strerror(code))


def probe(folder: Path) -> None:
    """Raise `StorageError` unless a file can be written in a folder; leave none there."""
    try:
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"lakebatch")
            probe.flush()
    except OSError as error:
        raise unwritable(error, str(folder)) from error


def check_replaceable(file: Path) -> None:
    """Raise `StorageError` if its kind or the rights of its folder prevent a file from being written."""
    try:
        if file.exists() and not file.is_file():
            raise StorageError(
                f"Cannot write {file}: there is {_kind(file)} of that name. Choose another name."
            )
        folder = _target(file).parent
        os.stat(f"{folder}/.")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except LakebatchError:
        raise
    except (OSError, ValueError) as error:
        raise _cannot_write(file, error) from error


@contextmanager
def replace_atomically(file: Path) -> Iterator[Path]:
    """Yield the path of a new file, which replaces another one when it is written.

    A link stays a link, and its target is replaced; the rights of the file stay as they are.

    Raises
    ------
    StorageError
        If it cannot be written.
    """
    check_replaceable(file)
    target = _target(file)
    # a short name of its own, since that of the file may have the maximum length
    partial = target.with_name(f".lakebatch-{secrets.token_hex(6)}")
    try:
        yield partial
        with suppress(FileNotFoundError):
            shutil.copymode(target, partial)
        partial.replace(target)
    except LakebatchError:
        raise
    except OSError as error:
        raise _cannot_write(file, error) from error
    finally:
        with suppress(OSError):
            partial.unlink()


def _target(file: Path) -> Path:
    return Path(os.path.realpath(file))


def _kind(file: Path) -> str:
    return "a folder" if file.is_dir() else "a device, pipe or socket"


def _cannot_write(file: Path, error: OSError | ValueError) -> StorageError:
    return StorageError(f"Cannot write {file}: {getattr(error, 'strerror', None) or error}.")
