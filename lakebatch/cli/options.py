"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar, cast

import click

from lakebatch.cli import completion
from lakebatch.cli.usage_errors import Choice

Function = TypeVar("Function", bound=Callable[..., Any])

FORMATS = ("table", "csv", "json", "ndjson", "markdown")
UNITS = ("split", "assembly")
STATUSES = ("started", "completed", "failed", "discarded")
AS_OF = (
    "State at the end of a day, minute or second: 2026-11-20, '2026-11-20 12:00' (local time), or with an offset or "
    "Z, as tables show times: '2026-11-20 12:00:30Z'."
)


def moment_options(command: Function) -> Function:
    """Add ``--version``, ``--as-of`` and ``--tag``; the command gets them as one `Moment`."""

    @wraps(command)
    def with_moment(
        *arguments: Any, version: int | None, as_of: str | None, tag: str | None, **given: Any
    ) -> Any:
        from lakebatch.snapshot.moment import moment

        return command(*arguments, moment=moment(version, as_of, tag), **given)

    function = click.option(
        "--tag", metavar="TAG", shell_complete=completion.tags, help="State with this tag, see: lakebatch tag"
    )(with_moment)
    function = click.option("--as-of", metavar="TIME", help=AS_OF)(function)
    return cast(
        Function,
        click.option(
            "--version", type=int, metavar="N", help="State at this version, see: lakebatch history"
        )(function),
    )


def sweep_option(function: Function) -> Function:
    """Add ``--sweep``: the assemblies to read, by sweep."""
    return click.option(
        "--sweep",
        metavar="NAME",
        shell_complete=completion.sweeps,
        help="Read assemblies of this sweep, see: lakebatch sweeps",
    )(function)


def config_options(function: Function) -> Function:
    """Add ``--where``, ``--preset`` and ``--config``: the assemblies to read, by config."""
    function = click.option(
        "--config",
        metavar="N",
        shell_complete=completion.configs,
        help="Read assemblies with this config: its number in `replicates` and reports, or the start of its hash.",
    )(function)
    function = click.option(
        "--preset",
        metavar="NAME",
        shell_complete=completion.presets,
        help="Read assemblies with the config of this preset.",
    )(function)
    return click.option(
        "--where",
        multiple=True,
        metavar="KEY=VALUE",
        shell_complete=completion.stored_keys,
        help="Read assemblies with this value in their config, e.g. cohort.n_samples=60; can be repeated.",
    )(function)


def selection_options(command: Function) -> Function:
    """Add the options of a dataset; the command gets them as one `Selection`."""

    @wraps(command)
    def with_selection(*arguments: Any, moment: Any, assembly_ids: Any, **given: Any) -> Any:
        from lakebatch.snapshot.selection import selection

        named = {
            name: given.pop(name) for name in ("include", "where", "preset", "config", "sweep", "on_mix")
        }
        return command(*arguments, selection=selection(moment, assembly=assembly_ids, **named), **given)

    function: Any = click.option(
        "--on-mix",
        type=Choice(["warn", "refuse", "ignore"]),
        default="warn",
        show_default=True,
        help="What to do when the assemblies differ in config, code or packages.",
    )(with_selection)
    function = _assembly_option(sweep_option(config_options(function)))
    function = click.option(
        "--include",
        type=Choice(STATUSES),
        multiple=True,
        default=["completed"],
        show_default=True,
        help="Assemblies to read, by status; can be repeated.",
    )(function)
    return cast(Function, moment_options(function))


def assembly_options(command: Function) -> Function:
    """Add the options of assemblies of any status; the command gets them as one `Selection`."""

    @wraps(command)
    def with_selection(*arguments: Any, moment: Any, assembly_ids: Any, **given: Any) -> Any:
        from lakebatch.snapshot.selection import selection

        named = {name: given.pop(name) for name in ("where", "preset", "config", "sweep")}
        return command(*arguments, selection=selection(moment, assembly=assembly_ids, **named), **given)

    return cast(Function, moment_options(_assembly_option(sweep_option(config_options(with_selection)))))


def _assembly_option(function: Any) -> Any:
    return click.option(
        "--assembly",
        "assembly_ids",
        multiple=True,
        metavar="ID",
        shell_complete=completion.assemblies,
        help="Read this assembly alone, by id or name; can be repeated.",
    )(function)


def format_option(function: Function) -> Function:
    """Add ``--format``."""
    return click.option(
        "--format",
        "form",
        type=Choice(FORMATS),
        default="table",
        show_default=True,
        help="Output format. csv, json and ndjson are lossless; NaN and Infinity are strings in JSON.",
    )(function)


def metric_option(text: str) -> Callable[[Function], Function]:
    """Add ``--metric``; the text is its help."""
    return click.option(
        "--metric",
        metavar="NAME",
        shell_complete=completion.metrics,
        help=f"{text}  [default: the first of the experiment]",
    )


def unit_option(text: str) -> Callable[[Function], Function]:
    """Add ``--unit``; the text is its help."""
    return click.option(
        "--unit",
        type=Choice(UNITS),
        default=UNITS[0],
        show_default=True,
        help=text,
    )


def damage_option(function: Function) -> Function:
    """Add ``--on-gap`` to a command that itself lists missing parts."""
    return _gap_option(function, "Only ignore leaves out assemblies with damaged files.")


def _gap_option(function: Function, text: str) -> Function:
    return click.option(
        "--on-gap",
        type=Choice(["warn", "refuse", "ignore"]),
        default="warn",
        show_default=True,
        help=text,
    )(function)


def gap_option(function: Function) -> Function:
    """Add ``--on-gap``."""
    return _gap_option(
        function,
        "What to do when an assembly, a planned part or the baseline is missing. Only ignore leaves out "
        "assemblies with damaged files.",
    )


def output_option(function: Function) -> Function:
    """Add ``-o``."""
    return click.option(
        "-o",
        "--output",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Write to FILE.parquet, FILE.csv or FILE.arrow.",
    )(function)


def preset_option(function: Function) -> Function:
    """Add ``--preset``."""
    return click.option(
        "--preset",
        default="guide",
        show_default=True,
        shell_complete=completion.presets,
        help="Config to start from: guide is the study, demo a small one for a first picture, smoke is for tests of your "
        "own code. NAME --help lists those of an experiment.",
    )(function)


def start_options(function: Function) -> Function:
    """Add ``--from``."""
    return click.option(
        "--from",
        "start_from",
        metavar="ASSEMBLY",
        shell_complete=completion.assemblies,
        help="Start from the config of this assembly, by id or name, instead of a preset; NAME@v1:ID is one of another "
        "experiment version.",
    )(function)


def label_options(function: Function) -> Function:
    """Add ``--name`` and ``--note``."""
    function = click.option(
        "--note", metavar="TEXT", help="Note about the assembly; more with: lakebatch note"
    )(function)
    return click.option(
        "--name",
        "assembly_name",
        metavar="WORD",
        help="Name for the assembly, which every command takes in place of its id, e.g. high-dose.",
    )(function)


def config_option(function: Function) -> Function:
    """Add ``--config``."""
    return click.option(
        "--config",
        "config_file",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Config in TOML, YAML or JSON; overrides the preset.",
    )(function)


def settings_option(function: Function) -> Function:
    """Add ``--set``."""
    return click.option(
        "--set",
        "settings",
        multiple=True,
        metavar="KEY=VALUE",
        shell_complete=completion.keys,
        help="Value of one key, e.g. cohort.n_samples=200; overrides the file; can be repeated.",
    )(function)


def fail_on_missing_option(function: Function) -> Function:
    """Add ``--fail-on-missing``."""
    return click.option(
        "--fail-on-missing", is_flag=True, help="Exit with code 3 if rows of the assembly have no metric."
    )(function)


def jobs_option(function: Function) -> Function:
    """Add ``--jobs``."""
    return click.option(
        "--jobs", type=int, metavar="N", help="Worker processes.  [default: one per processor]"
    )(function)
