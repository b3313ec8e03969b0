"""Commands that take a config: ``--levels`` with several values, and the presets of the experiment in ``--help``."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

import click

from lakebatch.errors import LakebatchError

Function = TypeVar("Function", bound=Callable[..., Any])
OPTION = "--levels"
TYPED = "lakebatch.typed"
"""Key of the arguments of a command, which its help needs before they are parsed."""


class Configured(click.Command):
    """A command whose ``--levels`` takes all values up to the next option, and whose help lists presets."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        context.meta[TYPED] = args
        return super().parse_args(context, _repeated(args))

    def format_options(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options and, after the name of an experiment, its presets."""
        super().format_options(context, formatter)
        for name, summaries in _presets_of(context.meta.get(TYPED, [])):
            with formatter.section(f"Presets of {name}"):
                formatter.write_dl(list(summaries.items()))


def _presets_of(typed: list[str]) -> list[tuple[str, dict[str, str]]]:
    """Return the experiment among some arguments and its presets; nothing if there is none that can be loaded."""
    if all(word.startswith("-") for word in typed):  # else even plain --help would import the registry
        return []
    from lakebatch.experiment import registry
    from lakebatch.experiment.config import preset_summaries

    with suppress(LakebatchError):  # the help is shown anyway
        known = registry.find()
        for name in [word for word in typed if word in known][:1]:
            return [(name, preset_summaries(known[name], registry.load(known[name])))]
    return []


def levels_option(function: Function) -> Function:
    """Add ``--levels``, to a command of the class `Configured`."""
    return click.option(
        OPTION, type=float, multiple=True, metavar="L...", help="Levels of the perturbation: 0 0.1 or 0,0.1."
    )(function)


def overrides(levels: tuple[float, ...]) -> dict[str, Any] | None:
    """Return the config values that ``--levels`` sets; None without it."""
    return {"levels": list(levels)} if levels else None


def _repeated(arguments: list[str]) -> list[str]:
    """Return the arguments with the option before each of its values."""
    result: list[str] = []
    pending = list(reversed(arguments))
    while pending:
        argument = pending.pop()
        typed, equals, value = argument.partition("=")
        if typed != OPTION:
            result.append(argument)
            continue
        values = value.split(",") if equals else []
        while pending and (more := _numbers(pending[-1])):
            values += more
            pending.pop()
        result += [word for each in values for word in (OPTION, each)] or [argument]
    return result


def _numbers(text: str) -> list[str]:
    """Return the numbers between commas; none unless all are numbers."""
    pieces = [piece for piece in text.split(",") if piece]
    return pieces if all(map(_is_number, pieces)) else []


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
