"""What is said of a command that was typed wrongly: what is wrong, the nearest right word, and an example."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click


class Choice(click.Choice[str]):
    """One of some words; of a mistyped one it is said which is nearest."""

    def __init__(self, words: Sequence[str]) -> None:
        super().__init__(words)

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        """Return what is wrong, and the nearest word."""
        from lakebatch._text import hint

        words = [str(each) for each in self.choices]
        return f"{value!r} is unknown. {hint(str(value), words)}Expected one of: {', '.join(words)}."


def with_example(error: click.UsageError) -> click.UsageError:
    """Return the error with how the command is used rightly, where a command is at fault."""
    command = error.ctx.command if error.ctx else None
    if command is None or isinstance(command, click.Group) or not command.epilog:
        return error
    lacks_name = isinstance(error, click.MissingParameter) and error.param and error.param.name == "name"
    where = " See what there is with: lakebatch list" if lacks_name else ""
    return click.UsageError(f"{error.format_message()}{where}\n{command.epilog}", error.ctx)
