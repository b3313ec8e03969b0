"""Command ``import-published``: a publication back into a lake."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from lakebatch.cli.context import inform, open_lake
from lakebatch.ids import ExperimentName


@click.command("import-published", epilog="Example: lakebatch import-published paper-v1.zip")
@click.argument("publication", type=click.Path(path_type=Path), metavar="FOLDER|FILE.zip")
@click.option("--dry-run", is_flag=True, help="Only check the publication and say what would be imported.")
@click.pass_context
def import_published(context: click.Context, publication: Path, dry_run: bool) -> None:
    """Import what lakebatch publish wrote: rows, events, sources and the tag, each once."""
    from lakebatch.publication import importing

    done = importing.import_published(open_lake(context), publication, dry_run=dry_run)
    verb = "would be" if dry_run else "are"
    inform(f"{done.rows} rows of {_count(done.assemblies)} {verb} imported into {done.experiment}.")
    if done.skipped:
        inform(f"The lake has {_count(done.skipped)} already, with the same rows: {', '.join(done.skipped)}.")
    if done.not_published:
        inform(f"Not published, and hence not imported: {', '.join(done.not_published)}.")
    if done.tag:
        inform(f"The tag is {done.tag}.")
    elif not dry_run:
        name = ExperimentName.parse(done.experiment).name
        chosen = " ".join(f"--assembly {each}" for each in (*done.skipped, *done.assemblies))
        inform(
            "No tag is set, since it would include the further completed assemblies that the lake has of the "
            f"experiment. Read exactly these with: lakebatch reassemble {name} {chosen}"
        )


def _count(ids: Sequence[str]) -> str:
    return f"{len(ids)} assembly" if len(ids) == 1 else f"{len(ids)} assemblies"
