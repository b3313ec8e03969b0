"""Command ``list``: experiments that can be run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from lakebatch.cli.context import inform, open_lake
from lakebatch.cli.options import (
    format_option,
)
from lakebatch.cli.output import show

if TYPE_CHECKING:
    from lakebatch.lake.experiment import StoredExperiment


@click.command("list", epilog="Example: lakebatch list")
@format_option
@click.pass_context
def list_(context: click.Context, form: str) -> None:
    """List the experiments that can be run, and their assemblies in the lake."""
    import polars as pl

    from lakebatch.experiment import registry

    lake = open_lake(context)
    stored = {each.name: each for each in lake.begun()}
    if absence := lake.absence():
        inform(absence)
    origins = {name: source.origin for name, source in registry.find().items()}
    names = sorted(origins.keys() | stored.keys())
    rows = [_listed(name, origins.get(name), stored.get(name)) for name in names]
    show(pl.DataFrame(rows, infer_schema_length=None), form)


def _listed(name: str, origin: str | None, stored: StoredExperiment | None) -> dict[str, Any]:
    """Return a row of the list; without counts if the tables are damaged."""
    from lakebatch.storage.delta.omissions import warn_and_skip

    row: dict[str, Any] = {"experiment": name, "origin": origin or "only in the lake", "folder": None}
    if stored is None:
        return row | {"assemblies": 0, "completed": 0}
    row |= {"folder": stored.folder, "assemblies": None, "completed": None}
    with warn_and_skip(name):
        assembly_states = stored.assemblies()["status"]
        row |= {"assemblies": assembly_states.len(), "completed": int((assembly_states == "completed").sum())}
    return row
