"""Tells ntfy and a webhook how a run goes; whatever goes wrong there is logged and never harms the run."""

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

from lakebatch._secrets import redact, redacted

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 5.0
"""How long a server may take to answer, and how long the end of a run waits for what is still on its way."""
PUBLIC_NTFY = "https://ntfy.sh"
WEBHOOK = "LAKEBATCH_WEBHOOK"


@dataclass(frozen=True)
class Notification:
    """What is told: a title, a text, and the same for programs."""

    title: str
    text: str
    fields: Mapping[str, str | int | None] = field(default_factory=dict)


class Notifier:
    """Sends news to the places that the environment names, each in a thread of its own."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._environment = environment
        self._failed: set[str] = set()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []

    def tell(self, news: Notification) -> None:
        """Send news to every place there is, without waiting."""
        try:
            requests = list(_requests(news, self._environment))
        except ValueError as error:  # an address that is none
            logger.warning("Cannot send a notification: %s. Correct NTFY_URL or %s.", error, WEBHOOK)
            return
        for request in requests:
            thread = threading.Thread(target=self._send, args=(request,), daemon=True)
            thread.start()
            self._threads.append(thread)

    def finish(self) -> None:
        """Wait a moment for what is still on its way."""
        for thread in self._threads:
            thread.join(TIMEOUT_SECONDS + 1)

    def _send(self, request: urllib.request.Request) -> None:
        """Send a request; where that fails, each host and reason is named once."""
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


def _requests(news: Notification, environment: Mapping[str, str]) -> list[urllib.request.Request]:
    found = []
    if topic := environment.get("NTFY_TOPIC"):
        body = {"topic": topic, "title": redact(news.title), "message": redact(news.text)}
        token = environment.get("NTFY_TOKEN")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        found.append(_request(environment.get("NTFY_URL") or PUBLIC_NTFY, body, headers))
    if webhook := environment.get(WEBHOOK):
        text = {"title": redact(news.title), "text": redact(news.text)}
        found.append(_request(webhook, text | redacted(news.fields), {}))
    return found


def _request(url: str, body: Mapping[str, object], headers: Mapping[str, str]) -> urllib.request.Request:
    if urlsplit(url).scheme not in ("http", "https"):
        raise ValueError(f"{redact(url)!r} is not an address that begins with http:// or https://")
    data = json.dumps(body).encode()
    return urllib.request.Request(url, data, {"Content-Type": "application/json", **headers}, method="POST")


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Takes a redirect for the error that it is here: a token would go to a host that nobody named."""

    def redirect_request(self, *_: Any) -> None:
        return None


OPENER = urllib.request.build_opener(_NoRedirects)


def _reason(error: Exception) -> str:
    """Return what went wrong, without the address, whose path can be a secret."""
    if isinstance(error, urllib.error.HTTPError) and 300 <= error.code < 400:
        return f"it redirects elsewhere ({error.code}), which is not followed; correct NTFY_URL or {WEBHOOK}"
    return f"HTTP {error.code}" if isinstance(error, urllib.error.HTTPError) else type(error).__name__
