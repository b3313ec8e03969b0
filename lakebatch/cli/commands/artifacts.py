"""Command ``artifacts``: list and fetch models, images, texts and other large values."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lakebatch.cli import completion
from lakebatch.cli.context import inform, open_lake
from lakebatch.cli.options import damage_option, format_option, selection_options
from lakebatch.cli.output import show
from lakebatch.cli.stderr import sanitize

if TYPE_CHECKING:
    import polars as pl

    from lakebatch.snapshot.selection import Selection
    from lakebatch.snapshot.snapshot import Snapshot

HASH_CHARACTERS = 12
NONE = "There are no artifacts. How an experiment keeps some: lakebatch help experiments"


@click.command(epilog="Example: lakebatch artifacts response-noise 20261123_142230_run001 --part level=0")
@click.argument("name", shell_complete=completion.stored)
@click.argument("assembly", required=False, shell_complete=completion.assemblies)
@click.option(
    "--get",
    "wanted",
    metavar="FILE",
    shell_complete=completion.artifacts,
    help="Fetch the artifact of this name, and check its hash.",
)
@click.option("--all", "every", is_flag=True, help="Fetch all artifacts of ASSEMBLY into a folder.")
@click.option("--part", metavar="PART", help="List or fetch the artifacts of this part alone.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, allow_dash=True),
    metavar="PATH",
    help="With --get, write to this file; - is standard output.  [default: its name, here]  With --all, write to this "
    "folder.",
)
@selection_options
@damage_option
@format_option
@click.pass_context
def artifacts(
    context: click.Context,
    name: str,
    assembly: str | None,
    wanted: str | None,
    every: bool,
    part: str | None,
    output: Path | None,
    selection: Selection,
    on_gap: Any,
    form: str,
) -> None:
    """List the artifacts of experiment NAME, or of one ASSEMBLY, and fetch them with --get or --all."""
    _check_options(assembly, wanted, every, output)
    pinned = open_lake(context)[name].select(selection)
    if assembly is None or not (wanted or every):
        found = _of_part(pinned.artifacts(assembly, on_gap=on_gap), part)
        show(_for_people(found, assembly) if form == "table" else found, form, none=NONE)
        if found.is_empty() and form != "table":
            inform(NONE)
    elif wanted:
        _get(pinned, assembly, wanted, part, output)
    elif output is not None:
        _get_all(pinned, assembly, part, output)


def _check_options(assembly: str | None, wanted: str | None, every: bool, output: Path | None) -> None:
    if wanted is not None and every:
        raise click.UsageError("--get fetches one artifact, --all each of them. Give one of the two.")
    if (wanted is not None or every) and assembly is None:
        raise click.UsageError("Name the assembly whose artifacts to fetch, after the experiment.")
    if output is not None and wanted is None and not every:
        raise click.UsageError("-o needs --get FILE or --all.")
    if every and (output is None or str(output) == "-"):
        raise click.UsageError("--all needs -o FOLDER.")


def _of_part(found: pl.DataFrame, part: str | None) -> pl.DataFrame:
    return found if part is None else found.filter(part=part)


def _for_people(found: pl.DataFrame, assembly: str | None) -> pl.DataFrame:
    """Return the list with short hashes and sizes in units."""
    import polars as pl

    from lakebatch.cli.render import byte_size

    return found.drop("recorded_at", *(["assembly_id"] if assembly else [])).with_columns(
        pl.col("size").map_elements(byte_size, pl.String),
        pl.col("sha256").str.head(HASH_CHARACTERS),
    )


def _get(pinned: Snapshot, assembly: str, wanted: str, part: str | None, output: Path | None) -> None:
    from lakebatch.cli import write_artifact
    from lakebatch.cli.render import byte_size
    from lakebatch.snapshot import artifacts as stored

    found = stored.find(pinned, assembly, wanted, part)
    file = write_artifact.file_for(found, output)
    write_artifact.check_file(found, file)
    write_artifact.write(found, stored.read(pinned, found), file)
    what = f"{found.name} of {assembly}, part {found.part}: {byte_size(found.size)}, sha256 {found.sha256}"
    click.echo(sanitize(what if str(file) == "-" else f"{what}, in {file}"), err=True)


def _get_all(pinned: Snapshot, assembly: str, part: str | None, folder: Path) -> None:
    from lakebatch.cli import write_artifact
    from lakebatch.cli.render import byte_size
    from lakebatch.snapshot import artifacts as stored

    count, size = write_artifact.write_all(stored.read_all(pinned, assembly, part), folder)
    click.echo(sanitize(f"{count} artifacts of {assembly}, {byte_size(size)}, in {folder}"), err=True)
