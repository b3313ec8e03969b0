"""The standard streams, whatever they are: closed, full, broken off, or without the characters of a table."""

from __future__ import annotations

import codecs
import errno
import io
import os
import sys
from collections.abc import Callable
from typing import Any, NoReturn, TextIO, cast

from lakebatch.errors import LakebatchError

PLAIN = "lakebatch.plain"
"""The error handler with which characters that an encoding lacks are written in others."""
ASCII = str.maketrans(
    {
        **dict.fromkeys("\u2500\u2501\u2010\u2011\u2013\u2014\u2212", "-"),
        **dict.fromkeys("\u2018\u2019", "'"),
        **dict.fromkeys("\u201c\u201d", '"'),
        **dict.fromkeys("\u00b5\u03bc", "u"),
        "\u2502": "|", "\u2026": "...", "\u00d7": "x", "\u00b1": "+-", "\u2264": "<=", "\u2265": ">=", "\u2192": "->",
        "\u00a0": " ",
    }
)  # fmt: skip
"""Lines of tables, dashes, quotation marks and signs, and what stands for each where there is ASCII alone."""
BROKEN_PIPE = 141
"""The exit code of a program whose reader has gone, as a shell gives it for one that dies of that."""


class OutputError(LakebatchError):
    """Output that could not be written, for another reason than that nobody reads it any more."""


class Stream:
    """A stream that is written to as a whole; what cannot be written ends in ``failed``, once.

    It has no ``buffer``, past which click would write in an encoding of its own choice.
    """

    def __init__(self, below: TextIO, number: int, failed: Callable[[OSError], None]) -> None:
        self._below = below
        self._number = number
        self._failed = failed

    def __getattr__(self, name: str) -> Any:
        if name == "buffer":
            raise AttributeError(name)
        return getattr(self._below, name)

    def write(self, text: str) -> int:
        """Write a text."""
        self._try(lambda: self._below.write(text))
        return len(text)

    def flush(self) -> None:
        """Hand on what was written."""
        self._try(self._below.flush)

    def _try(self, write: Callable[[], object]) -> None:
        try:
            write()
        except OSError as error:
            _replace_by_nothing(self._number)  # so that what is still to be flushed cannot fail again
            self._failed(error)


def prepare() -> None:
    """Have this process write to its standard streams so, unless something else stands in for them."""
    codecs.register_error(PLAIN, plain)
    for number in range(3):
        _fill(number)
    sys.stdin = sys.stdin or _nothing("r")
    sys.stdout = _standing_in(sys.stdout, sys.__stdout__, 1, _end)
    sys.stderr = _standing_in(sys.stderr, sys.__stderr__, 2, _go_on)


def plain(error: UnicodeError) -> tuple[str, int]:
    r"""Return characters that an encoding lacks in ASCII, and where to go on.

    >>> codecs.register_error(PLAIN, plain)
    >>> "── …ß".encode("ascii", PLAIN)
    b'-- ...\\xdf'
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end].translate(ASCII)
    return text.encode("ascii", "backslashreplace").decode("ascii"), error.end


def _fill(number: int) -> None:
    """Open nothing in place of a closed stream: a table's file would get its number, and what is said would go there."""
    try:
        os.fstat(number)
    except OSError:
        os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)


def _standing_in(
    stream: TextIO | None, original: TextIO | None, number: int, failed: Callable[[OSError], None]
) -> TextIO:
    if stream is None:
        return _nothing("w")
    if stream is not original or not isinstance(stream, io.TextIOWrapper):
        return stream
    raw = io.FileIO(number, "w", closefd=False)
    below = io.TextIOWrapper(io.BufferedWriter(raw), stream.encoding, PLAIN, line_buffering=raw.isatty())
    return cast(TextIO, Stream(below, number, failed))


def _nothing(mode: str) -> TextIO:
    return cast(TextIO, open(os.devnull, mode, encoding="utf-8"))


def _replace_by_nothing(number: int) -> None:
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, number)
    os.close(nothing)


def _end(error: OSError) -> NoReturn:
    """End, since what was asked for cannot be delivered; quietly if its reader has had enough."""
    if error.errno == errno.EPIPE:
        sys.exit(BROKEN_PIPE)
    raise OutputError(f"Cannot write to standard output: {error.strerror}.")


def _go_on(error: OSError) -> None:
    """Go on: a run does not end because nobody hears of it."""
