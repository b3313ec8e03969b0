"""The import of a publication into a lake: the same rows, events, sources and tag, each exactly once."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from lakebatch._folders import CHECKSUMS, sha256
from lakebatch.assembly import labels
from lakebatch.assembly.metrics import METRIC_NAMES
from lakebatch.assembly.part_writer import PartWriter
from lakebatch.assembly.record import Assembly, from_rows
from lakebatch.assembly.tables import RESULTS, own_schema
from lakebatch.columns import STAMPED, Column
from lakebatch.errors import AssemblyError, StorageError
from lakebatch.experiment.provenance import SourceFile, SourceState
from lakebatch.lake.experiment import StoredExperiment
from lakebatch.lake.lake import Lake
from lakebatch.maintenance import published
from lakebatch.publication import reading
from lakebatch.publication.record import EVENTS, FORMAT, OVERVIEW, SOURCES
from lakebatch.storage.delta.engine import ATTEMPT
from lakebatch.storage.delta.schema import TableSchema, load_schema, table_names


@dataclass(frozen=True)
class Imported:
    """A publication that was imported, or would be.

    Attributes
    ----------
    experiment : str
        The experiment's folder in the lake.
    assemblies, skipped : tuple of str
        The ids of the imported assemblies, and of those that the lake has already with the same rows.
    tag : str or None
        The tag of the imported state; None if the lake has further completed assemblies of the experiment.
    """

    experiment: str
    assemblies: tuple[str, ...]
    skipped: tuple[str, ...]
    rows: int
    tag: str | None


@dataclass(frozen=True)
class _Source:
    """An opened publication."""

    folder: Path
    overview: Mapping[str, Any]
    checksum: str
    events: pl.DataFrame

    @property
    def tables(self) -> list[str]:
        """The tables, the one that marks a part as done last."""
        return [*sorted(each for each in self.overview["tables"] if each != RESULTS), RESULTS]

    def rows(self, table: str, assembly_id: str) -> pl.DataFrame:
        """Return the rows of an assembly in a table."""
        frame = pl.scan_parquet(self.folder / f"data/{table}.parquet")
        return frame.filter(pl.col("assembly_id") == assembly_id).collect()

    def note(self) -> str:
        """Return where its assemblies come from, and who imported them."""
        said = f"{self.overview['title']!r}, tag {self.overview['tag']}, {CHECKSUMS} {self.checksum}"
        return f"imported from the publication {said} by {labels.user()}"


def import_published(lake: Lake, path: str | os.PathLike[str], *, dry_run: bool = False) -> Imported:
    """Import a publication, a folder or a zip file, into a lake; what the lake has already is skipped.

    Raises
    ------
    StorageError
        If it is no publication, or not as it was published.
    AssemblyError
        If the lake has an assembly of the same id with other rows.
    """
    with reading.opened(Path(path)) as folder:
        source = _read(folder, Path(path))
        stored = StoredExperiment(lake.storage, source.overview["experiment"])
        known = {each.assembly_id: each for each in stored.log.latest()} if stored.log.table.exists() else {}
        ids = list(source.overview["assemblies"])
        skipped = [each for each in ids if each in known and _is_there(stored, source, known[each])]
        new = [each for each in ids if each not in skipped]
        rows = sum(source.rows(RESULTS, each).height for each in new)
        if not dry_run:
            _import(stored, source, new)
        tag = None if dry_run else _tag(stored, source)
    return Imported(stored.folder, tuple(new), tuple(skipped), rows, tag)


def _read(folder: Path, shown: Path) -> _Source:
    if not (folder / OVERVIEW).is_file():
        raise StorageError(
            f"{shown} has no {OVERVIEW}, so it cannot be imported. Publish it again with this lakebatch."
        )
    overview = json.loads((folder / OVERVIEW).read_text("utf-8"))
    if overview["format"] != FORMAT:
        raise StorageError(
            f"{shown} has a record of format {overview['format']}, expected {FORMAT}: lakebatch {overview['lakebatch']} "
            "wrote it. Import it with that version or a later one."
        )
    for table in overview["tables"]:
        if not (folder / f"data/{table}.parquet").is_file():
            raise StorageError(
                f"{shown} lacks the table data/{table}.parquet. Get it again; nothing was imported."
            )
    return _Source(folder, overview, sha256(folder / CHECKSUMS), pl.read_parquet(folder / EVENTS))


def _is_there(stored: StoredExperiment, source: _Source, known: Assembly) -> bool:
    """Whether the lake has an assembly with the same rows; False for one whose import was not finished."""
    first = source.events.filter(assembly_id=known.assembly_id, event=0).row(0, named=True)
    if (known.config_hash, known.seed) != (first["config_hash"], first["seed"]):
        raise _other(known, "another config or seed")
    if known.status != "completed":
        return False
    for table in source.tables:
        theirs = source.rows(table, known.assembly_id)
        if not stored.table(table).exists():
            raise _other(known, f"no table {table!r}")
        ours = stored.table(table).at().scan([known.assembly_id]).collect()
        if not _same(ours, theirs):
            raise _other(known, f"other rows in {table!r}")
    return True


def _same(ours: pl.DataFrame, theirs: pl.DataFrame) -> bool:
    if missing := theirs.columns and set(theirs.columns) - set(ours.columns):
        return theirs.select(missing).null_count().sum_horizontal().sum() == theirs.height * len(missing)
    ours = ours.select(theirs.columns)
    return ours.height == theirs.height and ours.hash_rows().sort().equals(theirs.hash_rows().sort())


def _other(known: Assembly, what: str) -> AssemblyError:
    return AssemblyError(
        f"The lake has {known.assembly_id} already, with {what} than the publication. Import into another lake: "
        "lakebatch --lake FOLDER import-published PUBLICATION"
    )


def _import(stored: StoredExperiment, source: _Source, ids: Iterable[str]) -> None:
    stored.storage.check_writable()
    stored.declare(_schema(name, each) for name, each in source.overview["tables"].items())
    for table in (stored.log.table, stored.table("sources"), *map(stored.table, source.tables)):
        table.ensure()
    for state in _sources(source):
        stored.source_log.record(state)
    for assembly_id in ids:
        _import_assembly(stored, source, assembly_id)
    published.bring_up_to_date(stored)


def _schema(name: str, described: Mapping[str, Any]) -> TableSchema:
    columns = [Column(**each) for each in described["columns"]]
    if name not in table_names():
        return own_schema(name, described["description"], columns)
    properties = described["properties"]
    return load_schema(name).extended(
        columns, properties, [each for each in (METRIC_NAMES,) if each in properties]
    )


def _sources(source: _Source) -> list[SourceState]:
    found = json.loads((source.folder / SOURCES).read_text("utf-8"))
    return [
        SourceState(
            sha256=digest,
            files=tuple(
                SourceFile(each["file"], each["sha256"], len((each["text"] or "").encode()), each["text"])
                for each in files
            ),
            imported=(),
        )
        for digest, files in found.items()
    ]


def _import_assembly(stored: StoredExperiment, source: _Source, assembly_id: str) -> None:
    """Copy the first event, the parts, then the other events; the last one says where they come from."""
    first, *others = from_rows(source.events.filter(assembly_id=assembly_id).sort("event"))
    stored.log.copy(replace(first, results_version=stored.results.version()))
    for table in source.tables:
        _write_parts(stored, source, table, first)
    stored.claim_version(assembly_id)
    version = stored.results.version()
    for event in others[:-1]:
        stored.log.copy(replace(event, results_version=version))
    last = others[-1]
    note = "; ".join(each for each in (last.note, source.note()) if each)
    stored.log.copy(replace(last, results_version=version, note=note))


def _write_parts(stored: StoredExperiment, source: _Source, table: str, assembly: Assembly) -> None:
    metadata = {
        "lakebatch.experiment": stored.folder,
        "lakebatch.config_hash": assembly.config_hash,
        "lakebatch.code_version": assembly.code_version,
        ATTEMPT: str(assembly.event),
    }
    writer = PartWriter(stored.table(table), assembly.assembly_id, metadata)
    rows = source.rows(table, assembly.assembly_id)
    for (part, at), frame in rows.group_by("part", "recorded_at", maintain_order=True):
        writer.append(part, frame.drop(STAMPED), at)


def _tag(stored: StoredExperiment, source: _Source) -> str | None:
    """Set the tag, unless an earlier import did; None if the state holds more than the publication."""
    known = {each.tag: each for each in stored.tag_log.all()}
    for each in known.values():
        if source.checksum in (each.note or ""):
            return each.tag
    completed = {each.assembly_id for each in stored.log.latest() if each.status == "completed"}
    if completed != set(source.overview["assemblies"]):
        return None
    name = wanted = source.overview["tag"]
    count = 1
    while name in known:
        count += 1
        name = f"{wanted}-{count}"
    note = "; ".join(each for each in (source.overview["note"], source.note()) if each)
    return stored.tag(name, note=note).tag
