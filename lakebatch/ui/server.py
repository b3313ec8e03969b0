"""A server of a lake's pages: for one user, on this machine, read-only."""

from __future__ import annotations

import logging
import secrets
import socket
import threading
from typing import TYPE_CHECKING, Any

from lakebatch.errors import LakebatchError, MissingDependencyError, StorageError, UnknownNameError
from lakebatch.lake.lake import Lake
from lakebatch.ui import page as pages
from lakebatch.ui.bar import empty
from lakebatch.ui.changes import Changes
from lakebatch.ui.guard import LOOPBACK, Guard, names_of
from lakebatch.ui.links import Links
from lakebatch.ui.page import INSTALL, Page
from lakebatch.ui.page_state import PageState, parse
from lakebatch.ui.site import Site
from lakebatch.ui.warming import warm_up

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

TYPES = {"css": "text/css", "js": "text/javascript"}
EVENTS = "text/event-stream"
POLL_SECONDS = 0.2
"""Ctrl-C is seen at the next one: the handler that polars installs does not end a wait."""
GRACE_SECONDS = 1.0
"""Time that answers have to end after Ctrl-C; then they are cut."""


def application(lake: Lake, token: str, host: str = LOOPBACK[0]) -> Guard:
    """Return the ASGI application: every address begins with the token, and only reading is possible.

    Parameters
    ----------
    host : str
        Where it listens, which says under which names it answers, see `lakebatch.ui.guard.names_of`.

    Raises
    ------
    MissingDependencyError
        If Starlette or Uvicorn is not installed.
    """
    _uvicorn()
    site = Site(lake)
    changes = Changes(site.look)
    routes = _routes(site, changes, f"/{token}/")
    warm_up(lake)
    return Guard(routes, token, names_of(host), changes.close)


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


def _uvicorn() -> Any:
    try:
        import uvicorn
    except ImportError as error:
        raise MissingDependencyError(INSTALL.format("Uvicorn")) from error
    return uvicorn


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
            f"Cannot listen on {host}:{port}: {error.strerror}. Name another, or leave --port out for a free one."
        ) from error
    listening.listen(128)
    return listening


def new_token() -> str:
    """Return a token that cannot be guessed."""
    return secrets.token_urlsafe(24)


def serve(app: Guard, listening: socket.socket, stop: threading.Event | None = None) -> None:
    """Answer requests until Ctrl-C, or until another thread sets ``stop``.

    The server runs in a thread, so that Ctrl-C ends this process as it ends others, whatever is being answered.
    """
    uvicorn = _uvicorn()
    config = uvicorn.Config(
        app, http="h11", ws="none", lifespan="off", log_level="warning", access_log=False, server_header=False
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    try:
        while thread.is_alive() and not (stop and stop.is_set()):
            thread.join(POLL_SECONDS)
    finally:
        app.close()
        logging.getLogger("uvicorn.error").disabled = True  # that answers are cut is no error
        server.should_exit = server.force_exit = True
        thread.join(GRACE_SECONDS)
