"""Who is answered: requests with the token, under a name of this server, that only read; with headers of security."""

from __future__ import annotations

import hmac
import re
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from lakebatch._text import redact

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'self'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
LOOPBACK = ("127.0.0.1", "localhost", "::1")
ANY = ("0.0.0.0", "::", "")
"""Addresses to listen on that stand for all of this machine."""
HOST = re.compile(r"\[(?P<v6>[0-9a-f:.]+)\](?::\d*)?|(?P<name>[^:\[\]/@\s]*)(?::\d*)?")
WRONG_TOKEN = "The token in the address is missing or wrong. Open the address that lakebatch ui printed.\n"


class Guard:
    """Refuses requests with another token, host, origin or method, and adds the headers of security to every answer.

    Parameters
    ----------
    names : tuple of str
        The names under which it answers, so that a foreign page cannot reach it under a name of its own. An address of
        numbers is always accepted if the connection came in at it.
    close : callable
        Ends the answers that would go on for ever.
    """

    def __init__(self, app: ASGIApp, token: str, names: tuple[str, ...], close: Callable[[], None]) -> None:
        self._app = app
        self.close = close
        self._token = token.encode()
        self._names = {each.lower() for each in names}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            return

        async def send_with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                given = list(message.get("headers", []))
                known = {name for name, _ in given}
                added = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
                message = {**message, "headers": [*given, *(each for each in added if each[0] not in known)]}
            await send(message)

        app = self._refusal(scope) or self._app
        await app(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope) -> ASGIApp | None:
        from starlette.responses import PlainTextResponse

        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        if not self._is_served(headers.get(b"host", ""), scope.get("server")):
            return PlainTextResponse("This address is not served here.\n", 421)
        if _is_of_another_site(headers):
            return PlainTextResponse("Pages of other sites cannot read these pages.\n", 403)
        given = scope["path"].removeprefix("/").partition("/")[0]
        if not hmac.compare_digest(given.encode(errors="surrogateescape"), self._token):
            return PlainTextResponse(WRONG_TOKEN, 403)
        if scope["method"] not in ("GET", "HEAD"):
            return PlainTextResponse("These pages are read-only.\n", 405, {"Allow": "GET, HEAD"})
        return None

    def _is_served(self, host: str, server: Any) -> bool:
        found = HOST.fullmatch(host.lower())
        name = (found["v6"] or found["name"]) if found else ""
        return bool(name) and (name in self._names or name == str((server or [""])[0]))


def _is_of_another_site(headers: dict[bytes, str]) -> bool:
    """Whether a page of another origin asks; that a user follows a link from there is allowed."""
    from_elsewhere = headers.get(b"sec-fetch-site", "none") in ("cross-site", "same-site")
    is_visit = (headers.get(b"sec-fetch-mode"), headers.get(b"sec-fetch-dest")) == ("navigate", "document")
    return from_elsewhere and not is_visit


def names_of(host: str) -> tuple[str, ...]:
    """Return the names under which a server that listens at a host answers.

    >>> "localhost" in names_of("127.0.0.1"), names_of("192.0.2.1")
    (True, ('192.0.2.1',))
    """
    if host in LOOPBACK:
        return LOOPBACK
    if host not in ANY:
        return (host,)
    found = [*LOOPBACK]
    with suppress(OSError):
        found += [socket.gethostname(), socket.getfqdn()]
    return tuple(dict.fromkeys(found))


def address_of(host: str, port: int, token: str) -> str:
    """Return the address of the first page; for a server that listens at every address, with this machine's name.

    >>> address_of("::1", 8800, "TOKEN")
    'http://[::1]:8800/TOKEN/'
    """
    name = socket.gethostname() if host in ANY else host
    return redact(f"http://{f'[{name}]' if ':' in name else name}:{port}/{token}/")
