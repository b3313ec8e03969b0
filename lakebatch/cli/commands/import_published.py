"""Command ``import-published``: a publication back into a lake."""

from __future__ import annotations

from pathlib import Path

import click

from lakebatch.cli.context import inform, open_lake


@click.command("import-published", epilog="Example: lakebatch import-published paper-v1.zip")
@click.argument("publication", type=click.Path(path_type=Path), metavar="FOLDER|FILE.zip")
@click.option("--dry-run", is_flag=True, help="Only check the publication and say what would be imported.")
@click.pass_context
def import_published(context: click.Context, publication: Path, dry_run: bool) -> None:
    """Import what lakebatch publish wrote: rows, events, sources and the tag, each once."""
    from lakebatch.publication import importing

    done = importing.import_published(open_lake(context), publication, dry_run=dry_run)
    verb = "would be" if dry_run else "are"
    inform(f"{done.rows} rows of {len(done.assemblies)} assemblies {verb} imported into {done.experiment}.")
    if done.skipped:
        inform(
            f"The lake has {len(done.skipped)} assemblies already, with the same rows: {', '.join(done.skipped)}."
        )
    if done.tag:
        inform(f"The tag is {done.tag}.")
    elif not dry_run:
        inform(
            "No tag is set: the lake has further completed assemblies of the experiment, which it would include."
        )
