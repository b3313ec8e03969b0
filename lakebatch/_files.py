"""Files of users: read and parsed in bounded time and memory, checked, and replaced whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import stat
import tomllib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from lakebatch.errors import LakebatchError, StorageError

# Only these errors mean that nothing exists; after any other, something may
ABSENT = (FileNotFoundError, NotADirectoryError)
# Errors of a full disk, and the advice on each
NO_SPACE = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some of your quota",
    errno.EFBIG: "raise the limit of file sizes (ulimit -f)",
}
# Windows has neither flag: to open a pipe without waiting for its other end, and to refuse a link
O_NONBLOCK = getattr(os, "O_NONBLOCK", 0)
O_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)
# Only Windows has this one: without it, line ends are translated
O_BINARY = getattr(os, "O_BINARY", 0)
MAX_BYTES = 4_000_000
"""Size of the largest text file that is read: a config, a model, a preset, a query."""
MAX_DEPTH = 64
"""Levels of nested tables and lists."""
MAX_VALUES = 100_000
"""Values in one tree; a value that several aliases repeat counts as often as it is repeated."""
MAX_DOTS = 200
"""Dots between two marks of a TOML text: the parser's time for a dotted key grows with their square."""
MARKS = re.compile(r"[=\n,{}\[\]]")
TOO_DEEP = f"it is nested in more than {MAX_DEPTH} levels"


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
        descriptor = os.open(file, os.O_RDONLY | O_NONBLOCK)
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
    if os.name == "nt":
        return
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
    import tempfile  # most processes only read

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
    partial = target.with_name(f".lakebatch-{os.urandom(6).hex()}")
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


class ExcessError(ValueError):
    """A tree that is nested too deeply, or has too many values; the message names the excess, as a clause."""


def read_text(file: Path) -> str:
    """Return the text of a regular file, without a byte order mark.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it is not a regular file, too large, or not UTF-8; the message is a clause.
    """
    return decode_text(read_bytes(file))


def read_bytes(file: Path) -> bytes:
    """Return the content of a regular file of at most 4 MB, without waiting for a pipe.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it is not a regular file, or too large; the message is a clause.
    """
    with open(file, "rb", opener=_open_without_waiting) as opened:
        if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
            raise ValueError("it is not a regular file")
        content = opened.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise ValueError(f"it has more than {MAX_BYTES // 1_000_000} MB")
    return content


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
    """Return the tree that a TOML text describes.

    Raises
    ------
    ValueError
        If it is not TOML; an `ExcessError` if it is nested too deeply or has too many values.
    """
    if any(piece.count(".") > MAX_DOTS for piece in MARKS.split(text)):
        raise ValueError(TOO_DEEP)
    try:
        tree = tomllib.loads(text)
    except RecursionError as error:
        raise ExcessError(TOO_DEEP) from error
    check_size(tree)
    return tree


def parse_json(text: str | bytes) -> Any:
    """Return the tree that a JSON text describes; two values of one key are refused.

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


def children_of(node: Any) -> list[Any]:
    """Return the values in a table or a list; none of a plain value."""
    if isinstance(node, dict):
        return list(node.values())
    return node if isinstance(node, list) else []


def check_size(
    tree: Any, max_values: int = MAX_VALUES, children: Callable[[Any], list[Any]] = children_of
) -> None:
    """Raise `ExcessError` if a tree is nested too deeply, or has too many values.

    >>> check_size([[[1.0], 2.0]])
    """
    waiting, seen = [(tree, 0)], 0
    while waiting:
        node, depth = waiting.pop()
        seen += 1
        if depth > MAX_DEPTH:
            raise ExcessError(TOO_DEEP)
        below = children(node)
        if seen + len(waiting) + len(below) > max_values:
            raise ExcessError(f"it has more than {max_values} values")
        waiting += [(each, depth + 1) for each in below]


def _target(file: Path) -> Path:
    return Path(os.path.realpath(file))


def _kind(file: Path) -> str:
    return "a folder" if file.is_dir() else "a device, pipe or socket"


def _cannot_write(file: Path, error: OSError | ValueError) -> StorageError:
    return StorageError(f"Cannot write {file}: {getattr(error, 'strerror', None) or error}.")


def _table(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    table: dict[str, Any] = {}
    for key, value in pairs:
        if key in table:
            raise ValueError(f"the key {key!r} is there twice")
        table[key] = value
    return table


def _open_without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | O_NONBLOCK)
