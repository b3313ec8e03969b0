"""Errors about a mistyped command: the fault, the nearest right word and an example."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click


class Choice(click.Choice[str]):
    """A choice whose error names the nearest word."""

    def __init__(self, words: Sequence[str]) -> None:
        super().__init__(words)

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        """Return the fault and the nearest word."""
        from lakebatch._text import hint

        words = [str(each) for each in self.choices]
        return f"{value!r} is unknown. {hint(str(value), words)}Expected one of: {', '.join(words)}."


def with_example(error: click.UsageError) -> click.UsageError:
    """Return the error with the example of its command."""
    command = error.ctx.command if error.ctx else None
    if command is None or isinstance(command, click.Group) or not command.epilog:
        return error
    lacks_name = isinstance(error, click.MissingParameter) and error.param and error.param.name == "name"
    advice = " List the experiments with: lakebatch list" if lacks_name else ""
    return click.UsageError(f"{error.format_message()}{advice}\n{command.epilog}", error.ctx)
