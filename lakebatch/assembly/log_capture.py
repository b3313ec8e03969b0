"""The log records of a run in memory, until they are written to the lake."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime

from lakebatch._text import escape_controls, redact

PACKAGE = logging.getLogger("lakebatch")
AS_LEVEL = "as_level"
"""Attribute of a record with its level in the lake, where that is another than on the terminal."""
MAX_LINES = 100_000
# records in memory; further ones are counted
SURROGATES = "backslashreplace"
# how half characters, from names that are not UTF-8, are written

_part: ContextVar[str | None] = ContextVar("part", default=None)
_run: ContextVar[LogCapture | None] = ContextVar("run", default=None)


@dataclass(frozen=True)
class LogLine:
    """One record of a log; ``part`` is the key of the part that it is about."""

    at: datetime
    level: str
    logger: str
    message: str
    part: str | None


class LogCapture(logging.Handler):
    """Collects the records of lakebatch during one run; those of another run in this process are left out."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: list[LogLine] = []
        self._left_out = 0
        self.setFormatter(logging.Formatter())

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record, with its traceback."""
        if _run.get() not in (None, self):
            return
        if len(self._lines) >= MAX_LINES:
            self._left_out += 1
            return
        try:
            self._lines.append(self._line(record))
        except Exception:  # noqa: BLE001  # as every handler does: a log must not end a run
            self.handleError(record)

    def _line(self, record: logging.LogRecord) -> LogLine:
        text = escape_controls(redact(self.format(record)))
        return LogLine(
            datetime.fromtimestamp(record.created, UTC),
            getattr(record, AS_LEVEL, record.levelname),
            record.name,
            text.encode(errors=SURROGATES).decode(),
            _part.get(),
        )

    def waiting(self) -> list[LogLine]:
        """Return the records that are not yet written, oldest first."""
        with self.lock or threading.RLock():
            if self._left_out:
                text = f"{self._left_out} more records were left out, since the log could not be written."
                self._lines.append(LogLine(datetime.now(UTC), "WARNING", PACKAGE.name, text, None))
                self._left_out = 0
            return list(self._lines)

    def drop(self, count: int) -> None:
        """Forget the oldest records, which are written."""
        with self.lock or threading.RLock():
            del self._lines[:count]


@contextmanager
def captured() -> Iterator[LogCapture]:
    """Collect the records of lakebatch within the block."""
    capture = LogCapture()
    attach(capture)
    token = _run.set(capture)
    try:
        yield capture
    finally:
        _run.reset(token)
        detach(capture)


@contextmanager
def of_part(part: str) -> Iterator[None]:
    """Name the part that records within the block are about."""
    token = _part.set(part)
    try:
        yield
    finally:
        _part.reset(token)


class _Usual(logging.Handler):
    """Hands records on to the handlers that the program has set up, at the level that it has chosen."""

    def __init__(self, level: int, handlers: list[logging.Handler], parent: logging.Logger | None) -> None:
        super().__init__(level)
        self.handlers = handlers
        self.parent = parent

    def emit(self, record: logging.LogRecord) -> None:
        for each in self.handlers:
            if record.levelno >= each.level:
                each.handle(record)
        if self.parent is not None:
            self.parent.callHandlers(record)


class _Tap:
    """The handlers that get every record, and the settings of the logger before the first of them came."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.handlers: list[logging.Handler] = []
        self.before: tuple[int, bool] = (logging.NOTSET, True)
        self.usual: _Usual | None = None

    def open(self) -> None:
        self.before = (PACKAGE.level, PACKAGE.propagate)
        parent = PACKAGE.parent if PACKAGE.propagate else None
        self.usual = _Usual(PACKAGE.getEffectiveLevel(), list(PACKAGE.handlers), parent)
        for each in self.usual.handlers:
            PACKAGE.removeHandler(each)
        PACKAGE.addHandler(self.usual)
        PACKAGE.propagate = False
        PACKAGE.setLevel(logging.DEBUG)

    def close(self) -> None:
        if self.usual is not None:
            PACKAGE.removeHandler(self.usual)
            for each in self.usual.handlers:
                PACKAGE.addHandler(each)
        self.usual = None
        PACKAGE.setLevel(self.before[0])
        PACKAGE.propagate = self.before[1]


_tap = _Tap()


def attach(handler: logging.Handler) -> None:
    """Give a handler every record of lakebatch; other handlers get those of the level that the program has chosen."""
    with _tap.lock:
        if not _tap.handlers:
            _tap.open()
        _tap.handlers.append(handler)
        PACKAGE.addHandler(handler)


def detach(handler: logging.Handler) -> None:
    """Take back `attach`."""
    with _tap.lock:
        if handler in _tap.handlers:
            _tap.handlers.remove(handler)
            PACKAGE.removeHandler(handler)
            if not _tap.handlers:
                _tap.close()
