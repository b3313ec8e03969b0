"""Colours of states and messages: one mapping, for streams that show colour. A colour never stands without its word."""

from __future__ import annotations

import os
import sys
from typing import Literal, TextIO, TypeAlias

import click

Look: TypeAlias = Literal["red", "yellow", "cyan", "green", "dim", "bold"]
STATE_LOOKS: dict[str, Look] = {
    "running": "cyan",
    "interrupted": "yellow",
    "completed": "green",
    "failed": "red",
    "discarded": "dim",
    "done": "green",
    "missing": "dim",
    "dropped": "dim",
    "started": "cyan",  # the recorded word, in answers of SQL
    "ok": "green",
    "note": "yellow",
    "problem": "red",
    "healed": "green",
    "can be healed": "yellow",
    "cannot be healed": "red",
}
"""The look of each word for a state: of assemblies, of the points of a sweep, of checks and of repairs."""
STATE_TITLES = ("state", "status", "severity", "status_before", "status_after")
"""Titles of the columns with such words."""
LABEL_LOOKS: dict[str, Look] = {
    "Error: ": "red",
    "Warning: ": "yellow",
    "failed ": "red",
    "problem: ": "red",
    "note: ": "yellow",
}
"""The look of the label that a message begins with."""
LEVEL_LOOKS: dict[str, Look] = {"WARNING": "yellow", "ERROR": "red", "CRITICAL": "red"}
"""The look of each level of a log record."""
BAR, BAR_END = "cyan", "green"
"""Colours of progress bars: at work, and at the end."""


def shows_colour(stream: TextIO) -> bool:
    """Whether a stream shows colour: a terminal does, unless ``NO_COLOR`` or ``TERM=dumb`` says otherwise.

    ``FORCE_COLOR`` lets a pipe show it too.
    """
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return bool(os.environ.get("FORCE_COLOR")) or stream.isatty()


def paint(text: str, look: Look | None) -> str:
    """Return a text in a look, for a stream that shows colour.

    >>> paint("failed", "red"), paint("3", None)
    ('\\x1b[31mfailed\\x1b[0m', '3')
    """
    if look is None or not text:
        return text
    if look in ("dim", "bold"):
        return click.style(text, dim=look == "dim" or None, bold=look == "bold" or None)
    return click.style(text, fg=look)


def paint_state(word: str) -> str:
    """Return a word for a state in its colour; another word as it is.

    >>> paint_state("failed") == paint("failed", "red"), paint_state("6/6")
    (True, '6/6')
    """
    return paint(word, STATE_LOOKS.get(word.strip()))


def state_word(word: str) -> str:
    """Return a word for a state for standard output, in its colour where that shows colour."""
    return paint_state(word) if shows_colour(sys.stdout) else word


def paint_label(message: str) -> str:
    """Return a message with the label at its beginning in colour.

    >>> paint_label("Warning: x") == paint("Warning:", "yellow") + " x"
    True
    """
    for label, look in LABEL_LOOKS.items():
        if message.startswith(label):
            return f"{paint(label.rstrip(), look)} {message[len(label) :]}"
    return message
