"""The commands that keep a lake quick and small: optimize, vacuum, du."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lakebatch.cli import completion as completing
from lakebatch.cli.context import open_lake, program
from lakebatch.cli.options import format_option
from lakebatch.cli.output import show
from lakebatch.cli.terminal import say
from lakebatch.cli.usage import Choice

if TYPE_CHECKING:
    from lakebatch.lake.experiment import StoredExperiment

yes_option = click.option("--yes", is_flag=True, help="Do it; without, only say what would be done.")


@click.command(epilog="Example: lakebatch optimize response-noise --yes")
@click.argument("name", required=False, shell_complete=completing.stored)
@yes_option
@format_option
@click.pass_context
def optimize(context: click.Context, name: str | None, yes: bool, form: str) -> None:
    """Merge small files, so that reading is quicker; no row and no past state changes."""
    from lakebatch.maintenance import optimize as upkeep

    done = upkeep.optimize(_experiments(context, name), dry_run=not yes)
    show(done, form)
    saved = int((done["files"] - done["files_after"]).sum())
    _conclude(context, yes, f"{saved} files fewer" if saved else "", "optimize", name)


@click.command(epilog="Example: lakebatch vacuum response-noise --keep-days 30 --yes")
@click.argument("name", required=False, shell_complete=completing.stored)
@click.option(
    "--keep-days",
    type=int,
    default=7,
    show_default=True,
    metavar="N",
    help="Leave files that were needed within so many days: whoever reads a state can go on so long.",
)
@yes_option
@format_option
@click.pass_context
def vacuum(context: click.Context, name: str | None, keep_days: int, yes: bool, form: str) -> None:
    """Remove files that nothing needs: merged ones, and what crashes left; never what a tag needs.

    Every past state stays readable here. Other programs can still read the newest version and the tagged ones.
    Files younger than a day that no commit names are always left: somebody may be about to commit them.
    """
    from lakebatch.maintenance import optimize as upkeep

    done = upkeep.vacuum(_experiments(context, name), keep_days=keep_days, dry_run=not yes)
    show(done, form)
    files = done["files"].sum()
    gain = f"{files} files, {_size(int(done['bytes'].sum()))} freed" if files else ""
    _conclude(context, yes, gain, "vacuum", name, "" if keep_days == 7 else f"--keep-days {keep_days}")


@click.command(epilog="Example: lakebatch du --by table")
@click.argument("name", required=False, shell_complete=completing.stored)
@click.option(
    "--by",
    type=Choice(["experiment", "table", "assembly"]),
    default="table",
    show_default=True,
    help="What sizes are summed by.",
)
@format_option
@click.pass_context
def du(context: click.Context, name: str | None, by: str, form: str) -> None:
    """Show what takes space, by experiment, table or assembly."""
    import polars as pl

    from lakebatch.maintenance import optimize as upkeep

    found = upkeep.usage(_experiments(context, name))
    keys = {"experiment": ["experiment"], "table": ["experiment", "table"]}.get(by)
    sums = pl.col("files", "rows", "bytes").sum()
    table = found if keys is None else found.group_by(keys, maintain_order=True).agg(sums)
    show(table, form)
    click.echo(f"{_size(int(found['bytes'].sum()))} in {found['files'].sum()} files", err=True)
    if "assembly_id" in table.columns and table["assembly_id"].null_count():
        click.echo(
            "Rows without an assembly: logs, files that only past states need, and tables of no single assembly.",
            err=True,
        )


COMMANDS = (optimize, vacuum, du)


def _experiments(context: click.Context, name: str | None) -> list[StoredExperiment]:
    lake = open_lake(context)
    return [lake[name]] if name else lake.experiments()


def _conclude(
    context: click.Context, done: bool, gain: str, verb: str, name: str | None, options: str = ""
) -> None:
    if not gain:
        click.echo(f"There is nothing to {verb}.", err=True)
    elif done:
        click.echo(f"{gain}.", err=True)
    else:
        command = " ".join(filter(None, [program(context), verb, name, options, "--yes"]))
        say(f"Nothing was done. It would be {gain}; do it with: {command}")


def _size(count: float) -> str:
    """Return a number of bytes for a person to read.

    >>> _size(1234567)
    '1.2 MB'
    """
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
