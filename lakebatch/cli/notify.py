"""Notifications about a run through ntfy and a webhook; a failure is logged and never harms the run."""

from __future__ import annotations

import json
import logging
import os
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from lakebatch._text import one_line, redact, redacted

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 5.0  # for an answer of the server, and for open requests at the end of a run
PUBLIC_NTFY = "https://ntfy.sh"
WEBHOOK = "LAKEBATCH_WEBHOOK"


@dataclass(frozen=True)
class Notification:
    """Title and text for people, and the same as fields for programs."""

    title: str
    text: str
    fields: Mapping[str, str | int | None] = field(default_factory=dict)


class Notifier:
    """Sends notifications to the servers that the environment names, each in its own thread."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._environment = environment
        self._failed: set[str] = set()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []

    def send(self, notification: Notification) -> None:
        """Send a notification to every server, without waiting."""
        try:
            requests = list(_requests(notification, self._environment))
        except ValueError as error:  # an invalid address
            logger.warning("Cannot send a notification: %s. Correct NTFY_URL or %s.", error, WEBHOOK)
            return
        for request in requests:
            thread = threading.Thread(target=self._send, args=(request,), daemon=True)
            thread.start()
            self._threads.append(thread)

    def finish(self) -> None:
        """Wait a moment for open requests."""
        for thread in self._threads:
            thread.join(TIMEOUT_SECONDS + 1)

    def _send(self, request: urllib.request.Request) -> None:
        """Send a request; warn once per host and reason of a failure."""
        try:
            with OPENER.open(request, timeout=TIMEOUT_SECONDS):
                logger.info("Notified %s", request.host)
        except Exception as error:  # noqa: BLE001
            failure = f"Could not notify {request.host}: {_reason(error)}. The run goes on."
            with self._lock:
                level = logging.DEBUG if failure in self._failed else logging.WARNING
                self._failed.add(failure)
            logger.log(level, "%s", failure)
            logger.debug("The notification failed: %s", error)


def _requests(notification: Notification, environment: Mapping[str, str]) -> list[urllib.request.Request]:
    found = []
    if topic := environment.get("NTFY_TOPIC"):
        body = {"topic": topic, "title": redact(notification.title), "message": redact(notification.text)}
        token = environment.get("NTFY_TOKEN")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        found.append(_request(environment.get("NTFY_URL") or PUBLIC_NTFY, body, headers))
    if webhook := environment.get(WEBHOOK):
        # Slack and others show the text alone, so that it has to say of what it tells
        text = {"title": notification.title, "text": f"{notification.title}: {notification.text}"}
        found.append(_request(webhook, redacted({**text, **notification.fields}), {}))
    return found


def _request(url: str, body: Mapping[str, object], headers: Mapping[str, str]) -> urllib.request.Request:
    if urlsplit(url).scheme not in ("http", "https"):
        raise ValueError(f"{redact(url)!r} is not an address with http:// or https://")
    data = json.dumps(body).encode()
    return urllib.request.Request(url, data, {"Content-Type": "application/json", **headers}, method="POST")


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Treats a redirect as an error: it would send the token to an unknown host."""

    def redirect_request(self, *_: Any) -> None:
        return None


OPENER = urllib.request.build_opener(_NoRedirects)


def _reason(error: Exception) -> str:
    """Return the reason of a failure, without the address: its path can be a secret."""
    if isinstance(error, urllib.error.HTTPError) and 300 <= error.code < 400:
        return f"it redirects elsewhere ({error.code}), which is not followed; correct NTFY_URL or {WEBHOOK}"
    if isinstance(error, urllib.error.HTTPError):
        return f"HTTP {error.code}"
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(cause, TimeoutError):
        return f"no answer within {TIMEOUT_SECONDS:g} s"
    stated = cause.strerror if isinstance(cause, OSError) else None
    return one_line(redact(stated)) if stated else type(cause).__name__
