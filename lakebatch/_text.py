"""Text that is recorded, logged or shown: secrets withheld, control characters escaped, mistyped names corrected."""

from __future__ import annotations

import base64
import difflib
import json
import logging
import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, TextIO
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

SECRET_SETTINGS = (
    "S3_SECRET_KEY",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "NTFY_TOKEN",
    "LAKEBATCH_WEBHOOK",
)
"""Environment variables whose values are secret."""
URL_SETTINGS = (
    "S3_ENDPOINT",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "NTFY_URL",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
)
"""Environment variables whose URL can contain a password, which is secret."""
MIN_SECRET = 6
"""Length of the shortest value that is redacted: shorter ones occur in ordinary words."""
MIN_PIECE = 20
"""The same for a line of a secret, and for a piece of the webhook's path and query: shorter ones can be words."""
URL_ESCAPE = re.compile("%[0-9A-F]{2}")
HTML = tuple(
    str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': double, "'": single})
    for double, single in (("&quot;", "&#x27;"), ("&#34;", "&#39;"))
)
"""Escapes of HTML, as Python and as templates write them."""
PASSWORD_IN_URL = re.compile(r"(?<=://)([^/\s:@]*:[^/\s@]+|[^/\s:@]{20,})(?=@)")
"""User and password, or a token in their place."""


_learned: dict[str, str] = {}
# the setting that each secret from elsewhere than the environment stands for


def learn(name: str, value: str) -> None:
    """Withhold a secret that stands elsewhere than in the environment, such as a key of an AWS profile."""
    _learned[value] = name


def known_secrets() -> tuple[tuple[str, str], ...]:
    """Return the secrets that this process knows, each with the name of its setting, for a process that it starts."""
    return _secrets(os.environ)


def redact(text: str) -> str:
    """Return the text with the name of the setting in place of each secret, and without passwords in URLs.

    A secret is also found URL-encoded, escaped as in ``repr``, JSON, HTML, CSV or SQL, with other white space, in
    hexadecimal, and inside of base64.

    >>> redact("proxy http://me:password@example.org")
    'proxy http://[withheld]@example.org'
    """
    for form, name in _forms(_secrets(os.environ)):
        text = text.replace(form, f"[{name} withheld]")
    return PASSWORD_IN_URL.sub("[withheld]", text)


def excerpt(text: str, length: int) -> str:
    """Return the beginning of a text, redacted before it is cut, since a part of a secret is not found.

    >>> excerpt("a long value", 6)
    'a long...'
    """
    clean = redact(text)
    return clean if len(clean) <= length else f"{clean[:length]}..."


def redacted(tree: Any) -> Any:
    """Return plain data with all strings redacted, also the keys of mappings.

    >>> redacted({"from": ["http://me:password@example.org", 1]})
    {'from': ['http://[withheld]@example.org', 1]}
    """
    if isinstance(tree, str):
        return redact(tree)
    if isinstance(tree, Mapping):
        return {redacted(key): redacted(value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return type(tree)(redacted(each) for each in tree)
    return tree


def replacements() -> dict[str, str]:
    """Return the replacement of each form of each secret, the longest form first."""
    return {form: f"[{name} withheld]" for form, name in _forms(_secrets(os.environ))}


def holds_secret(text: str) -> bool:
    """Whether the text contains a form of a secret."""
    return any(form in text for form in replacements())


def _secrets(environment: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    named = [
        *((name, value) for value, name in _learned.items()),
        *((name, environment.get(name, "")) for name in SECRET_SETTINGS),
    ]
    named += [(name, _password(environment.get(name, ""))) for name in (*URL_SETTINGS, "LAKEBATCH_WEBHOOK")]
    return tuple((name, value) for name, value in named if len(value) >= MIN_SECRET)


def _password(url: str) -> str:
    try:
        return urlsplit(url.strip()).password or ""
    except ValueError:
        return ""


@lru_cache(maxsize=8)
def _forms(secrets: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """Return each form that a secret can have in a text, with the name of its setting, the longest first.

    A form that occurs in a replacement is left out, so that a second redaction changes nothing.
    """
    pieces = [
        (name, piece) for name, value in secrets for piece in _pieces(name, value) if len(piece) >= MIN_SECRET
    ]
    found = {form: name for name, piece in pieces for form in _spellings(piece)}
    marks = " ".join(f"[{name} withheld]" for name, _ in secrets)
    kept = ((form, name) for form, name in found.items() if form not in marks)
    return tuple(sorted(kept, key=lambda item: -len(item[0])))


def _pieces(name: str, value: str) -> Iterator[str]:
    """Yield a secret and what others quote of it: without white space around it, in one line, each line, tokens."""
    yield from (value, value.strip(), " ".join(value.split()), "\r\n".join(value.splitlines()))
    yield from (line for each in value.splitlines() if len(line := each.strip()) >= MIN_PIECE)
    if name == "LAKEBATCH_WEBHOOK":
        yield from _tokens(value)
    elif name in URL_SETTINGS:
        yield unquote(value)


def _tokens(webhook: str) -> Iterator[str]:
    """Yield the long pieces of the webhook's path and query, which servers quote without the rest of the URL."""
    try:
        parts = urlsplit(webhook)
    except ValueError:
        return
    pieces = (*parts.path.split("/"), *(text for _, text in parse_qsl(parts.query)))
    yield from (piece for piece in pieces if len(piece) >= MIN_PIECE)


def _spellings(value: str) -> Iterator[str]:
    yield value
    for quoted in (quote(value), quote(value, safe=""), quote_plus(value)):
        yield from (quoted, URL_ESCAPE.sub(lambda match: match[0].lower(), quoted))
    yield from (value.replace("\\", "\\\\").replace('"', '\\"'), json.dumps(value)[1:-1], repr(value)[1:-1])
    yield from (
        value.replace("'", "''"),
        value.replace('"', '""'),
        *(value.translate(table) for table in HTML),
    )
    content = value.encode(errors="surrogateescape")
    yield repr(content)[2:-1]
    yield from (content.hex(), content.hex().upper())
    for before in range(3):  # base64 spells a text in three ways, by the number of bytes before it
        coded = base64.b64encode(bytes(before) + content).decode().rstrip("=")
        # the characters at its edges also encode bits of its neighbours
        inner = coded[(before * 8 + 5) // 6 : (before + len(content)) * 8 // 6]
        yield from (inner, inner.translate(str.maketrans("+/", "-_")))


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
    return f"{hint(name, names)}Known: {', '.join(names)}." if names else "There is none."


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
