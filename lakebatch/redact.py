"""Takes secrets out of text that is recorded or shown, however it came to hold them."""

from __future__ import annotations

import base64
import logging
import os
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, TextIO
from urllib.parse import quote, quote_plus

from lakebatch.visible import visible

SETTINGS = ("S3_SECRET_KEY", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "NTFY_TOKEN")
"""The environment variables whose values are secret."""
SHORTEST = 6
"""Shorter values are left alone: they would be found in ordinary words."""
IN_A_URL = re.compile(r"(?<=://)[^/\s:@]+:[^/\s@]+(?=@)")


def redact(text: str) -> str:
    """Return the text with the name of the setting in place of each secret, and without passwords in URLs.

    A secret is also found URL-encoded, escaped as in ``repr`` or JSON, and inside of base64.

    >>> redact("proxy http://me:password@example.org")
    'proxy http://[withheld]@example.org'
    """
    for form, name in _forms(_secrets(os.environ)):
        text = text.replace(form, f"[{name} withheld]")
    return IN_A_URL.sub("[withheld]", text)


def replacements() -> dict[str, str]:
    """Return what stands in place of each form of each secret that the environment holds."""
    return {form: f"[{name} withheld]" for form, name in _forms(_secrets(os.environ))}


class RedactingFormatter(logging.Formatter):
    """Formats log records, with their tracebacks, without secrets and control characters."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as text."""
        return visible(redact(super().format(record)))


class RedactingStream:
    """A text stream that writes to another one, without secrets and control characters."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a text; each is looked at on its own."""
        self._stream.write(visible(redact(text)))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _secrets(environment: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    values = ((name, environment.get(name, "")) for name in SETTINGS)
    return tuple((name, value) for name, value in values if len(value) >= SHORTEST)


@lru_cache(maxsize=8)
def _forms(secrets: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """Return each form that a secret can have in a text and the name of its setting, the longest first."""
    found = {form: name for name, value in secrets for form in _spellings(value)}
    return tuple(sorted(found.items(), key=lambda item: -len(item[0])))


def _spellings(value: str) -> Iterator[str]:
    yield from (value, quote(value), quote(value, safe=""), quote_plus(value))
    yield value.replace("\\", "\\\\").replace('"', '\\"')
    yield repr(value)[1:-1]
    content = value.encode(errors="surrogateescape")
    for before in range(3):  # a text inside of base64 has three looks, depending on how much stands before it
        coded = base64.b64encode(bytes(before) + content).decode().rstrip("=")
        # the characters at its edges also hold bits of its neighbours
        inner = coded[(before * 8 + 5) // 6 : (before + len(content)) * 8 // 6]
        yield from (inner, inner.translate(str.maketrans("+/", "-_")))
