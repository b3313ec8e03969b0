"""Command ``status``: progress of assemblies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lakebatch.cli import completion
from lakebatch.cli.context import open_lake, program
from lakebatch.cli.options import assembly_options, format_option
from lakebatch.cli.output import echo, show
from lakebatch.cli.stderr import print_stderr

if TYPE_CHECKING:
    import polars as pl

    from lakebatch.lake.experiment import StoredExperiment
    from lakebatch.snapshot.moment import Moment
    from lakebatch.snapshot.selection import Selection

START = "Start with: lakebatch run response-noise"


@click.command(epilog="Example: lakebatch status response-noise")
@click.argument("name", required=False, shell_complete=completion.stored)
@click.argument("assembly", required=False, shell_complete=completion.assemblies)
@assembly_options
@format_option
@click.pass_context
def status(
    context: click.Context, name: str | None, assembly: str | None, selection: Selection, form: str
) -> None:
    """Show the assemblies of experiment NAME, of the whole lake, or a page about one ASSEMBLY.

    NAME is the newest experiment version, NAME@v1 another, as in every command. At a past moment an assembly that had
    begun and not ended is "started".

    The table shows progress, time since the last commit (age), and time left of a running assembly (eta). The page
    has parts, durations, config, environment and failures, and the commands that make sense next; the other formats
    have all recorded fields.
    """
    from lakebatch.cli.status_table import (
        EVERY_ASSEMBLY,
        assembly_states,
        state_table,
        sweep_states,
        with_sweeps,
    )

    lake = open_lake(context)
    stored = [lake[name]] if name else lake.experiments()
    if not stored:
        if lake.absence() is None:
            print_stderr(f"Nothing has been run in {lake.storage.uri} yet. {START}")
        return
    if assembly and form == "table" and not selection.narrows:
        _show_page(stored[0], assembly, selection.moment, program(context))
        return
    if assembly:
        show(_details(stored[0], selection, assembly), form)
        return
    found = assembly_states(lake, name, selection)
    if form != "table":
        show(found, form)
        return
    sweeps = sweep_states(lake, name) if selection == EVERY_ASSEMBLY else None
    echo(state_table(found) if sweeps is None else with_sweeps(state_table(found), sweeps))


def _show_page(stored: StoredExperiment, assembly: str, moment: Moment, program: str) -> None:
    from lakebatch.cli.assembly_view import view
    from lakebatch.snapshot.assembly_page import assembly_page

    echo(view(assembly_page(stored, assembly, moment), program))


def _details(stored: StoredExperiment, selection: Selection, assembly: str) -> pl.DataFrame:
    """Return the recorded fields of one assembly, one row per field."""
    import polars as pl

    from lakebatch.snapshot.summary import summarize

    pinned = stored.select(selection)
    assembly_id = pinned.assembly(assembly).assembly_id
    row = summarize(pinned).filter(pl.col("assembly_id") == assembly_id).row(0, named=True)
    return pl.DataFrame(
        {"field": list(row), "value": [None if value is None else str(value) for value in row.values()]}
    )
