"""The tables of an experiment, one after the other."""

from __future__ import annotations

from collections.abc import Iterator

from lakebatch.assembly.tables import FRAMES, PUBLISHED, ExperimentTables
from lakebatch.storage.delta.table import Table

RECORDS = ("assemblies", "sources", "sweeps", "tags", "logs")
"""The tables that no part writes."""


def existing_tables(experiment: ExperimentTables) -> Iterator[tuple[str, Table]]:
    """Yield each table of an experiment that exists, with its name."""
    for name in (*experiment.data_tables(), *RECORDS, PUBLISHED):
        table = experiment.table(name)
        if table.exists():
            yield name, table


def frame_tables(experiment: ExperimentTables) -> Iterator[tuple[str, Table]]:
    """Yield each table of saved frames of an experiment that exists, with its name below the experiment's folder."""
    files = experiment.storage.files(f"{experiment.folder}/{FRAMES}")
    for name in dict.fromkeys(file.path.partition("/")[0] for file in files):
        table = experiment.frames(name)
        if table.exists():
            yield f"{FRAMES}/{name}", table
