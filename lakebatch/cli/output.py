"""Output of a command: frames on standard output or in a file."""

from __future__ import annotations

import json
import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lakebatch._text import escape_controls, redact
from lakebatch.cli.colours import paint_label, shows_colour
from lakebatch.cli.stderr import print_stderr, sanitize
from lakebatch.errors import StorageError

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

    from lakebatch.cli.table import Rows

MAX_ROWS = 20  # of a table on a terminal
INDENT = "  "  # of the further lines of a text
MIN_FULL_WIDTH = 120  # narrower terminals get fewer columns
LOSSLESS = ("csv", "json", "ndjson")
NOT_ASCII = re.compile(r"[^\x00-\x7f]+")


def file_name(experiment: str, ending: str) -> str:
    """Return the default name of a file about an experiment: NAME or NAME@v1, and an ending."""
    return f"{experiment.replace('@', '-')}{ending}"


def check_output(output: Path | None) -> None:
    """Refuse an unknown file format before anything is read."""
    if output is not None:
        from lakebatch.snapshot.write_file import check_file

        check_file(output)


def show_or_save(
    frame: pl.DataFrame,
    output: Path | None,
    form: Any,
    origin: Callable[[], Mapping[str, Any]],
    *,
    none: str = "",
    described: Callable[[], pa.Schema] | None = None,
) -> None:
    """Write a frame to a file that says where its rows come from; without a file, print it."""
    if output is None:
        show(frame, form, none=none)
        return
    save(iter([frame]), output, origin(), None if described is None else described())


def save(
    pieces: Iterator[pl.DataFrame],
    output: Path,
    origin: Mapping[str, Any],
    described: pa.Schema | None = None,
) -> None:
    """Write frames to one file, piece by piece, and print the row count and what was selected.

    The file says where its rows come from, see `lakebatch.snapshot.file_origin`.
    """
    from lakebatch.snapshot.write_file import write

    rows, columns = write(pieces, output, origin, described)
    click.echo(sanitize(f"{rows} rows, {columns} columns in {output}"), err=True)
    click.echo(sanitize(origin["selection"]), err=True)


def show(
    frame: pl.DataFrame,
    form: Any,
    *,
    none: str = "",
    keep: Rows = "first",
    all_rows: str | None = None,
    max_rows: int | None = MAX_ROWS,
) -> None:
    """Print a frame on standard output; on a terminal, a long table is cut and says so.

    Parameters
    ----------
    none : str
        Sentence in place of a table without rows, on standard error: what there is none of, and what makes one.
    keep : {"first", "last"}
        Rows of a long table to show.
    all_rows : str, optional
        Option that prints all rows, ``--format csv`` by default.
    max_rows : int, optional
        Number of rows of a table on a terminal; all with None.
    """
    from lakebatch.cli.render import render
    from lakebatch.cli.table import ALL_ROWS

    if none and form == "table" and frame.is_empty():
        print_stderr(none)
        return
    to_terminal = sys.stdout.isatty()
    limit = max_rows if form == "table" and to_terminal else None
    text = redact(render(frame, form, max_rows=limit, keep=keep, all_rows=all_rows or ALL_ROWS))
    if form == "table":  # its cells are escaped, and its colours must not be
        click.echo(text, color=shows_colour(sys.stdout))
    else:
        echo_text(text, form)


def echo_text(text: str, form: Any) -> None:
    """Print a text of a format for programs or papers; on a terminal without control characters."""
    text = redact(text)
    click.echo(_encodable(escape_controls(text) if sys.stdout.isatty() else text, form))


def echo(text: str) -> None:
    """Print a text whose cells are escaped, in its colours where standard output shows them."""
    click.echo(redact(text), color=shows_colour(sys.stdout))


def is_narrow() -> bool:
    """Return whether tables are for a terminal that is too narrow for all of their columns."""
    return sys.stdout.isatty() and shutil.get_terminal_size().columns < MIN_FULL_WIDTH


def wrap(text: str) -> str:
    """Return a text with lines no wider than the terminal; unchanged where there is none."""
    if not sys.stdout.isatty():
        return text
    width = shutil.get_terminal_size().columns
    return "\n".join(_wrapped(line, width, INDENT, "") for line in text.splitlines())


def _encodable(text: str, form: Any) -> str:
    """Return lossless formats in the encoding of standard output: JSON escapes other characters, CSV is refused."""
    try:
        if form in LOSSLESS and sys.stdout.encoding:
            text.encode(sys.stdout.encoding)
    except UnicodeEncodeError as error:
        if form != "csv":
            return NOT_ASCII.sub(lambda match: json.dumps(match[0])[1:-1], text)
        raise StorageError(
            f"Cannot print {text[error.start]!a} as csv: standard output is {error.encoding}. "
            "Set PYTHONIOENCODING=utf-8, or write a file with -o FILE.csv."
        ) from error
    return text


def show_with_text(
    frame: pl.DataFrame, form: Any, headline: Callable[[dict[str, Any]], str], about: str
) -> None:
    """Print a frame; on a narrow terminal, print a headline per row with its column `about` below."""
    from lakebatch.cli.table import fits

    width = shutil.get_terminal_size().columns
    if form != "table" or not sys.stdout.isatty() or fits(frame, width):
        show(frame, form, max_rows=None)
        return
    for row in frame.iter_rows(named=True):
        head = sanitize(_wrapped(headline(row), width, "        ", ""))
        echo(paint_label(head) if shows_colour(sys.stdout) else head)
        echo(sanitize(_wrapped(row[about], width, "    ", "    ")))


def _wrapped(text: str, width: int, later: str, first: str) -> str:
    return "\n".join(wrapped_lines(text, width, later, first))


def wrapped_lines(text: str, width: int, later: str, first: str) -> list[str]:
    """Return a text in lines of a width, whose words stay whole, with an indent of the first and of the later lines."""
    return textwrap.wrap(
        text,
        width,
        initial_indent=first,
        subsequent_indent=later,
        break_on_hyphens=False,
        break_long_words=False,
    )
