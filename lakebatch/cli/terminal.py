"""What is said on a terminal: without secrets, and without what would steer the terminal."""

from __future__ import annotations

import logging
import sys
import traceback
from types import TracebackType

from lakebatch._secrets import redact
from lakebatch._text import escape_controls


class CurrentError(logging.Handler):
    """Logs to whatever standard error is at that moment, so that a live display can keep below it."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record."""
        try:
            _write(self.format(record))
        except Exception:  # noqa: BLE001
            self.handleError(record)


def harmless(text: str) -> str:
    """Return the text without secrets and control characters."""
    return escape_controls(redact(text))


def say(text: str) -> None:
    """Say something on standard error."""
    _write(harmless(text))


def _write(text: str) -> None:
    """Write a line to whatever standard error is: click would go past a live display that stands in for it."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def show_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Show the traceback of a bug, as Python does."""
    sys.stderr.write(harmless("".join(traceback.format_exception(kind, error, trace))))
