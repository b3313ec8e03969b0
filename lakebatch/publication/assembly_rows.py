"""One row per assembly of a publication: times, seed, code, environment and config."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import polars as pl

from lakebatch.assembly.metrics import Roles
from lakebatch.assembly.record import Assembly
from lakebatch.assembly.record_json import read_tree, where
from lakebatch.columns import Column
from lakebatch.publication.environments import environment_name
from lakebatch.publication.material import ASSEMBLIES, Material, source_hash
from lakebatch.snapshot import config_columns
from lakebatch.snapshot.dictionary import TableEntry, table_entry
from lakebatch.snapshot.published_layout import Key, free
from lakebatch.storage.delta.schema import TableSchema

FIXED = (
    Column(
        "assembly_id", "string", "The assembly: one run of the experiment, by the time of its start in UTC.", False
    ),
    Column("run_number", "long", "Running number of the assembly in its experiment.", unit="1"),
    Column("name", "string", "The name that the assembly was given."),
    Column("started_at", "timestamp", "When it was started, UTC."),
    Column("completed_at", "timestamp", "When its last row had been recorded, UTC."),
    Column("seed", "long", "Seed of all its random numbers."),
    Column("parts", "long", "Number of parts that were computed and committed one by one.", unit="1"),
    Column("rows", "long", "Number of its rows in results.", unit="1"),
    Column("lakebatch", "string", "Version of lakebatch that computed it."),
    Column("commit", "string", "Commit of the repository of the experiment's file, with .dirty if it had changes."),
    Column(
        "code", "string",
        "SHA-256 of the experiment's source files; its first 12 digits name the folder below code/ that holds them.",
    ),
    Column("environment", "string", "The folder below environment/ with the versions of Python and of packages."),
    Column("config_hash", "string", "Hash of the config: assemblies with the same one are replicates."),
    Column("note", "string", "What people noted about it."),
)  # fmt: skip
OF_SWEEPS = (
    Column("sweep", "string", "The sweep that it belongs to."),
    Column("point", "long", "Number of its point in the sweep, from 1.", unit="1"),
    Column("replicate", "long", "Number of the replicate of the point, from 1.", unit="1"),
)
DESCRIPTION = "The assemblies of the dataset: one row per run, with its config, one column per key."


def frame(material: Material) -> pl.DataFrame:
    """Return one row per assembly, with a column for each key of the configs."""
    schema = _schema(material)
    keys = _keys(material)
    rows = []
    for each in material.assemblies:
        config = settings_of(each)
        place = _place(each) if material.snapshot.sweeps else ()
        rows.append((*_row(material, each), *place, *(key.whole(config.get(key.key)) for key in keys)))
    return pl.DataFrame(rows, schema=schema.polars, orient="row")


def entry(material: Material) -> TableEntry:
    """Return the entry of the assemblies in the data dictionary."""
    return table_entry(_schema(material), Roles(), written=True, rows=len(material.assemblies))


def _schema(material: Material) -> TableSchema:
    keys = (each.described(material.meanings) for each in _keys(material))
    return TableSchema(ASSEMBLIES, 1, DESCRIPTION, (), (*_known(material), *keys), {})


def _known(material: Material) -> tuple[Column, ...]:
    """Return the columns besides those of config keys."""
    return (*FIXED, *OF_SWEEPS) if material.snapshot.sweeps else FIXED


def _keys(material: Material) -> list[Key]:
    """Return the keys of the configs, with the columns that the table ``published`` has for them."""
    present = {key for each in material.assemblies for key in settings_of(each)}
    taken = {each.name for each in _known(material)}
    return [
        replace(each, column=free(each.column, taken)) for each in material.layout.keys if each.key in present
    ]


def settings_of(assembly: Assembly) -> dict[str, Any]:
    """Return the config of an assembly by dotted key."""
    return config_columns.settings(
        read_tree(assembly.config, where("config", assembly.assembly_id, assembly.event))
    )


def _row(material: Material, each: Assembly) -> tuple[Any, ...]:
    """Return the values of `FIXED`."""
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


def _place(each: Assembly) -> tuple[Any, ...]:
    """Return the values of `OF_SWEEPS`."""
    place = each.sweep or {}
    return tuple(place.get(key) for key in ("id", "point", "replicate"))


def _notes(material: Material, assembly_id: str) -> str | None:
    events = material.snapshot.events.filter(pl.col("assembly_id") == assembly_id).sort("event")
    return "; ".join(events["note"].drop_nulls().to_list()) or None
