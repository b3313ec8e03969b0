"""Command ``tag``: names of states."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lakebatch.cli import completion
from lakebatch.cli.context import open_lake
from lakebatch.cli.options import AS_OF, format_option
from lakebatch.cli.output import show

if TYPE_CHECKING:
    import polars as pl


@click.command(epilog="Example: lakebatch tag response-noise paper-v1 --note 'as submitted'")
@click.argument("name", shell_complete=completion.stored)
@click.argument("tag", required=False, shell_complete=completion.tags)
@click.option("--note", metavar="TEXT", help="Purpose of the tag.")
@click.option("--version", type=int, metavar="N", help="Tag the state at this version instead of the newest.")
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
    """Give the newest state of experiment NAME a permanent name; without TAG, list the tags."""
    stored = open_lake(context)[name]
    if tag is None:
        none = f"There is no tag of {name}. Name its newest state with: lakebatch tag {name} TAG"
        tags = stored.tags()
        show(_for_people(tags) if form == "table" else tags, form, none=none)
        return
    done = stored.tag(tag, note=note, version=version, as_of=as_of)
    click.echo(
        f"{done.tag} is version {done.results_version} of {name}. Read it with: --tag {done.tag}", err=True
    )


def _for_people(tags: pl.DataFrame) -> pl.DataFrame:
    """Return the tags with the versions of the results, which every option takes, and of the published table."""
    shown = {"results_version": "version", "published_version": "published"}
    versions = [name for name in tags.columns if name.endswith("_version") and name not in shown]
    return tags.drop(*versions).rename(shown)
