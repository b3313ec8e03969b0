"""Text for people: escaped control characters, times to the second, suggestions for mistyped names."""

from __future__ import annotations

import difflib
import logging
import re
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, TextIO

from lakebatch._secrets import redact

CONTROLS = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
"""Control characters except the line end, invisible ones, those that change the direction of writing, and surrogates."""


def escape_controls(text: str) -> str:
    r"""Return the text with control characters escaped, except line ends.

    >>> escape_controls("\x1b[31mred\x07")
    '\\x1b[31mred\\x07'
    """
    return CONTROLS.sub(_escaped, text)


def one_line(text: str) -> str:
    r"""Return the text in one line, with control characters escaped.

    >>> one_line("a\n  b\r")
    'a b'
    """
    return escape_controls(" ".join(text.split()))


def to_second(value: datetime) -> str:
    """Return a time to the second, as options accept it: with Z for UTC if it has a zone."""
    zone = "Z" if value.tzinfo else ""
    return f"{value.astimezone(UTC) if value.tzinfo else value:%Y-%m-%d %H:%M:%S}{zone}"


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


class RedactingFormatter(logging.Formatter):
    """Formats log records and their tracebacks without secrets and control characters; times are in UTC."""

    converter = staticmethod(time.gmtime)
    default_msec_format = "%s.%03dZ"

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as text."""
        return escape_controls(redact(super().format(record)))


class RedactingStream:
    """A text stream that writes to another one without secrets and control characters."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a text, redacted on its own."""
        self._stream.write(escape_controls(redact(text)))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a sentence that suggests the right name for a mistyped one, and lists all.

    >>> nearest("respons-noise", ["expression-noise", "response-noise"])
    "Did you mean 'response-noise'? Known: expression-noise, response-noise."
    """
    names = sorted(known)
    return f"{hint(name, names)}Known: {', '.join(names) or 'none'}."


def hint(name: str, known: Sequence[str], min_similarity: float = 0.7) -> str:
    """Return a question that suggests the known name nearest to a mistyped one; empty if none is near.

    >>> hint("respons-noise", ["expression-noise", "response-noise"])
    "Did you mean 'response-noise'? "
    >>> hint("respons", ["expression-noise", "response-noise"])
    "Did you mean 'response-noise'? "
    """
    close = difflib.get_close_matches(name, known, n=1, cutoff=min_similarity)
    close = close or [each for each in known if len(name) > 1 and each.startswith(name)]
    return f"Did you mean {close[0]!r}? " if close else ""
