"""Command ``publish``: a tag as a folder for others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from lakebatch.cli import completion
from lakebatch.cli.context import inform, open_lake
from lakebatch.cli.options import gap_option
from lakebatch.cli.stderr import sanitize


@click.command(epilog="Example: lakebatch publish response-noise --tag paper-v1 -o paper-v1.zip --draft")
@click.argument("name", shell_complete=completion.stored)
@click.option("--tag", required=True, metavar="TAG", shell_complete=completion.tags, help="Tag to publish.")
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), metavar="FOLDER|FILE.zip",
    help="A new folder, an older publication, which is replaced, or a zip file.",
)  # fmt: skip
@click.option(
    "--with", "tables", metavar="TABLES", help="Large tables to include: samples,trajectories,artifacts."
)
@click.option(
    "--title", metavar="TEXT", help="Title.  [default: from lakebatch.toml, else the experiment's name]"
)
@click.option(
    "--description",
    metavar="TEXT",
    help="Description.  [default: from lakebatch.toml, else the experiment's words]",
)
@click.option(
    "--author", "authors", multiple=True, metavar="AUTHOR",
    help="'Doe, Jane; ORCID; affiliation'; may be repeated.  [default: from lakebatch.toml]",
)  # fmt: skip
@click.option("--license", metavar="SPDX", help="Licence, such as CC-BY-4.0.  [default: from lakebatch.toml]")
@click.option("--keyword", "keywords", multiple=True, metavar="TEXT", help="Keyword; may be repeated.")
@click.option("--doi", metavar="DOI", help="DOI that was reserved for the publication.")
@click.option("--draft", is_flag=True, help="Mark it as a draft, which may lack authors and licence.")
@gap_option
@click.pass_context
def publish(
    context: click.Context,
    /,
    name: str,
    tag: str,
    output: Path,
    tables: str | None,
    on_gap: Any,
    **said: Any,
) -> None:
    """Write the rows of experiment NAME at a tag for others: data, metadata, code, report and checksums."""
    from lakebatch.publication import publish as publishing

    wanted = [each.strip() for each in (tables or "").split(",") if each.strip()]
    stored = open_lake(context)[name]
    done = publishing.publish(
        stored,
        tag,
        output,
        tables=wanted,
        on_gap=on_gap,
        given=said,
        progress=lambda step: inform(f"{step} ..."),
    )
    if done.not_drawn:
        inform(f"Warning: these pictures cannot be drawn, README.md says why: {', '.join(done.not_drawn)}.")
    draft = ", a draft" if done.draft else ""
    assemblies = "assembly" if done.assemblies == 1 else "assemblies"
    inform(f"{done.rows} rows of {done.assemblies} {assemblies} in {done.files} files{draft}")
    click.echo(sanitize(str(done.path)))
