"""Standard streams that can be closed, full, a broken pipe, or in an encoding without box characters."""

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
"""Error handler that replaces characters that an encoding lacks."""
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
"""ASCII replacements of box characters, dashes, quotation marks and signs."""
BROKEN_PIPE = 141
"""Exit code after a broken pipe, 128 + SIGPIPE as in a shell."""


class OutputError(LakebatchError):
    """Output that could not be written, except to a broken pipe."""


class Stream:
    """A text stream that calls ``failed`` once when it cannot be written.

    It has no ``buffer``: click would write to it in an encoding of its own choice.
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

    def write_bytes(self, content: bytes) -> None:
        """Write bytes as they are, after the text before them."""
        self._try(lambda: self._write_bytes(content))

    def _write_bytes(self, content: bytes) -> None:
        self._below.flush()
        self._below.buffer.write(content)
        self._below.buffer.flush()

    def flush(self) -> None:
        """Flush."""
        self._try(self._below.flush)

    def _try(self, write: Callable[[], object]) -> None:
        try:
            write()
        except OSError as error:
            _redirect_to_null(self._number)  # so that the next flush cannot fail again
            self._failed(error)


def prepare() -> None:
    """Replace the standard streams of this process, unless something else already did."""
    codecs.register_error(PLAIN, plain)
    for number in range(3):
        _open_if_closed(number)
    sys.stdin = sys.stdin or _null("r")
    sys.stdout = _replaced(sys.stdout, sys.__stdout__, 1, _exit)
    sys.stderr = _replaced(sys.stderr, sys.__stderr__, 2, _ignore)


def write_bytes(content: bytes) -> None:
    """Write bytes to standard output."""
    if isinstance(sys.stdout, Stream):
        sys.stdout.write_bytes(content)
    else:  # replaced by something else, such as a test's runner
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()


def plain(error: UnicodeError) -> tuple[str, int]:
    r"""Return ASCII for characters that an encoding lacks, and the position after them.

    >>> codecs.register_error(PLAIN, plain)
    >>> "── …ß".encode("ascii", PLAIN)
    b'-- ...\\xdf'
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end].translate(ASCII)
    return text.encode("ascii", "backslashreplace").decode("ascii"), error.end


def _open_if_closed(number: int) -> None:
    """Open /dev/null for a closed stream: else a data file would get its number, and messages would go there."""
    try:
        os.fstat(number)
    except OSError:
        os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)


def _replaced(
    stream: TextIO | None, original: TextIO | None, number: int, failed: Callable[[OSError], None]
) -> TextIO:
    if stream is None:
        return _null("w")
    if stream is not original or not isinstance(stream, io.TextIOWrapper):
        return stream
    # a descriptor of its own, so that what compiled code writes to the number itself can be told apart
    raw = io.FileIO(os.dup(number), "w")
    below = io.TextIOWrapper(io.BufferedWriter(raw), stream.encoding, PLAIN, line_buffering=raw.isatty())
    return cast(TextIO, Stream(below, raw.fileno(), failed))


def _null(mode: str) -> TextIO:
    return cast(TextIO, open(os.devnull, mode, encoding="utf-8"))


def _redirect_to_null(number: int) -> None:
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, number)
    os.close(nothing)


def _exit(error: OSError) -> NoReturn:
    """End the command, with an error unless the reader closed the pipe."""
    if error.errno == errno.EPIPE:
        sys.exit(BROKEN_PIPE)
    raise OutputError(f"Cannot write to standard output: {error.strerror}.")


def _ignore(error: OSError) -> None:
    """Ignore the error: a run continues without its messages."""
