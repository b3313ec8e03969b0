"""Command ``import-legacy``: import of older files."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from lakebatch.cli.context import inform, open_lake
from lakebatch.cli.exit_codes import FAILED_PARTS
from lakebatch.cli.options import format_option
from lakebatch.cli.output import show
from lakebatch.cli.stderr import print_stderr

if TYPE_CHECKING:
    from lakebatch.legacy.importer import Import


@click.command(
    "import-legacy",
    epilog="Example: lakebatch import-legacy response-noise results/03_v1_batch-response-noise",
)
@click.argument("name")
@click.argument("folder")
@click.option("--yes", is_flag=True, help="Import; without, only print the plan.")
@click.option(
    "--unlisted/--no-unlisted",
    default=True,
    show_default=True,
    help="Import files that assembly_list.csv does not list.",
)
@format_option
@click.pass_context
def import_legacy(
    context: click.Context, name: str, folder: str, yes: bool, unlisted: bool, form: str
) -> None:
    """Import assembly_list.csv and the files NAME_ID.pkl, .parquet or .csv of FOLDER into experiment NAME.

    FOLDER is a folder or s3://bucket/prefix. Without --yes, only the plan is printed, with the missing files of the
    folder. Each file is imported once, even if this command is repeated. No code in a pickle is run: only data frames
    are read, anything else is refused. For an experiment that cannot be run, give a folder name, e.g. 01_v1_trial.
    """
    from lakebatch.legacy import importer

    planned = importer.plan(open_lake(context), name, folder, unlisted=unlisted)
    show(planned.report(), form)
    if not yes:
        advice = " Do it with --yes." if planned.batches or planned.corrections else ""
        print_stderr(f"{_amount(planned, 'would be')}.{advice}")
        return
    done = importer.execute(planned, inform)
    inform(f"{_amount(done, 'are')}.")
    if done.left_behind:
        click.echo(f"{done.left_behind} could not be imported, see above.", err=True)
        sys.exit(FAILED_PARTS)


def _amount(found: Import, verb: str) -> str:
    place = found.stored.storage.join(found.stored.folder)
    corrected = ", ".join(assembly.assembly_id for assembly, _ in found.corrections)
    recorded = "to be recorded" if verb == "would be" else "recorded"
    ending = f"; {recorded} as failed: {corrected}" if corrected else ""
    if not found.batches:
        return f"Nothing in {found.source.uri} is new to {place}{ending}"
    files = "1 file" if found.files == 1 else f"{found.files} files"
    made = "1 assembly" if len(found.batches) == 1 else f"{len(found.batches)} assemblies"
    return f"{files} with {found.rows} rows {verb} imported into {place} as {made}{ending}"
