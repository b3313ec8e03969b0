"""Errors about a mistyped command: the fault, the nearest right word and an example."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from typing import IO, Any

import click

from lakebatch.cli.colours import paint_label, shows_colour


class Choice(click.Choice[str]):
    """A choice whose error names the nearest word."""

    def __init__(self, words: Sequence[str]) -> None:
        super().__init__(words)

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        """Return the fault and the nearest word."""
        from lakebatch._text import hint

        words = [str(each) for each in self.choices]
        return f"{value!r} is unknown. {hint(str(value), words)}Expected one of: {', '.join(words)}."


class LabelledError(click.UsageError):
    """A usage error whose label is in colour where standard error shows colour."""

    def show(self, file: IO[Any] | None = None) -> None:
        """Print usage and message."""
        if file is not None or not shows_colour(sys.stderr):
            super().show(file)
            return
        text = io.StringIO()
        super().show(text)
        click.echo("\n".join(map(paint_label, text.getvalue().splitlines())), err=True, color=True)


def with_example(error: click.UsageError) -> click.UsageError:
    """Return the error with the example of its command."""
    command = error.ctx.command if error.ctx else None
    if command is None or isinstance(error, click.exceptions.NoArgsIsHelpError):
        return error
    if isinstance(command, click.Group) or not command.epilog:
        return LabelledError(error.format_message(), error.ctx)
    lacks_name = isinstance(error, click.MissingParameter) and error.param and error.param.name == "name"
    advice = " List the experiments with: lakebatch list" if lacks_name else ""
    return LabelledError(f"{error.format_message()}{advice}\n{command.epilog}", error.ctx)
