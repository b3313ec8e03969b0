"""Redaction of secrets in text that is recorded, logged or shown."""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, urlsplit

SETTINGS = (
    "S3_SECRET_KEY",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "NTFY_TOKEN",
    "LAKEBATCH_WEBHOOK",
)
"""Environment variables whose values are secret."""
URLS = (
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
MIN_LENGTH = 6
"""Length of the shortest value that is redacted: shorter ones occur in ordinary words."""
MIN_LENGTH_IN_URL = 20
"""The same for a piece of the webhook's path and query: shorter ones are words, and no tokens."""
ESCAPE = re.compile("%[0-9A-F]{2}")
IN_A_URL = re.compile(r"(?<=://)[^/\s:@]+:[^/\s@]+(?=@)")


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

    A secret is also found URL-encoded, escaped as in ``repr`` or JSON, in hexadecimal, and inside of base64.

    >>> redact("proxy http://me:password@example.org")
    'proxy http://[withheld]@example.org'
    """
    for form, name in _forms(_secrets(os.environ)):
        text = text.replace(form, f"[{name} withheld]")
    return IN_A_URL.sub("[withheld]", text)


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
        *((name, environment.get(name, "")) for name in SETTINGS),
    ]
    named += [(name, _password(environment.get(name, ""))) for name in URLS]
    return tuple((name, value) for name, value in named if len(value) >= MIN_LENGTH)


def _password(url: str) -> str:
    try:
        return urlsplit(url).password or ""
    except ValueError:
        return ""


@lru_cache(maxsize=8)
def _forms(secrets: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """Return each form that a secret can have in a text, with the name of its setting, the longest first.

    A form that occurs in a replacement is left out, so that a second redaction changes nothing.
    """
    pieces = [(name, piece) for name, value in secrets for piece in (value, *_tokens(name, value))]
    found = {form: name for name, piece in pieces for form in _spellings(piece)}
    marks = " ".join(f"[{name} withheld]" for name, _ in secrets)
    kept = ((form, name) for form, name in found.items() if form not in marks)
    return tuple(sorted(kept, key=lambda item: -len(item[0])))


def _tokens(name: str, value: str) -> Iterator[str]:
    """Yield the long pieces of the webhook's path and query, which servers quote without the rest of the URL."""
    if name != "LAKEBATCH_WEBHOOK":
        return
    try:
        parts = urlsplit(value)
    except ValueError:
        return
    pieces = (*parts.path.split("/"), *(text for _, text in parse_qsl(parts.query)))
    yield from (piece for piece in pieces if len(piece) >= MIN_LENGTH_IN_URL)


def _spellings(value: str) -> Iterator[str]:
    yield value
    for quoted in (quote(value), quote(value, safe=""), quote_plus(value)):
        yield from (quoted, ESCAPE.sub(lambda match: match[0].lower(), quoted))
    yield from (value.replace("\\", "\\\\").replace('"', '\\"'), json.dumps(value)[1:-1], repr(value)[1:-1])
    content = value.encode(errors="surrogateescape")
    yield from (content.hex(), content.hex().upper())
    for before in range(3):  # base64 spells a text in three ways, by the number of bytes before it
        coded = base64.b64encode(bytes(before) + content).decode().rstrip("=")
        # the characters at its edges also encode bits of its neighbours
        inner = coded[(before * 8 + 5) // 6 : (before + len(content)) * 8 // 6]
        yield from (inner, inner.translate(str.maketrans("+/", "-_")))
