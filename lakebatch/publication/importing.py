"""The import of a publication into a lake: the same rows, events, sources and tag, each exactly once."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from lakebatch.assembly import labels
from lakebatch.assembly.part_writer import PartWriter
from lakebatch.assembly.record import Assembly
from lakebatch.assembly.tables import RESULTS, ExperimentTables
from lakebatch.assembly.tags import Tag
from lakebatch.errors import AssemblyError, NameClashError
from lakebatch.ids import canonical_json
from lakebatch.maintenance import published
from lakebatch.publication import overview, reading
from lakebatch.publication.overview import Source
from lakebatch.storage.delta.engine import ATTEMPT
from lakebatch.storage.delta.schema import conform

SetTag = Callable[..., Tag]
"""Sets a tag of a name for the newest state of an experiment, with a note."""


@dataclass(frozen=True)
class Imported:
    """A publication that was imported, or would be.

    Attributes
    ----------
    experiment : str
        The experiment's folder in the lake.
    assemblies, skipped : tuple of str
        The ids of the imported assemblies, and of those that the lake has already with the same rows.
    rows : int
        The number of imported rows of results.
    tag : str or None
        The tag of the imported state; None if the lake has further completed assemblies of the experiment.
    not_published : tuple of str
        The tables that the publication lacks.
    """

    experiment: str
    assemblies: tuple[str, ...]
    skipped: tuple[str, ...]
    rows: int
    tag: str | None
    not_published: tuple[str, ...] = ()


def import_published(
    open_experiment: Callable[[str], tuple[ExperimentTables, SetTag]],
    path: str | os.PathLike[str],
    *,
    dry_run: bool = False,
) -> Imported:
    """Import a publication, a folder or a zip file, into a lake; what the lake has already is skipped.

    Parameters
    ----------
    open_experiment : callable
        Returns the tables of an experiment by its folder in the lake, and what sets a tag there.

    Raises
    ------
    StorageError
        If it is no publication, or not as it was published.
    AssemblyError
        If the lake has an assembly of the same id with other rows, or discarded it.
    """
    with reading.opened(Path(path)) as folder:
        source = overview.read(folder, Path(path))
        stored, set_tag = open_experiment(source.overview["experiment"])
        known = {each.assembly_id: each for each in stored.log.latest()} if stored.log.table.exists() else {}
        skipped = [
            each for each in source.assemblies if each in known and _is_there(stored, source, known[each])
        ]
        new = [each for each in source.assemblies if each not in skipped]
        rows = int(source.parts.filter(pl.col("assembly_id").is_in(new), table=RESULTS)["rows"].sum())
        tag = None
        for sweep in source.sweeps if new else ():
            stored.sweep_log.check_free(sweep)
        if not dry_run:
            _import(stored, source, new, skipped)
            tag = _tag(stored, source, set_tag)
    absent = tuple(source.overview["not_published"])
    return Imported(stored.folder, tuple(new), tuple(skipped), rows, tag, absent)


def _is_there(stored: ExperimentTables, source: Source, known: Assembly) -> bool:
    """Whether the lake has an assembly with the same rows; False for one whose import was not finished."""
    first = source.events(known.assembly_id)[0]
    if (known.config_hash, known.seed) != (first.config_hash, first.seed):
        raise _other(known, "another config or seed")
    if known.status == "discarded":
        raise AssemblyError(
            f"The lake has {known.assembly_id} already, discarded. Restore it, or import into another lake: "
            "lakebatch --lake FOLDER import-published PUBLICATION"
        )
    if known.is_worked_on():
        raise AssemblyError(f"{known.assembly_id} is running. Wait until it has ended, and import again.")
    if known.status != "completed":
        return False
    for table in source.tables:
        if not _has_rows(stored, source, table, known.assembly_id):
            raise _other(known, f"other rows in {table!r}")
    return True


def _has_rows(stored: ExperimentTables, source: Source, table: str, assembly_id: str) -> bool:
    """Whether the lake has the rows of an assembly in a table."""
    if not stored.table(table).exists():
        return source.parts.filter(table=table, assembly_id=assembly_id).is_empty()
    return source.has(table, assembly_id, stored.table(table).at().scan([assembly_id]).collect())


def _other(known: Assembly, what: str) -> AssemblyError:
    return AssemblyError(
        f"The lake has {known.assembly_id} already, with {what} than the publication. Import into another lake: "
        "lakebatch --lake FOLDER import-published PUBLICATION"
    )


def _import(stored: ExperimentTables, source: Source, new: Collection[str], skipped: Collection[str]) -> None:
    """Import the new assemblies, and the events that an import which was stopped left out of the others."""
    stored.storage.check_writable()
    stored.declare(source.schemas)
    if new:
        for table in (stored.log.table, stored.table("sources"), *map(stored.table, source.tables)):
            table.ensure()
        for state in source.sources:
            stored.source_log.record(state)
        for sweep in source.sweeps:
            stored.sweep_log.copy(sweep)
    for assembly_id in new:
        _import_assembly(stored, source, assembly_id)
    for assembly_id in skipped:
        _copy_events(stored, _events(source, assembly_id))
    published.bring_up_to_date(stored)


def _import_assembly(stored: ExperimentTables, source: Source, assembly_id: str) -> None:
    """Copy the first event, unless it completes the assembly, the parts, then the other events."""
    events = _events(source, assembly_id)
    if events[0].status != "completed":
        stored.log.copy(replace(events[0], results_version=stored.results.version()))
    for table in source.tables:
        _write_parts(stored, source, table, events[0])
    stored.claim_version(assembly_id)
    _copy_events(stored, events)


def _events(source: Source, assembly_id: str) -> list[Assembly]:
    """Return the events of an assembly as the lake gets them: the last one says where they come from."""
    events = source.events(assembly_id)
    said = {labels.NOT_PUBLISHED: source.overview["not_published"]}
    events = [replace(each, environment=canonical_json({**each.surroundings, **said})) for each in events]
    note = "; ".join(each for each in (events[-1].note, source.note()) if each)
    return [*events[:-1], replace(events[-1], note=note)]


def _copy_events(stored: ExperimentTables, events: Iterable[Assembly]) -> None:
    """Copy the events that the lake lacks."""
    version = stored.results.version()
    for each in events:
        stored.log.copy(replace(each, results_version=version))


def _write_parts(stored: ExperimentTables, source: Source, table: str, assembly: Assembly) -> None:
    """Append the parts of an assembly, and compare what the table has afterwards with the publication."""
    metadata = {
        "lakebatch.experiment": stored.folder,
        "lakebatch.config_hash": assembly.config_hash,
        "lakebatch.code_version": assembly.code_version,
        ATTEMPT: str(assembly.event),
    }
    writer = PartWriter(stored.table(table), assembly.assembly_id, metadata)
    rows = source.rows(table, assembly.assembly_id)
    for (part,), frame in rows.group_by("part", maintain_order=True):
        writer.append_stamped(str(part), conform(frame, writer.table.schema))
    if not _has_rows(stored, source, table, assembly.assembly_id):
        raise _other(assembly, f"other rows in {table!r}")


def _tag(stored: ExperimentTables, source: Source, set_tag: SetTag) -> str | None:
    """Set the tag, unless an earlier import did; None if the state holds more than the publication."""
    known = stored.tag_log.all()  # once: a tag that another import sets meanwhile has the name chosen here
    for each in known:
        if source.checksum in (each.note or ""):
            return each.tag
    completed = {each.assembly_id for each in stored.log.latest() if each.status == "completed"}
    if completed != set(source.assemblies):
        return None
    note = "; ".join(each for each in (source.overview["note"], source.note()) if each)
    name = _free_name({each.tag for each in known}, source.overview["tag"])
    try:
        return set_tag(name, note=note).tag
    except NameClashError:  # another import of it was quicker
        return _tag(stored, source, set_tag)


def _free_name(known: Collection[str], wanted: str) -> str:
    """Return the name of a new tag: the published one, with a number if it is taken."""
    name, count = wanted, 1
    while name in known:
        count += 1
        name = f"{wanted}-{count}"
    return name
