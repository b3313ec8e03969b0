"""The tables of an experiment, one after the other."""

from __future__ import annotations

from collections.abc import Iterator

from lakebatch.assembly.tables import DATA, ExperimentTables
from lakebatch.storage.delta.table import Table

TABLES = (*DATA, "assemblies", "sources", "tags")


def existing_tables(experiment: ExperimentTables) -> Iterator[tuple[str, Table]]:
    """Yield each table of an experiment that exists, with its name."""
    for name in TABLES:
        table = experiment.table(name)
        if table.exists():
            yield name, table
