"""One row per assembly of a publication: times, seed, code, environment and config."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import polars as pl

from lakebatch.assembly.record import Assembly
from lakebatch.assembly.record_json import read_tree, where
from lakebatch.publication.environments import environment_name
from lakebatch.publication.material import ASSEMBLIES, Material, source_hash
from lakebatch.snapshot import config_columns, plain_words
from lakebatch.snapshot.dictionary import ColumnEntry, TableEntry
from lakebatch.snapshot.values import flatten

PREFIX = "config."
MEANINGS = {
    "assembly_id": "The assembly: one run of the experiment, by the time of its start in UTC.",
    "run_number": "Running number of the assembly in its experiment.",
    "name": "The name that the assembly was given.",
    "started_at": "When it was started, UTC.",
    "completed_at": "When its last row had been recorded, UTC.",
    "seed": "Seed of all its random numbers.",
    "parts": "Number of parts that were computed and committed one by one.",
    "rows": "Number of its rows in results.",
    "lakebatch": "Version of lakebatch that computed it.",
    "commit": "Commit of the repository of the experiment's file, with .dirty if it had changes.",
    "code": "SHA-256 of the experiment's source files; its first 12 digits name the folder below code/ that holds them.",
    "environment": "The folder below environment/ with the versions of Python and of packages.",
    "config_hash": "Hash of the config: assemblies with the same one are replicates.",
    "note": "What people noted about it.",
}
TYPES = {pl.Int64(): "long", pl.Float64(): "double", pl.Boolean(): "boolean", pl.String(): "string"}
SQL = {
    "long": "BIGINT",
    "double": "DOUBLE",
    "boolean": "BOOLEAN",
    "string": "VARCHAR",
    "timestamp": "TIMESTAMPTZ",
}


def frame(material: Material) -> pl.DataFrame:
    """Return one row per assembly, with a column for each key of the configs."""
    schema: dict[str, pl.DataType] = {name: pl.String() for name in MEANINGS}
    schema |= dict.fromkeys(("run_number", "seed", "parts", "rows"), pl.Int64())
    schema |= dict.fromkeys(("started_at", "completed_at"), pl.Datetime("us", "UTC"))
    known = pl.DataFrame([_row(material, each) for each in material.assemblies], schema=schema, orient="row")
    configs = [
        {f"{PREFIX}{key}": value for key, value in settings_of(each).items()} for each in material.assemblies
    ]
    return flatten(known.with_columns(config_columns.columns(configs, known.columns)))


def settings_of(assembly: Assembly) -> dict[str, Any]:
    """Return the config of an assembly by dotted key."""
    return config_columns.settings(
        read_tree(assembly.config, where("config", assembly.assembly_id, assembly.event))
    )


def entry(frame: pl.DataFrame) -> TableEntry:
    """Return the entry of the assemblies in the data dictionary."""
    description = "The assemblies of the dataset: one row per run, with its config, one column per key."
    return TableEntry(ASSEMBLIES, description, tuple(_columns(frame)), written=True, rows=frame.height)


def _columns(frame: pl.DataFrame) -> Iterator[ColumnEntry]:
    for name, dtype in frame.schema.items():
        kind = "timestamp" if isinstance(dtype, pl.Datetime) else TYPES[dtype]
        key = name.removeprefix(PREFIX)
        meaning = MEANINGS.get(name) or f"Config key {key}; lists and tables are JSON."
        unit = "1" if kind in ("long", "double") and name in MEANINGS and name != "seed" else None
        yield ColumnEntry(
            name, plain_words.of_type(kind), kind, SQL[kind], unit, name != "assembly_id", meaning
        )


def _row(material: Material, each: Assembly) -> tuple[Any, ...]:
    return (
        each.assembly_id,
        each.run_number,
        each.name,
        material.started.get(each.assembly_id),
        material.completed.get(each.assembly_id),
        each.seed,
        each.parts_planned,
        each.rows,
        each.lakebatch_version,
        each.commit,
        source_hash(each) or None,
        environment_name(each),
        each.config_hash,
        _notes(material, each.assembly_id),
    )


def _notes(material: Material, assembly_id: str) -> str | None:
    events = material.snapshot.events.filter(pl.col("assembly_id") == assembly_id).sort("event")
    return "; ".join(events["note"].drop_nulls().to_list()) or None
