"""The group of commands: options for all of them, errors as one line, exit codes."""

from __future__ import annotations

import os
import signal
import sys
import warnings
from collections.abc import Callable
from itertools import chain
from types import FrameType
from typing import Any, NoReturn

import click

from lakebatch._text import one_line
from lakebatch._version import __version__
from lakebatch.cli import completion as completing
from lakebatch.cli import context as common
from lakebatch.cli import streams
from lakebatch.cli.commands import SECTIONS
from lakebatch.cli.context import open_lake, program
from lakebatch.cli.exit_codes import ERROR, INTERRUPTED, USAGE
from lakebatch.cli.next_steps import next_steps
from lakebatch.cli.terminal import say, show_traceback
from lakebatch.cli.usage import with_example
from lakebatch.errors import (
    ConfigError,
    LakebatchError,
    NameClashError,
    QueryError,
    RunInterrupted,
    UnknownNameError,
    UnreadableWarning,
)

WHOLE = 1000
"""So long that no first sentence of a command's help is cut."""
PANIC = "PanicException"
"""What polars and deltalake, each with a class of its own, raise where they break down: as out of memory or files."""
USAGE_ERRORS = (ConfigError, UnknownNameError, NameClashError, QueryError)


class Commands(click.Group):
    """A group that turns what lakebatch raises on purpose into one line and an exit code."""

    def main(self, *arguments: Any, **options: Any) -> Any:
        if completing.VARIABLE not in os.environ:  # what a shell completes is written as bytes
            streams.prepare()
        try:
            return super().main(*arguments, **options)
        except streams.OutputError as error:  # of --help, which is answered before a command is invoked
            _end(f"Error: {error}", ERROR)

    def invoke(self, context: click.Context) -> Any:
        try:
            answer = super().invoke(context)
            if common.common(context).lacks_something:
                sys.exit(ERROR)
            return answer
        except RunInterrupted as interrupt:
            _end(str(interrupt).replace("lakebatch resume", f"{program(context)} resume"), INTERRUPTED)
        except KeyboardInterrupt:
            _end("Interrupted.", INTERRUPTED)
        except click.UsageError as error:
            raise with_example(error) from error
        except LakebatchError as error:
            _end(f"Error: {error}", USAGE if isinstance(error, USAGE_ERRORS) else ERROR)
        except OSError as error:
            if error.filename is None:  # then it is not about a file of the user's
                raise
            _end(
                f"Error: Cannot use {error.filename}: {error.strerror}. See that it is there and yours to use.",
                ERROR,
            )
        except BaseException as error:
            if type(error).__name__ != PANIC:
                raise
            _end(
                f"Error: An engine broke down: {one_line(str(error)).rstrip('.')}. See: {program(context)} doctor",
                ERROR,
            )

    def add_command(self, command: click.Command, name: str | None = None) -> None:
        command.params += common.options(on_group=False)
        super().add_command(command, name)

    def list_commands(self, context: click.Context) -> list[str]:
        return list(self.commands)

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        for title, commands in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(each.name or "", each.get_short_help_str(WHOLE)) for each in commands])


@click.group(
    cls=Commands,
    params=common.options(on_group=True),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Example: lakebatch run response-noise",
    invoke_without_command=True,
)
@click.version_option(__version__, prog_name="lakebatch")
@click.pass_context
def main(context: click.Context) -> None:
    """Run batch experiments as ACID commits into Delta tables, and read every past state of them.

    Without a command: what can be done next with the lake.
    """
    common.start_logging(context)
    warnings.showwarning = _once_each()
    sys.excepthook = show_traceback
    signal.signal(signal.SIGTERM, _terminate)
    if context.invoked_subcommand is None:
        click.echo(next_steps(open_lake(context), program(context)))


for command in chain.from_iterable(SECTIONS.values()):
    main.add_command(command)


def _end(message: str, code: int) -> NoReturn:
    say(message)
    sys.exit(code)


def _once_each() -> Callable[..., None]:
    """Return what shows warnings, each of them once for a command, and notes which of them make it end as an error."""
    shown: set[str] = set()

    def show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
        if str(message) not in shown:
            shown.add(str(message))
            say(f"Warning: {message}")
        context = click.get_current_context(silent=True)
        if isinstance(message, UnreadableWarning) and context and context.params.get("on_gap") != "ignore":
            common.common(context).lacks_something = True

    return show_warning


def _terminate(number: int, frame: FrameType | None) -> None:
    """End as after Ctrl-C: the state is recorded and the run can be resumed."""
    raise KeyboardInterrupt
