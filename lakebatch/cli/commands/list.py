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
    import polars as pl

    from lakebatch.lake.experiment import StoredExperiment


@click.command("list", epilog="Example: lakebatch list")
@format_option
@click.pass_context
def list_(context: click.Context, form: str) -> None:
    """List the experiments that can be run, and their assemblies in the lake."""
    import polars as pl

    from lakebatch.experiment import registry

    lake = open_lake(context)
    stored = lake.begun()
    if absence := lake.absence():
        inform(absence)
    origins = {name: source.origin for name, source in registry.find().items()}
    absent = origins.keys() - {each.name for each in stored}
    rows = [
        *(_listed(each.name, origins.get(each.name), each) for each in stored),
        *(_listed(name, origins[name], None) for name in absent),
    ]
    found = pl.DataFrame(rows, infer_schema_length=None).sort("experiment", maintain_order=True)
    show(_for_people(found) if form == "table" else found, form)


def _for_people(found: pl.DataFrame) -> pl.DataFrame:
    """Return the list with the versions in the names."""
    from lakebatch.cli.status_table import join_version

    return join_version(found)


def _listed(name: str, origin: str | None, stored: StoredExperiment | None) -> dict[str, Any]:
    """Return a row of the list; without counts if the tables are damaged."""
    from lakebatch.storage.delta.omissions import warn_and_skip

    row: dict[str, Any] = {
        "experiment": name,
        "experiment_version": stored.experiment_version if stored else None,
        "origin": origin or "only in the lake",
        "folder": stored.folder if stored else None,
    }
    if stored is None:
        return row | {"assemblies": 0, "completed": 0}
    row |= {"assemblies": None, "completed": None}
    with warn_and_skip(stored.reference):
        assembly_states = stored.assemblies()["status"]
        row |= {"assemblies": assembly_states.len(), "completed": int((assembly_states == "completed").sum())}
    return row
