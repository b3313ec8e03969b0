"""A proxy in front of an S3 server that injects faults: at a random rate, or on cue.

It forwards requests unchanged, with the signed ``Host``, so that the server accepts the client's signature.
"""

from __future__ import annotations

import http.client
import random
import re
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

LATE_SECONDS = 1.0
"""How long a late request is held back, unless the client tries again before that."""
SLOW_SECONDS = 0.5
OF_CONNECTION = {"connection", "keep-alive", "expect", "transfer-encoding", "content-length"}
"""Headers of a single connection, which are not forwarded; no client signs them."""
ERROR = '<?xml version="1.0" encoding="UTF-8"?><Error><Code>{}</Code><Message>Injected.</Message></Error>'


class Fault(StrEnum):
    """Faults of one request, ordered by the progress of the server."""

    RESET = "connection reset, the server never saw the request"
    ERROR_500 = "500 InternalError, the server never saw the request"
    ERROR_503 = "503 SlowDown, the server never saw the request"
    LATE = "connection reset, and the server acts just before the client's next attempt"
    LOST = "the server acted, then connection reset"
    ERROR_AFTERWARDS = "the server acted, then 500 InternalError"
    SILENT = "the server acted, then silence"
    TRUNCATED = "the server acted, and half its answer comes"
    SLOW = "the server acted, and its answer comes late"


TRANSIENT = tuple(fault for fault in Fault if fault is not Fault.SILENT)
"""Faults noticed without a time-out."""


@dataclass(frozen=True)
class Refusal:
    """An answer by the proxy itself, with an S3 error code; without a code it reports success."""

    status: int
    code: str


@dataclass
class Cue:
    """Fault for matching requests: for the first of each path, or for all after the first N."""

    method: str
    path: str
    fault: Fault | Refusal
    all_after: int | None = None
    seen: list[str] = field(default_factory=list)

    def takes(self, method: str, path: str) -> bool:
        """Whether this request gets the fault."""
        if not re.fullmatch(self.method, method) or not re.search(self.path, path):
            return False
        self.seen.append(path)
        if self.all_after is None:
            return self.seen.count(path) == 1
        return len(self.seen) > self.all_after


@dataclass(frozen=True)
class Passage:
    """A received request, and its fault."""

    method: str
    path: str
    fault: Fault | Refusal | None


class _Held:
    """A delayed request, held until it is released or times out."""

    def __init__(self) -> None:
        self._release = threading.Event()
        self._done = threading.Event()

    def wait(self) -> None:
        self._release.wait(LATE_SECONDS)

    def done(self) -> None:
        self._done.set()

    def let_go_first(self) -> None:
        """Release it and wait until the server has acted on it."""
        self._release.set()
        self._done.wait()


@dataclass
class FaultProxy:
    """A running proxy; ``with`` ends it."""

    server: str
    rate: float = 0.0
    faults: Collection[Fault] = TRANSIENT
    seed: int = 0
    cues: list[Cue] = field(default_factory=list)
    passages: list[Passage] = field(default_factory=list)
    held: dict[str, _Held] = field(default_factory=dict)

    def __enter__(self) -> Self:
        self._lock = threading.Lock()
        self._random = random.Random(self.seed)
        self._listener = _Listener(("127.0.0.1", 0), _Handler)
        self._listener.proxy = self
        threading.Thread(target=self._listener.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown()
        self._listener.server_close()

    @property
    def url(self) -> str:
        """The endpoint for the client."""
        return f"http://127.0.0.1:{self._listener.server_port}"

    def injected(self) -> Counter[Fault | Refusal]:
        """Return how often each fault was injected."""
        with self._lock:
            return Counter(passage.fault for passage in self.passages if passage.fault)

    def choose(self, method: str, path: str) -> Fault | Refusal | None:
        """Return the fault for a request: that of the first matching cue, else a random one."""
        with self._lock:
            cues = [cue.fault for cue in self.cues if cue.takes(method, path)]
            fault = cues[0] if cues else None
            if fault is None and self._random.random() < self.rate:
                fault = self._random.choice(list(self.faults))
            self.passages.append(Passage(method, path, fault))
        return fault


class _Listener(ThreadingHTTPServer):
    proxy: FaultProxy
    request_queue_size = 128

    def shutdown_request(self, request: Any) -> None:
        self.close_request(request)  # without a graceful shutdown before the reset

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # the client has disconnected


@dataclass(frozen=True)
class _Answer:
    status: int
    reason: str
    headers: list[tuple[str, str]]
    body: bytes


class _Handler(BaseHTTPRequestHandler):
    server: _Listener
    protocol_version = "HTTP/1.1"

    def _pass(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        held = self.server.proxy.held.pop(self.path, None)
        if held is not None:
            held.let_go_first()
        match self.server.proxy.choose(self.command, self.path):
            case Fault.RESET:
                self._reset()
            case Fault.LATE:
                self._forward_later(body)
            case Fault.LOST:
                self._forward(body)
                self._reset()
            case Fault.ERROR_500:
                self._answer(_error(500, "InternalError"))
            case Fault.ERROR_503:
                self._answer(_error(503, "SlowDown"))
            case Fault.ERROR_AFTERWARDS:
                self._forward(body)
                self._answer(_error(500, "InternalError"))
            case Fault.SILENT:
                self._forward(body)
                self.rfile.read(1)  # until the client gives up
                self._reset()
            case Fault.TRUNCATED:
                self._answer(self._forward(body), whole=False)
            case Fault.SLOW:
                answer = self._forward(body)
                time.sleep(SLOW_SECONDS)
                self._answer(answer)
            case Refusal(status, code):
                self._answer(_error(status, code))
            case None:
                self._answer(self._forward(body))

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _pass  # noqa: N815

    def log_message(self, format: str, *arguments: Any) -> None:
        pass

    def _forward_later(self, body: bytes) -> None:
        held = self.server.proxy.held[self.path] = _Held()
        self._reset()
        held.wait()
        self._forward(body)
        held.done()

    def _forward(self, body: bytes) -> _Answer:
        parts = urlsplit(self.server.proxy.server)
        assert parts.hostname is not None
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
        try:
            connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in OF_CONNECTION:
                    connection.putheader(name, value)
            connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            return _Answer(answer.status, answer.reason, answer.getheaders(), answer.read())
        finally:
            connection.close()

    def _answer(self, answer: _Answer, *, whole: bool = True) -> None:
        """Send an answer; a truncated one is half of the body or, without a body, half of the head."""
        lines = [f"HTTP/1.1 {answer.status} {answer.reason}"]
        lines += [f"{name}: {value}" for name, value in answer.headers if name.lower() not in OF_CONNECTION]
        lines.append(f"Content-Length: {self._length(answer)}")
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        body = b"" if self.command == "HEAD" else answer.body
        if not whole:
            head, body = (head, body[: len(body) // 2]) if body else (head[: len(head) // 2], b"")
            self.close_connection = True
        self.wfile.write(head + body)

    def _length(self, answer: _Answer) -> str:
        stated = {name.lower(): value for name, value in answer.headers}.get("content-length", "0")
        return stated if self.command == "HEAD" else str(len(answer.body))

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        for each in (self.wfile, self.rfile, self.connection):
            each.close()


def _error(status: int, code: str) -> _Answer:
    body = ERROR.format(code).encode() if code else b""
    return _Answer(status, code, [("Content-Type", "application/xml")], body)
