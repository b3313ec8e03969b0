"""Messages on standard error, without secrets and control characters."""

from __future__ import annotations

import logging
import sys
import traceback
from types import TracebackType

from lakebatch._text import escape_controls, redact
from lakebatch.cli.colours import paint_label, shows_colour


class CurrentError(logging.Handler):
    """Log handler for the current ``sys.stderr``, so that a live display stays below the messages."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record."""
        try:
            _write(self.format(record))
        except Exception:  # noqa: BLE001
            self.handleError(record)


def sanitize(text: str) -> str:
    """Return the text without secrets and control characters."""
    return escape_controls(redact(text))


def print_stderr(text: str) -> None:
    """Print a message on standard error, the label of an error or a warning in colour."""
    shown = sanitize(text)
    _write(paint_label(shown) if shows_colour(sys.stderr) else shown)


def _write(text: str) -> None:
    """Write a line to the current ``sys.stderr``: click would bypass a live display in its place."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def show_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Show the traceback of a bug, as Python does."""
    sys.stderr.write(sanitize("".join(traceback.format_exception(kind, error, trace))))
