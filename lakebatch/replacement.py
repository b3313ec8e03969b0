"""A file that is written whole or not at all: what was there before stays until then."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lakebatch.errors import LakebatchError, StorageError


def check(file: Path) -> None:
    """Raise `StorageError` unless a file can be written, as far as that can be told before."""
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
def replacement(file: Path) -> Iterator[Path]:
    """Yield the path of a file to write, which takes the place of another one when it is written.

    A link stays one, and what it leads to is replaced; the rights to the file stay as they are.

    Raises
    ------
    StorageError
        If it cannot be written.
    """
    check(file)
    target = _target(file)
    partial = target.with_name(
        f".lakebatch-{secrets.token_hex(6)}"
    )  # short: a name may be as long as one can be
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
