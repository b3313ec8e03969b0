"""Options before or after any command (--lake, -v, -q), and the lake that they choose."""

from __future__ import annotations

import logging
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from lakebatch._text import RedactingFormatter
from lakebatch.cli.stderr import CurrentError, print_stderr
from lakebatch.settings import project_folder

if TYPE_CHECKING:
    from lakebatch.lake.experiment import StoredExperiment
    from lakebatch.lake.lake import Lake

LEVELS = (logging.WARNING, logging.INFO, logging.DEBUG)
logger = logging.getLogger(__name__)
NOISY = ("botocore", "boto3", "urllib3", "numba")


@dataclass
class GroupOptions:
    """Values of the options so far.

    Attributes
    ----------
    is_lake_typed : bool
        Whether the lake is from the command line, not from the environment.
    is_incomplete : bool
        Whether the output lacks data that could not be read.
    """

    lake: str | None = None
    is_lake_typed: bool = False
    verbose: int = 0
    quiet: bool = False
    is_incomplete: bool = False
    handler: CurrentError = field(default_factory=CurrentError)


def group_options(context: click.Context) -> GroupOptions:
    """Return the values of the options before and after the command."""
    return context.find_root().ensure_object(GroupOptions)


def options(*, on_group: bool) -> list[click.Option]:
    """Return the options for the group, or for one of its commands.

    Only the group reads the environment, so that a typed lake always wins.
    """
    lake = click.Option(
        ["--lake"],
        metavar="URI",
        envvar="LAKEBATCH_LAKE" if on_group else None,
        show_envvar=on_group,
        expose_value=False,
        callback=_set_lake,
        shell_complete=_folders,
        help="Folder or s3://bucket/prefix.  [default: from lakebatch.toml or the S3 settings, else lake in the project]",
    )
    verbose = click.Option(
        ["-v", "--verbose"],
        count=True,
        expose_value=False,
        callback=_raise_level,
        help="Log what is done; twice for details.",
    )
    quiet = click.Option(
        ["-q", "--quiet"],
        is_flag=True,
        expose_value=False,
        callback=_set_quiet,
        help="Print no progress and no closing message, only warnings and errors.",
    )
    return [lake, verbose, quiet]


def start_logging(context: click.Context) -> None:
    """Log to standard error; options after the command can still raise the level."""
    logging.basicConfig(handlers=[group_options(context).handler])
    _set_level(group_options(context))


def _set_level(chosen: GroupOptions) -> None:
    level = LEVELS[min(chosen.verbose, 2)]
    chosen.handler.setLevel(level)
    logging.getLogger().setLevel(level)
    chosen.handler.setFormatter(
        RedactingFormatter("%(asctime)s %(name)s: %(message)s" if chosen.verbose else "%(message)s")
    )
    for noisy in NOISY:
        logging.getLogger(noisy).setLevel(logging.WARNING if chosen.verbose < 2 else logging.NOTSET)


def _folders(context: click.Context, option: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    return [CompletionItem(incomplete, type="dir")]


def _set_lake(context: click.Context, option: click.Parameter, value: str | None) -> None:
    if value is not None:
        chosen = group_options(context)
        chosen.lake = value
        source = context.get_parameter_source(option.name or "")
        chosen.is_lake_typed = source is click.core.ParameterSource.COMMANDLINE
        if chosen.is_lake_typed and not value:  # as of a variable that is not set
            raise click.BadParameter("it is empty. Expected a folder or s3://bucket/prefix.")


def _raise_level(context: click.Context, _: Any, value: int) -> None:
    if value:
        group_options(context).verbose += value
        _set_level(group_options(context))


def _set_quiet(context: click.Context, _: Any, value: bool) -> None:
    group_options(context).quiet |= value


def inform(text: str) -> None:
    """Print a message on standard error unless ``--quiet`` was given."""
    if not group_options(click.get_current_context()).quiet:
        print_stderr(text)


def open_lake(context: click.Context) -> Lake:
    """Return the lake that ``--lake``, the environment or the settings name."""
    from lakebatch.lake.lake import open_lake as open_

    lake = open_(group_options(context).lake)
    logger.info("lake %s, project %s", lake.storage.uri, project_folder())
    return lake


def program(context: click.Context) -> str:
    """Return the start of a command that opens the same lake."""
    chosen = group_options(context)
    return f"lakebatch --lake {shlex.quote(str(chosen.lake))}" if chosen.is_lake_typed else "lakebatch"


def of_assembly(context: click.Context, name: str, assembly: str | None) -> tuple[str, str | None]:
    """Return the experiment and the assembly that NAME, NAME ASSEMBLY, or the id of an assembly alone stand for.

    Raises
    ------
    UnknownNameError
        If no experiment of the lake has an assembly of this id.
    ConfigError
        If several have.
    """
    from lakebatch.errors import ConfigError, UnknownNameError
    from lakebatch.ids import ASSEMBLY_ID

    if assembly is not None or not ASSEMBLY_ID.fullmatch(name):
        return name, assembly
    found = [
        each.reference
        for each in open_lake(context).experiments()
        if name in each.log.events()["assembly_id"].to_list()
    ]
    if not found:
        raise UnknownNameError(f"No experiment of this lake has an assembly {name}. See: lakebatch status")
    if len(found) > 1:
        raise ConfigError(
            f"Several experiments have an assembly {name}: {', '.join(found)}. Name the experiment too: {found[0]} {name}"
        )
    return found[0], name


def only_experiment(context: click.Context) -> str:
    """Return the name of the lake's only experiment.

    Raises
    ------
    ConfigError
        If it has none or several.
    """
    from lakebatch.errors import ConfigError

    lake = open_lake(context)
    known = [each.reference for each in lake.experiments()]
    if not known:
        raise ConfigError(
            f"Nothing has been run in {lake.storage.uri} yet. Start with: lakebatch run response-noise"
        )
    if len(known) > 1:
        command = f"{program(context)} {context.info_name}"
        raise ConfigError(
            f"Of which experiment? Expected a NAME, one of: {', '.join(known)}. E.g.: {command} {known[0]}"
        )
    return known[0]


def experiments(context: click.Context, name: str | None) -> list[StoredExperiment]:
    """Return one experiment of the lake by name, or all without a name."""
    lake = open_lake(context)
    return [lake[name]] if name else lake.experiments()
