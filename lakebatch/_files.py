"""Files of users: whether they are there, parsed in bounded time and memory, and written whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import re
import secrets
import shutil
import stat
import tempfile
import tomllib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from lakebatch.errors import LakebatchError, StorageError

# By these alone nothing is there; by any other error it may be, and cannot be looked at
ABSENT = (FileNotFoundError, NotADirectoryError)
# What a disk answers that takes no more, and what to do
NO_SPACE = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some of your quota",
    errno.EFBIG: "raise the limit of file sizes (ulimit -f)",
}


def is_there(path: Path) -> bool:
    """Whether there is something at a path; a link to nothing is something.

    Raises
    ------
    StorageError
        If that cannot be told, for want of rights or because the disk does not answer; or if it is such a link.
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
    """Raise `StorageError` if a file may not be read, or its disk does not give its first byte."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK)  # of a pipe nobody would open the other end
        try:
            os.read(descriptor, 1)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise unreadable(error, str(file), "file") from error


def unreadable(error: OSError, path: str, expected: str = "folder") -> StorageError:
    """Return the error to raise where something is, or may be, that cannot be looked at."""
    return StorageError(f"Cannot read {path}: {error.strerror}. Expected a readable {expected}.")


def unwritable(error: OSError, path: str) -> StorageError:
    """Return the error to raise where nothing can be written."""
    return StorageError(
        f"Cannot write to {path}: {error.strerror}. Free or unlock the folder, or name another with --lake."
    )


def allocate(descriptor: int, size: int) -> None:
    """Reserve bytes for a file, where its disk can do that without writing them.

    Raises
    ------
    OSError
        If there is no room for them, or a quota or a limit is in the way.
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
    """Raise `StorageError` unless a file can be written in a folder; none is left there."""
    try:
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"lakebatch")
            probe.flush()
    except OSError as error:
        raise unwritable(error, str(folder)) from error


LARGEST = 4_000_000
"""Bytes of the largest text that is read: a config, a model, a preset."""
DEEPEST = 64
"""Levels of tables and lists in one another."""
MOST_VALUES = 100_000
"""Values in one tree, each counted as often as it stands there."""
MOST_STEPS = 200
"""Dots between two marks of a TOML text: the parser's time for a dotted key grows with their square."""
MARKS = re.compile(r"[=\n,{}\[\]]")
TOO_DEEP = f"it is nested in more than {DEEPEST} levels"


class ExcessError(ValueError):
    """A tree that is nested too deeply, or has too many values; the message says which, as a clause."""


def read_text(file: Path) -> str:
    """Return the text of a regular file, without a byte order mark.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it is something else than a file, too large, or not UTF-8; the message says which, as a clause.
    """
    with open(file, "rb", opener=_without_waiting) as opened:
        about = os.fstat(opened.fileno())
        if not stat.S_ISREG(about.st_mode):
            raise ValueError("it is not a regular file")
        content = opened.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise ValueError(f"it has more than {LARGEST // 1_000_000} MB")
    return decode_text(content)


def decode_text(content: bytes) -> str:
    """Return UTF-8 text without a byte order mark.

    >>> decode_text(b"caf\\xe9")
    Traceback (most recent call last):
    ...
    ValueError: it is not UTF-8 text: byte 0xe9 in line 1
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(f"it is not UTF-8 text: byte 0x{content[error.start]:02x} in line {line}") from error


def parse_toml(text: str) -> dict[str, Any]:
    """Return what a TOML text says.

    Raises
    ------
    ValueError
        If it is not TOML; an `ExcessError` if it is nested too deeply or has too many values.
    """
    if any(piece.count(".") > MOST_STEPS for piece in MARKS.split(text)):
        raise ValueError(TOO_DEEP)
    try:
        tree = tomllib.loads(text)
    except RecursionError as error:
        raise ExcessError(TOO_DEEP) from error
    check_size(tree)
    return tree


def parse_json(text: str | bytes) -> Any:
    """Return what a JSON text says; two values of one key are refused.

    Raises
    ------
    ValueError
        If it is not JSON, or a key is there twice; an `ExcessError` if it is nested too deeply or has too many values.
    """
    try:
        tree = json.loads(text, object_pairs_hook=_table)
    except RecursionError as error:
        raise ExcessError(TOO_DEEP) from error
    check_size(tree)
    return tree


def check_size(tree: Any, most_values: int = MOST_VALUES) -> None:
    """Raise `ExcessError` if a tree is nested too deeply, or has too many values.

    >>> check_size([[[1.0], 2.0]])
    """
    waiting, seen = [(tree, 0)], 0
    while waiting:
        node, depth = waiting.pop()
        seen += 1
        if depth > DEEPEST:
            raise ExcessError(TOO_DEEP)
        below = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
        if seen + len(waiting) + len(below) > most_values:
            raise ExcessError(f"it has more than {most_values} values")
        waiting += [(each, depth + 1) for each in below]


def _table(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    table: dict[str, Any] = {}
    for key, value in pairs:
        if key in table:
            raise ValueError(f"the key {key!r} is there twice")
        table[key] = value
    return table


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


def check_replaceable(file: Path) -> None:
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
def replacing(file: Path) -> Iterator[Path]:
    """Yield the path of a file to write, which takes the place of another one when it is written.

    A link stays one, and what it leads to is replaced; the rights to the file stay as they are.

    Raises
    ------
    StorageError
        If it cannot be written.
    """
    check_replaceable(file)
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
