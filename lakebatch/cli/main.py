"""The command group: options of all commands, errors in one line, exit codes."""

from __future__ import annotations

import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable
from functools import partial
from itertools import chain
from types import FrameType
from typing import Any, NoReturn

import click

from lakebatch._text import one_line
from lakebatch._version import __version__
from lakebatch.cli import completion, standard_streams, words
from lakebatch.cli import context as group_options
from lakebatch.cli.commands import SECTIONS
from lakebatch.cli.context import open_lake, program
from lakebatch.cli.exit_codes import ERROR, INTERRUPTED, USAGE
from lakebatch.cli.next_steps import next_steps
from lakebatch.cli.stderr import print_stderr, show_traceback
from lakebatch.cli.usage_errors import with_example
from lakebatch.errors import (
    ConfigError,
    LakebatchError,
    NameClashError,
    QueryError,
    RunInterrupted,
    UnknownNameError,
    UnreadableWarning,
)

MAX_HELP_LENGTH = 1000  # longer than any first sentence of a help text
PANIC = (
    "PanicException"  # polars and deltalake raise a class of this name when they crash, e.g. out of memory
)
AGAIN_SECONDS = 0.05  # until an interrupt that was ignored is raised again, after the callback has ended
USAGE_ERRORS = (ConfigError, UnknownNameError, NameClashError, QueryError)


class Commands(click.Group):
    """A group that turns errors of lakebatch into one line and an exit code."""

    def main(self, *arguments: Any, **options: Any) -> Any:
        if completion.VARIABLE not in os.environ:  # completions are written as bytes
            standard_streams.prepare()
        try:
            return super().main(*arguments, **options)
        except standard_streams.OutputError as error:  # from --help, which runs before any command
            _exit(f"Error: {error}", ERROR)

    def invoke(self, context: click.Context) -> Any:
        try:
            answer = super().invoke(context)
            if group_options.group_options(context).is_incomplete:
                sys.exit(ERROR)
            return answer
        except RunInterrupted as interrupt:
            _exit(str(interrupt).replace("lakebatch resume", f"{program(context)} resume"), INTERRUPTED)
        except KeyboardInterrupt:
            _exit("Interrupted.", INTERRUPTED)
        except click.UsageError as error:
            raise with_example(error) from error
        except LakebatchError as error:
            _exit(f"Error: {error}", USAGE if isinstance(error, USAGE_ERRORS) else ERROR)
        except OSError as error:
            if error.filename is None:  # not about a file of the user
                raise
            _exit(
                f"Error: Cannot use {error.filename}: {error.strerror}. Check that it exists and that you may use it.",
                ERROR,
            )
        except BaseException as error:
            if type(error).__name__ != PANIC:
                raise
            _exit(
                f"Error: An engine crashed: {one_line(str(error)).rstrip('.')}. See: {program(context)} doctor",
                ERROR,
            )

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        return super().get_command(context, name) or words.alias_of(self, name)

    def resolve_command(
        self, context: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that the first argument stands for; raise in one line if there is none."""
        command = self.get_command(context, args[0])
        if command is not None:
            return command.name, command, args[1:]
        if context.resilient_parsing or args[0].startswith("-"):
            return super().resolve_command(context, args)
        raise UnknownNameError(words.unknown_command(args[0], self.list_commands(context), program(context)))

    def add_command(self, command: click.Command, name: str | None = None) -> None:
        command.params += group_options.options(on_group=False)
        super().add_command(command, name)

    def list_commands(self, context: click.Context) -> list[str]:
        return list(self.commands)

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        for title, commands in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl(
                    [(each.name or "", each.get_short_help_str(MAX_HELP_LENGTH)) for each in commands]
                )


@click.group(
    cls=Commands,
    params=group_options.options(on_group=True),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Example: lakebatch run response-noise",
    invoke_without_command=True,
)
@click.version_option(
    __version__, prog_name="lakebatch", message="%(prog)s %(version)s", help="Show the code version and exit."
)
@click.pass_context
def main(context: click.Context) -> None:
    """Run batch experiments as ACID commits into Delta tables, and read every past state of them.

    Without a command, print what can be done next with the lake.
    """
    group_options.start_logging(context)
    warnings.showwarning = _warning_printer()
    sys.excepthook = show_traceback
    signal.signal(signal.SIGTERM, _terminate)
    _keep_interrupts()
    if context.invoked_subcommand is None:
        click.echo(next_steps(open_lake(context), program(context)))


for command in chain.from_iterable(SECTIONS.values()):
    main.add_command(command)


def _exit(message: str, code: int) -> NoReturn:
    print_stderr(message)
    sys.exit(code)


def _warning_printer() -> Callable[..., None]:
    """Return a printer that shows each warning once, and records unreadable data for the exit code."""
    shown: set[str] = set()

    def show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
        if str(message) not in shown:
            shown.add(str(message))
            print_stderr(f"Warning: {message}")
        context = click.get_current_context(silent=True)
        if isinstance(message, UnreadableWarning) and context and context.params.get("on_gap") != "ignore":
            group_options.group_options(context).is_incomplete = True

    return show_warning


def _keep_interrupts() -> None:
    """Let no Ctrl-C or SIGTERM be lost whose exception Python raises where it ignores exceptions.

    It does so inside of the callback of a weak reference, which pictures make many of.
    """
    former = sys.unraisablehook
    if getattr(former, "func", None) is not _interrupt_again:
        sys.unraisablehook = partial(_interrupt_again, former)


def _interrupt_again(former: Callable[[Any], object], ignored: Any) -> None:
    """End the process a moment later if an interrupt was ignored."""
    if ignored.exc_type is not KeyboardInterrupt:
        former(ignored)
        return
    again = threading.Timer(AGAIN_SECONDS, os.kill, (os.getpid(), signal.SIGTERM))
    again.daemon = True
    again.start()


def _terminate(number: int, frame: FrameType | None) -> None:
    """End as after Ctrl-C: the run records its state and can be resumed."""
    raise KeyboardInterrupt
