"""The commands that look after a dataset: tag, discard, restore, completeness, replicates, diff, verify."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from lakebatch import metrics
from lakebatch.cli import completion as completing
from lakebatch.cli.options import (
    AS_OF,
    damage_option,
    format_option,
    jobs_option,
    open_lake,
    show,
    version_options,
)
from lakebatch.cli.terminal import say
from lakebatch.cli.usage import Choice

if TYPE_CHECKING:
    import polars as pl

    from lakebatch.analysis.diff import Difference

DIFFERS = 1


@click.command(epilog="Example: lakebatch tag response-noise paper-v1 --note 'as submitted'")
@click.argument("name", shell_complete=completing.stored)
@click.argument("tag", required=False, shell_complete=completing.tags)
@click.option("--note", metavar="TEXT", help="What the tag is for.")
@click.option("--version", type=int, metavar="N", help="Tag the state at a version instead of the newest.")
@click.option("--as-of", metavar="TIME", help=f"Tag an earlier state instead of the newest. {AS_OF}")
@format_option
@click.pass_context
def tag(
    context: click.Context,
    name: str,
    tag: str | None,
    note: str | None,
    version: int | None,
    as_of: str | None,
    form: str,
) -> None:
    """Name the newest state of experiment NAME for ever; without TAG, list the tags."""
    stored = open_lake(context)[name]
    if tag is None:
        show(stored.tags(), form)
        return
    done = stored.tag(tag, note=note, version=version, as_of=as_of)
    click.echo(
        f"{done.tag} is version {done.results_version} of {name}. Read it with: --tag {done.tag}", err=True
    )


@click.command(
    epilog="Example: lakebatch discard response-noise 20261123_142230_run001 --reason 'wrong dose'"
)
@click.argument("name", shell_complete=completing.stored)
@click.argument("assembly", shell_complete=completing.assemblies)
@click.option("--reason", required=True, metavar="TEXT", help="Why; it is recorded.")
@click.pass_context
def discard(context: click.Context, name: str, assembly: str, reason: str) -> None:
    """Take an ASSEMBLY out of the dataset; nothing is removed, and earlier versions still have it."""
    open_lake(context)[name].discard(assembly, reason)
    click.echo(f"{assembly} is discarded. Take it back with: lakebatch restore {name} {assembly}", err=True)


@click.command(
    epilog="Example: lakebatch restore response-noise 20261123_142230_run001 --reason 'dose was right'"
)
@click.argument("name", shell_complete=completing.stored)
@click.argument("assembly", shell_complete=completing.assemblies)
@click.option("--reason", required=True, metavar="TEXT", help="Why; it is recorded.")
@click.pass_context
def restore(context: click.Context, name: str, assembly: str, reason: str) -> None:
    """Take back an ASSEMBLY that was discarded."""
    restored = open_lake(context)[name].restore(assembly, reason)
    click.echo(f"{assembly} is {restored.state} again.", err=True)


@click.command(epilog="Example: lakebatch completeness response-noise")
@click.argument("name", shell_complete=completing.stored)
@click.option("--all", "everything", is_flag=True, help="Also the parts that are there.")
@version_options
@damage_option
@format_option
@click.pass_context
def completeness(
    context: click.Context,
    name: str,
    everything: bool,
    version: int | None,
    as_of: str | None,
    tag: str | None,
    on_gap: Any,
    form: str,
) -> None:
    """Show which planned parts of experiment NAME are missing, and why."""
    import polars as pl

    parts = open_lake(context)[name].completeness(version=version, as_of=as_of, tag=tag, on_gap=on_gap)
    missing = parts.filter(~pl.col("present"))
    show(parts if everything else missing, form)
    click.echo(f"{missing.height} of {parts.height} planned parts are missing.", err=True)


@click.command(epilog="Example: lakebatch replicates response-noise")
@click.argument("name", shell_complete=completing.stored)
@version_options
@damage_option
@format_option
@click.pass_context
def replicates(
    context: click.Context,
    name: str,
    version: int | None,
    as_of: str | None,
    tag: str | None,
    on_gap: Any,
    form: str,
) -> None:
    """Show which assemblies of experiment NAME share their config, and whether those of one seed agree."""
    found = open_lake(context)[name].replicates(version=version, as_of=as_of, tag=tag, on_gap=on_gap)
    show(found, form)
    if found.is_empty():
        click.echo("No two assemblies share a config.", err=True)


@click.command(epilog="Example: lakebatch diff response-noise paper-v1 now")
@click.argument("name", shell_complete=completing.stored)
@click.argument("before", shell_complete=completing.moments)
@click.argument("after", default="now", shell_complete=completing.moments)
@click.option(
    "--metric",
    type=Choice(metrics.NAMES),
    default=metrics.DEFAULT,
    show_default=True,
    help="Whose shifts are shown.",
)
@damage_option
@format_option
@click.pass_context
def diff(
    context: click.Context, name: str, before: str, after: str, metric: str, on_gap: Any, form: str
) -> None:
    """Show what changed in experiment NAME from BEFORE to AFTER: versions, times, tags or assemblies."""
    from lakebatch.cli.render import render

    found = open_lake(context)[name].diff(before, after, on_gap=on_gap)
    sections = _sections(found, metric)
    if form == "json":
        texts = {key: render(frame, "json") for key, frame in sections.items()}
        click.echo("{" + ", ".join(f'"{key}": {text}' for key, text in texts.items()) + "}")
        say(f"metrics: {found.caption}")
        return
    click.echo(f"From {found.before} to {found.after}", err=form != "table")
    if form == "table":  # to be looked at, where what did not change is in the way
        sections["metrics"] = sections["metrics"].remove(shift=0.0)
    for title, frame in sections.items():
        about = "nothing" if frame.is_empty() else found.caption if title == "metrics" else ""
        click.echo(f"\n{title}: {about}".rstrip(), err=form != "table")
        if not frame.is_empty():
            show(frame, form)


@click.command(epilog="Example: lakebatch verify response-noise 20261123_142230_run001")
@click.argument("name", shell_complete=completing.stored)
@click.argument("assembly", shell_complete=completing.assemblies)
@jobs_option
@format_option
@click.pass_context
def verify(context: click.Context, name: str, assembly: str, jobs: int | None, form: str) -> None:
    """Run an ASSEMBLY again from nothing but its record, and compare row by row; the verdict is recorded."""
    from lakebatch.cli.progress import terminal_progress
    from lakebatch.runner import verify as verification
    from lakebatch.snapshot import changes

    lake = open_lake(context)
    stored = lake[name]
    for change in changes.since(stored.name, stored.log.get(assembly)):
        say(f"Warning: {change}")
    verdict = verification.verify(lake, name, assembly, jobs=jobs, progress=terminal_progress())
    say(f"{assembly} {verdict}")
    if not verdict.reproduced:
        show(verdict.tables, form)
        sys.exit(DIFFERS)


COMMANDS = (tag, discard, restore, completeness, replicates, diff, verify)


def _sections(found: Difference, metric: str) -> dict[str, pl.DataFrame]:
    return {
        "assemblies": found.assemblies,
        "config": found.config,
        "code": found.code,
        "metrics": found.metrics.filter(metric=metric),
    }
