"""The record of a publication: what an import needs, and files for people do not hold exactly."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl

from lakebatch._version import __version__
from lakebatch.assembly import labels
from lakebatch.assembly.record import SHARDS
from lakebatch.assembly.sweeps import Sweep
from lakebatch.assembly.tags import Tag
from lakebatch.assembly.workers import IDENTITY
from lakebatch.experiment.provenance import SOURCE_HASH
from lakebatch.ids import canonical_json
from lakebatch.publication.data_files import has_rows
from lakebatch.snapshot.snapshot import Snapshot
from lakebatch.storage.delta.commit_metadata import fingerprint

FORMAT = 1
"""The version of the format of the record."""
FOLDER = "record"
OVERVIEW, EVENTS, SOURCES, PARTS = (
    f"{FOLDER}/{name}" for name in ("publication.json", "events.parquet", "sources.json", "parts.parquet")
)
PART_COLUMNS = {"part": pl.String(), "rows": pl.Int64(), "fingerprint": pl.String()}
"""The columns of `parts_of`."""
HOST = "elsewhere"
"""Stands for the machines, which a publication does not name."""
OWN_PROPERTIES = "lakebatch."


def write(
    snapshot: Snapshot, tag: Tag, title: str, tables: Sequence[str], left_out: Sequence[str], folder: Path
) -> None:
    """Write the folder ``record`` of a publication; its bytes depend on the state of the tag alone.

    An assembly of which damage left out a row is not in it, since nobody could verify it.
    """
    (folder / FOLDER).mkdir(exist_ok=True)
    tables = [each for each in tables if not _is_partial(snapshot, each)]
    ids = _whole(snapshot, tables, folder)
    events = snapshot.events.filter(pl.col("assembly_id").is_in(ids)).sort("run_number", "event")
    events.write_parquet(folder / EVENTS)
    pl.concat(_parts(tables, ids, folder)).write_parquet(folder / PARTS)
    overview = {
        "format": FORMAT,
        "lakebatch": __version__,
        "experiment": snapshot.folder,
        "title": title,
        "tag": tag.tag,
        "note": tag.note,
        "assemblies": ids,
        "tables": {name: _described(snapshot, name) for name in tables},
        "left_out": list(left_out),
        "sweeps": [_sweep(each) for each in snapshot.sweeps],
        "not_published": sorted(
            each for each in snapshot.tables.names if each not in tables and has_rows(snapshot, each)
        ),
    }
    _write_json(folder / OVERVIEW, overview)
    _write_json(folder / SOURCES, _sources(snapshot, events))


def published_rows(folder: Path, table: str, assembly_id: str) -> pl.DataFrame:
    """Return the rows of an assembly in a table of a publication."""
    return pl.scan_parquet(folder / f"data/{table}.parquet").filter(assembly_id=assembly_id).collect()


def _whole(snapshot: Snapshot, tables: Sequence[str], folder: Path) -> list[str]:
    """Return the assemblies of which the publication has every row in each of some tables."""
    whole = list(snapshot.ids())
    for table in tables:
        rows = pl.scan_parquet(folder / f"data/{table}.parquet").group_by("assembly_id").len().collect()
        published, recorded = dict(rows.iter_rows()), snapshot.rows_by_assembly(table)
        whole = [each for each in whole if published.get(each, 0) == recorded.get(each, 0)]
    return whole


def _parts(tables: Sequence[str], ids: Sequence[str], folder: Path) -> Iterator[pl.DataFrame]:
    """Yield the number and the fingerprint of the rows of each part, by table and assembly."""
    yield pl.DataFrame(schema={"table": pl.String(), "assembly_id": pl.String(), **PART_COLUMNS})
    for table in tables:
        for each in ids:
            yield parts_of(published_rows(folder, table, each)).select(
                pl.lit(table).alias("table"), pl.lit(each).alias("assembly_id"), *PART_COLUMNS
            )


def parts_of(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the number and the fingerprint of the rows of each part of an assembly's rows in a table."""
    parts = [
        (part, frame.height, fingerprint([frame]))
        for (part,), frame in rows.group_by("part", maintain_order=True)
    ]
    return pl.DataFrame(parts, schema=PART_COLUMNS, orient="row").sort("part")


def _is_partial(snapshot: Snapshot, name: str) -> bool:
    """Whether a publication lists a table without its large values, as that of artifacts."""
    return any(each.large for each in snapshot.schema(name).columns)


def _write_json(file: Path, content: Any) -> None:
    file.write_text(
        json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8"
    )


def _sweep(sweep: Sweep) -> dict[str, Any]:
    """Return the plan of a sweep, without its user."""
    at = None if sweep.at is None else sweep.at.isoformat()
    return {"sweep": sweep.name, "event": sweep.event, "at": at, "plan": sweep.plan()}


def _described(snapshot: Snapshot, name: str) -> dict[str, Any]:
    """Return what an experiment declared of a table."""
    state = snapshot.tables.existing(name)
    own = {key: value for key, value in state.properties.items() if key.startswith(OWN_PROPERTIES)}
    columns = [asdict(each) for each in state.described_columns.values() if each.own]
    return {"description": state.description, "columns": columns, "properties": own}


def without_people(events: pl.DataFrame) -> pl.DataFrame:
    """Return events without the names of users and machines, and without the processes on them."""
    environments = [_impersonal(json.loads(each)) for each in events["environment"]]
    return events.with_columns(
        pl.Series("environment", environments, dtype=pl.String),
        pl.lit(HOST).alias("host"),
        pl.lit(None, dtype=events.schema["pid"]).alias("pid"),
    )


def _impersonal(environment: Mapping[str, Any]) -> str:
    aside = {labels.USER, SHARDS, *IDENTITY}
    return canonical_json({name: value for name, value in environment.items() if name not in aside})


def _sources(snapshot: Snapshot, events: pl.DataFrame) -> dict[str, Any]:
    """Return the recorded source files of each state of the code, in the order in which they are hashed."""
    hashes = {json.loads(each).get(SOURCE_HASH) for each in events["environment"]} - {None}
    found = {each: snapshot.source_files(each) for each in sorted(hashes)}
    return {
        each: [{"file": file, "sha256": kept.sha256, "text": kept.text} for file, kept in files.items()]
        for each, files in found.items()
        if files is not None
    }
