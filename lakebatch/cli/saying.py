"""What is said on a terminal: without secrets, and without what would steer the terminal."""

from __future__ import annotations

import sys
import traceback
from types import TracebackType

import click

from lakebatch.redact import redact
from lakebatch.visible import visible


def harmless(text: str) -> str:
    """Return the text without secrets and control characters."""
    return visible(redact(text))


def say(text: str) -> None:
    """Say something on standard error."""
    click.echo(harmless(text), err=True)


def show_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Show the traceback of a bug, as Python does."""
    sys.stderr.write(harmless("".join(traceback.format_exception(kind, error, trace))))
