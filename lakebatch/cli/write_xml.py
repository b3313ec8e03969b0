"""XML files that replace others atomically, or standard output."""

from __future__ import annotations

from pathlib import Path

import click

from lakebatch._files import check_replaceable, replace_atomically
from lakebatch.errors import ConfigError

STANDARD_OUTPUT = "-"
SUFFIXES = (".xml", ".sbml")


def check_file(file: Path) -> None:
    """Raise `ConfigError` for an unknown ending, `StorageError` for a file that cannot be written."""
    if str(file) == STANDARD_OUTPUT:
        return
    if file.suffix not in SUFFIXES:
        raise ConfigError(
            f"Cannot write {file}. Expected a name that ends in {', '.join(SUFFIXES)}, or - for standard output."
        )
    check_replaceable(file)


def write(text: str, file: Path) -> None:
    """Write an XML document to a file, or to standard output."""
    if str(file) == STANDARD_OUTPUT:
        ascii_text = text.encode("ascii", "xmlcharrefreplace").decode()  # whatever the encoding of the output
        click.echo(ascii_text, nl=not text.endswith("\n"))
        return
    with replace_atomically(file) as partial:
        partial.write_text(text, encoding="utf-8")
