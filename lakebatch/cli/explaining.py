"""A table with a sentence in each row: side by side where the terminal has room, else below each other."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from lakebatch.cli.options import show
from lakebatch.cli.terminal import harmless

if TYPE_CHECKING:
    import polars as pl


def explain(frame: pl.DataFrame, form: Any, headline: Callable[[dict[str, Any]], str], about: str) -> None:
    """Print a frame; on a terminal that is too narrow for it, a headline per row and its column `about` below."""
    width = shutil.get_terminal_size().columns
    if form != "table" or not sys.stdout.isatty() or _width(frame) <= width:
        show(frame, form)
        return
    for row in frame.iter_rows(named=True):
        click.echo(harmless(_wrapped(headline(row), width, "        ", "")))
        click.echo(harmless(_wrapped(row[about], width, "    ", "    ")))


def _wrapped(text: str, width: int, later: str, first: str) -> str:
    return textwrap.fill(
        text,
        width,
        initial_indent=first,
        subsequent_indent=later,
        break_on_hyphens=False,
        break_long_words=False,
    )


def _width(frame: pl.DataFrame) -> int:
    from lakebatch.cli.render import render

    return max(map(len, render(frame, "table").splitlines()), default=0)
