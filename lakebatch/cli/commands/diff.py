"""Command ``diff``: changes between two states."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from lakebatch.cli import completion
from lakebatch.cli.context import open_lake
from lakebatch.cli.options import (
    config_options,
    damage_option,
    format_option,
    metric_option,
)
from lakebatch.cli.output import show, wrap
from lakebatch.cli.stderr import print_stderr, sanitize

if TYPE_CHECKING:
    import polars as pl

    from lakebatch.analysis.diff import Difference


@click.command(epilog="Example: lakebatch diff response-noise paper-v1 now")
@click.argument("name", shell_complete=completion.stored)
@click.argument("before", shell_complete=completion.moments)
@click.argument("after", default="now", shell_complete=completion.moments)
@config_options
@metric_option("Metric to compare.")
@damage_option
@format_option
@click.pass_context
def diff(
    context: click.Context,
    /,
    name: str,
    before: str,
    after: str,
    metric: str | None,
    on_gap: Any,
    form: str,
    **configs: Any,
) -> None:
    """Show the changes in experiment NAME from BEFORE to AFTER.

    Each is a version, a time, a tag, an assembly, or an experiment version such as v1.
    """
    from lakebatch.cli.render import render

    found = open_lake(context)[name].diff(before, after, on_gap=on_gap, **configs)
    metric = found.roles.metric(metric).name
    sections = _sections(found, metric)
    if form == "json":
        texts = {key: render(frame, "json") for key, frame in sections.items()}
        texts["source"] = json.dumps(found.source)
        click.echo("{" + ", ".join(f'"{key}": {text}' for key, text in texts.items()) + "}")
        print_stderr(f"metrics: {_verdict(found, metric)}")
        return
    click.echo(f"From {found.before} to {found.after}", err=form != "table")
    about = {key: "nothing" for key, frame in sections.items() if frame.is_empty()}
    about["metrics"] = _verdict(found, metric)
    if form == "table":  # people want the changes alone
        sections["metrics"] = _told(sections["metrics"].remove(shift=0.0))
    for title, frame in sections.items():
        heading = wrap(f"{title}: {about.get(title, '')}".rstrip())
        click.echo(f"\n{heading}", err=form != "table")
        if not frame.is_empty():
            show(frame, form)
        if title == "code" and found.source:
            click.echo(f"\nsource:\n{sanitize(found.source.expandtabs())}", err=form != "table")


def _sections(found: Difference, metric: str) -> dict[str, pl.DataFrame]:
    return {
        "assemblies": found.assemblies,
        "config": found.config,
        "code": found.code,
        "metrics": found.metrics.filter(metric=metric),
    }


def _verdict(found: Difference, metric: str) -> str:
    """Return the verdict on a metric and, where shifts are tested, the test."""
    return f"{found.verdict(metric)}\n({found.test})" if found.test else found.verdict(metric)


def _told(shifts: pl.DataFrame) -> pl.DataFrame:
    """Return shifts without the metric, which the verdict names, and without columns of a test that was not made."""
    empty = [name for name in ("t", "p_holm") if shifts[name].null_count() == shifts.height]
    return shifts.drop("metric", *empty)
