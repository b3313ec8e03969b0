"""Text, TOML and JSON of any origin, read in bounded time and memory."""

from __future__ import annotations

import json
import os
import re
import stat
import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

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


def _table(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    table: dict[str, Any] = {}
    for key, value in pairs:
        if key in table:
            raise ValueError(f"the key {key!r} is there twice")
        table[key] = value
    return table


def _open_without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)
