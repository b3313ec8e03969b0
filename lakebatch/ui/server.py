"""A server of a lake's pages: for one user, on this machine, read-only."""

from __future__ import annotations

import hmac
import secrets
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lakebatch.errors import LakebatchError, MissingDependencyError, StorageError, UnknownNameError
from lakebatch.lake.lake import Lake
from lakebatch.ui import page as pages
from lakebatch.ui.bar import empty
from lakebatch.ui.changes import Changes
from lakebatch.ui.links import Links
from lakebatch.ui.page import INSTALL, Page
from lakebatch.ui.page_state import PageState, parse
from lakebatch.ui.site import Site
from lakebatch.ui.warming import warm_up

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
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
TYPES = {"css": "text/css", "js": "text/javascript"}
EVENTS = "text/event-stream"
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


def application(lake: Lake, token: str, hosts: tuple[str, ...] = LOOPBACK) -> Guard:
    """Return the ASGI application: every address begins with the token, and only reading is possible.

    Parameters
    ----------
    hosts : tuple of str
        The names under which it answers, so that a foreign page cannot reach it under a name of its own.

    Raises
    ------
    MissingDependencyError
        If Starlette is not installed.
    """
    warm_up(lake)
    site = Site(lake)
    changes = Changes(site.look)
    return Guard(_routes(site, changes, f"/{token}/"), token, hosts, changes.close)


class Guard:
    """Refuses requests with another token, host or method, and adds the headers of security to every answer.

    ``close`` ends the answers that would go on for ever.
    """

    def __init__(
        self,
        app: ASGIApp,
        token: str,
        hosts: tuple[str, ...],
        close: Callable[[], None] = lambda: None,
    ) -> None:
        self._app = app
        self.close = close
        self._token = token.encode()
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
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

        host = dict(scope["headers"]).get(b"host", b"").decode("latin-1").rpartition(":")[0]
        host = host or dict(scope["headers"]).get(b"host", b"").decode("latin-1")
        given = scope["path"].split("/")[1].encode()
        if host not in self._hosts:
            return PlainTextResponse("This address is not served here.\n", 421)
        if not hmac.compare_digest(given, self._token):
            return PlainTextResponse(
                "The token in the address is missing or wrong. Open the address that lakebatch ui printed.\n",
                403,
            )
        if scope["method"] not in ("GET", "HEAD"):
            return PlainTextResponse("These pages are read-only.\n", 405, {"Allow": "GET, HEAD"})
        return None


def _routes(site: Site, changes: Changes, root: str) -> Starlette:
    try:
        from starlette.applications import Starlette
        from starlette.responses import HTMLResponse, PlainTextResponse, Response, StreamingResponse
        from starlette.routing import Route
    except ImportError as error:
        raise MissingDependencyError(INSTALL.format("Starlette")) from error

    def asset(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in pages.ASSETS:
            return PlainTextResponse("There is no such file.\n", 404)
        return Response(pages.asset(name), media_type=TYPES[name.rpartition(".")[2]])

    def page(request: Request) -> Response:
        steps = [step for step in request.path_params["steps"].split("/") if step]
        try:
            state = parse(request.query_params.multi_items())
        except LakebatchError as error:
            return HTMLResponse(_error_page(error, Links(root, PageState()), site), 400)
        try:
            if (file := site.file(steps, state)) is not None:
                return Response(file.content, media_type=file.media_type, headers=file.headers)
            return HTMLResponse(site.html(steps, Links(root, state)))
        except LakebatchError as error:
            status = 404 if isinstance(error, UnknownNameError) else 400
            return HTMLResponse(_error_page(error, Links(root, PageState()), site), status)

    async def stream(request: Request) -> Response:
        if request.method == "HEAD":
            return Response(media_type=EVENTS)
        return StreamingResponse(changes.listen(), media_type=EVENTS)

    return Starlette(
        routes=[
            Route(f"{root}assets/{{name}}", asset),
            Route(f"{root}changes", stream),
            Route(f"{root}{{steps:path}}", page),
        ]
    )


def _error_page(error: LakebatchError, links: Links, site: Site) -> str:
    page = Page("error", "Error", {"message": str(error)})
    return pages.render(page, links, empty(site.lake))


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens; port 0 is any free one.

    Raises
    ------
    StorageError
        If the port cannot be used.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise StorageError(
            f"Cannot listen on {host}:{port}: {error.strerror}. Choose another port: lakebatch ui --port 0"
        ) from error
    listening.listen(128)
    return listening


def new_token() -> str:
    """Return a token that cannot be guessed."""
    return secrets.token_urlsafe(24)


def serve(app: Guard, listening: socket.socket) -> None:
    """Answer requests until Ctrl-C, which ends open streams too."""
    try:
        import uvicorn
    except ImportError as error:
        raise MissingDependencyError(INSTALL.format("Uvicorn")) from error
    config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False, lifespan="off")

    class Server(uvicorn.Server):
        def handle_exit(self, sig: int, frame: Any) -> None:
            app.close()
            super().handle_exit(sig, frame)

    Server(config).run(sockets=[listening])
