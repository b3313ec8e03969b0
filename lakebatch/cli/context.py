"""The options that stand before or after the command, as one types them: --lake, -v, -q."""

from __future__ import annotations

import logging
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from lakebatch._text import RedactingFormatter
from lakebatch.cli.terminal import CurrentError, say

if TYPE_CHECKING:
    from lakebatch.lake.experiment import StoredExperiment
    from lakebatch.lake.lake import Lake

LEVELS = (logging.WARNING, logging.INFO, logging.DEBUG)
NOISY = ("botocore", "boto3", "urllib3", "numba")


@dataclass
class Common:
    """What was given of them so far, and whether something that may be whole was left out of what was shown."""

    lake: str | None = None
    names_lake: bool = False
    verbose: int = 0
    quiet: bool = False
    lacks_something: bool = False
    handler: CurrentError = field(default_factory=CurrentError)


def common(context: click.Context) -> Common:
    """Return what was given, before and after the command."""
    return context.find_root().ensure_object(Common)


def options(*, on_group: bool) -> list[click.Option]:
    """Return the options for the group, or for one of its commands.

    The environment's lake is read with the group's, so that it never wins over what was typed.
    """
    lake = click.Option(
        ["--lake"],
        metavar="URI",
        envvar="LAKEBATCH_LAKE" if on_group else None,
        show_envvar=on_group,
        expose_value=False,
        callback=_note_lake,
        shell_complete=_folders,
        help="Folder or s3://bucket/prefix.  [default: as lakebatch.toml or the S3 settings say, else ./lake]",
    )
    verbose = click.Option(
        ["-v", "--verbose"],
        count=True,
        expose_value=False,
        callback=_note_verbose,
        help="Say what is done; twice for more.",
    )
    quiet = click.Option(
        ["-q", "--quiet"],
        is_flag=True,
        expose_value=False,
        callback=_note_quiet,
        help="Say nothing of a run, a picture or an import but what goes wrong.",
    )
    return [lake, verbose, quiet]


def start_logging(context: click.Context) -> None:
    """Log to standard error, as much as was asked for; what stands after the command can still ask for more."""
    logging.basicConfig(handlers=[common(context).handler])
    _log_as_asked(common(context))


def _log_as_asked(given: Common) -> None:
    level = LEVELS[min(given.verbose, 2)]
    given.handler.setLevel(level)
    logging.getLogger().setLevel(level)
    given.handler.setFormatter(
        RedactingFormatter("%(asctime)s %(name)s: %(message)s" if given.verbose else "%(message)s")
    )
    for noisy in NOISY:
        logging.getLogger(noisy).setLevel(logging.WARNING if given.verbose < 2 else logging.NOTSET)


def _folders(context: click.Context, option: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    return [CompletionItem(incomplete, type="dir")]


def _note_lake(context: click.Context, option: click.Parameter, value: str | None) -> None:
    if value is not None:
        given = common(context)
        given.lake = value
        source = context.get_parameter_source(option.name or "")
        given.names_lake = source is click.core.ParameterSource.COMMANDLINE


def _note_verbose(context: click.Context, _: Any, value: int) -> None:
    if value:
        common(context).verbose += value
        _log_as_asked(common(context))


def _note_quiet(context: click.Context, _: Any, value: bool) -> None:
    common(context).quiet |= value


def inform(text: str) -> None:
    """Say on standard error what is not wrong, unless asked to be quiet."""
    if not common(click.get_current_context()).quiet:
        say(text)


def open_lake(context: click.Context) -> Lake:
    """Return the lake that the group's option names."""
    from lakebatch.lake.lake import open_lake as open_

    return open_(common(context).lake)


def program(context: click.Context) -> str:
    """Return how this program has to be called so that it opens the same lake."""
    given = common(context)
    return f"lakebatch --lake {shlex.quote(str(given.lake))}" if given.names_lake else "lakebatch"


def experiments(context: click.Context, name: str | None) -> list[StoredExperiment]:
    """Return the experiment of a name, or all of the lake."""
    lake = open_lake(context)
    return [lake[name]] if name else lake.experiments()
