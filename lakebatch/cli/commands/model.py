"""Command ``model``: the model of one sample as SBML."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lakebatch.cli import completion
from lakebatch.cli.context import open_lake
from lakebatch.cli.options import moment_options
from lakebatch.cli.stderr import sanitize

if TYPE_CHECKING:
    from lakebatch.snapshot.moment import Moment


@click.command(
    epilog="Example: lakebatch model response-noise 20261123_142230_run001 --sample 3 -o patient.xml"
)
@click.argument("name", shell_complete=completion.stored)
@click.argument("assembly", shell_complete=completion.assemblies)
@click.option(
    "--sample", type=int, required=True, metavar="N", help="Number of the sample in its cohort, from 0."
)
@click.option(
    "--level",
    type=float,
    metavar="L",
    help="Write the values of this level, e.g. distorted parameters; by default those of the clean sample.",
)
@moment_options
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, allow_dash=True),
    required=True,
    metavar="FILE",
    help="Write to FILE.xml or FILE.sbml; - is standard output.",
)
@click.pass_context
def model(
    context: click.Context,
    name: str,
    assembly: str,
    sample: int,
    level: float | None,
    moment: Moment,
    output: Path,
) -> None:
    """Write the model of one sample of an ASSEMBLY as SBML, to repeat its trajectory in COPASI or tellurium."""
    from lakebatch.cli import write_xml
    from lakebatch.snapshot import sample_model

    write_xml.check_file(output)
    pinned = open_lake(context)[name].at(moment)
    write_xml.write(sample_model.load(pinned, assembly, sample=sample, level=level), output)
    at = "the clean sample" if level is None else f"at level {level:g}"
    about = f"{pinned.qualified_name}, {pinned.state_read}: {assembly}, sample {sample}, {at}"
    click.echo(sanitize(f"{about}, in {output}" if str(output) != "-" else about), err=True)
