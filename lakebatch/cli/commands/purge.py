"""Command ``purge``: removal of a discarded assembly's files for good."""

from __future__ import annotations

import shlex

import click

from lakebatch.cli import completion
from lakebatch.cli.context import inform, of_assembly, open_lake
from lakebatch.cli.dry_run import report_end, yes_option
from lakebatch.cli.options import format_option
from lakebatch.cli.output import show


@click.command(
    epilog="Example: lakebatch purge response-noise 20261123_142230_run001 --reason 'no space' --yes"
)
@click.argument("name", shell_complete=completion.stored)
@click.argument("assembly", required=False, shell_complete=completion.assemblies)
@click.option(
    "--reason",
    default="",
    metavar="TEXT",
    help="Reason; it is recorded. A purge that was stopped goes on without it.",
)
@yes_option
@format_option
@click.pass_context
def purge(context: click.Context, name: str, assembly: str | None, reason: str, yes: bool, form: str) -> None:
    """Remove the files of a discarded ASSEMBLY for good, from every table and every past state.

    NAME can be left out before an id.

    The events keep what it was: config, seed, counts, and fingerprints of the rows. Past states name it as a gap. An
    assembly that a tag needs is refused. Nothing brings the rows back but computing them again.
    """
    from lakebatch.cli.render import byte_size, with_sizes

    name, assembly = of_assembly(context, name, assembly)
    if assembly is None:
        raise click.UsageError("Missing argument 'ASSEMBLY'.", context)
    stored = open_lake(context)[name]
    removed = stored.purge(assembly, reason, dry_run=not yes)
    if removed.is_empty() and (purged := stored.log.get(assembly).purge):
        inform(f"{assembly} was {purged}.")
    if not removed.is_empty() or form != "table":
        show(with_sizes(removed) if form == "table" else removed, form)
    counts = {each: int(removed[each].sum()) for each in ("files", "rows", "bytes")}
    gain = (
        f"{counts['files']} files with {counts['rows']} rows, {byte_size(counts['bytes'])} freed"
        if counts["files"]
        else ""
    )
    command = f"{name} {assembly}"
    report_end(context, yes, gain, "purge", command, f"--reason {shlex.quote(reason)}" if reason else "")
