"""Brings a folder of the older layout into a lake, after saying what it would do."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import polars as pl

from lakebatch.assembly import lease
from lakebatch.assembly.record import MADE_BY, Assembly, Plan, Status
from lakebatch.assembly.tables import FOLDER
from lakebatch.errors import AssemblyError, LegacyError, UnknownNameError
from lakebatch.experiment import registry
from lakebatch.ids import canonical_json, content_hash
from lakebatch.lake.experiment import StoredExperiment
from lakebatch.lake.lake import Lake
from lakebatch.legacy.batches import FILES, IMPORT, Batch, batches, files_of
from lakebatch.legacy.files import Item, open_source, read_again
from lakebatch.legacy.frames.record import ORIGINAL_IDS, Saved, ensure, plan, record, write
from lakebatch.legacy.survey import KINDS, NOT_IMPORTED, Finding, Survey, survey
from lakebatch.storage import Storage

logger = logging.getLogger(__name__)
COLUMNS = {
    "what": pl.String(),
    "id": pl.String(),
    "file": pl.String(),
    "rows": pl.Int64(),
    "assembly_id": pl.String(),
    "part": pl.String(),
    "detail": pl.String(),
}
"""The columns of a report."""


@dataclass(frozen=True)
class Import:
    """What an import would do, or has done: the assemblies and the report, one row per thing that is to be said."""

    stored: StoredExperiment
    source: Storage
    batches: tuple[Batch, ...]
    findings: tuple[Finding, ...]
    assemblies: tuple[Assembly, ...] = ()

    @property
    def files(self) -> int:
        """How many files are imported."""
        return sum(len(batch.items) for batch in self.batches)

    @property
    def rows(self) -> int:
        """How many rows they hold."""
        return sum(item.rows for batch in self.batches for item in batch.items)

    @property
    def left_behind(self) -> int:
        """How many things in the folder cannot be imported."""
        return sum(finding.what in NOT_IMPORTED for finding in self.findings)

    def report(self) -> pl.DataFrame:
        """Return what is imported, then what there is to be said of the folder."""
        imported = [
            {"what": "import", "id": item.id, "file": item.file, "rows": item.rows, "part": batch.part(item)}
            | {"assembly_id": batch.assembly_id or (batch.existing and batch.existing.assembly_id)}
            | {"detail": _aside(item)}
            for batch in self.batches
            for item in batch.items
        ]
        said = [{name: value or None for name, value in asdict(each).items()} for each in self.findings]
        return pl.DataFrame([*imported, *said], schema=COLUMNS)


def look(lake: Lake, name: str, place: str, *, unlisted: bool = True) -> Import:
    """Return what the import of a folder would do and what the folder has lost; nothing is written.

    Parameters
    ----------
    name : str
        The experiment, or the whole name of its folder in the lake, e.g. ``01_v1_batch-trial``.
    place : str
        A folder, or ``s3://bucket/prefix``.
    unlisted : bool
        Whether files that the list does not name are imported.

    Raises
    ------
    LegacyError
        If there is nothing of the older layout.
    """
    stored = StoredExperiment(lake.storage, _folder(lake, name))
    source = open_source(place)
    found = survey(source, unlisted=unlisted)
    _check_any(found)
    there = stored.log.latest() if stored.exists() else []
    chosen = batches(found, there)
    findings = sorted(found.findings, key=lambda each: KINDS.index(each.what))
    return Import(stored, source, tuple(chosen), tuple(findings))


def carry_out(
    planned: Import, progress: Callable[[str], None] = lambda line: logger.info("%s", line)
) -> Import:
    """Import what `look` found, each file exactly once; what an earlier attempt has imported is not again.

    Raises
    ------
    LegacyError
        If a file has changed since.
    AssemblyError
        If another process is importing the same.
    """
    done: list[Assembly] = []
    if planned.batches:
        ensure(planned.stored)
        with lease.held(planned.stored.storage, planned.stored.folder) as held:
            done += [_import_batch(planned, batch, held, progress) for batch in planned.batches]
    return Import(planned.stored, planned.source, planned.batches, planned.findings, tuple(done))


def import_legacy(lake: Lake, name: str, place: str, *, unlisted: bool = True) -> Import:
    """Look and carry out: bring a folder of the older layout into a lake, see `look`."""
    return carry_out(look(lake, name, place, unlisted=unlisted))


def _import_batch(
    planned: Import, batch: Batch, held: str | None, progress: Callable[[str], None]
) -> Assembly:
    stored = planned.stored
    assembly = _begin(stored, batch, _plan(planned.source, batch, held))
    if assembly.status == "completed":
        return assembly
    for item in batch.items:
        frame = read_again(planned.source, item)
        write(stored, assembly, Saved(item.name, batch.part(item), frame, item.level))
        progress(f"{assembly.assembly_id} {batch.part(item)}: {item.rows} rows of {item.file}")
    status: Status = "failed" if batch.error else "completed"
    return record(stored, assembly, status, parts=batch.parts, done=len(batch.items), error=batch.error)


def _begin(stored: StoredExperiment, batch: Batch, planned: Plan) -> Assembly:
    """Begin the assembly, or go on with the one that an earlier attempt has begun."""
    begun = stored.log.start(
        planned, stored.results.version(), unless=lambda assemblies: _serves(assemblies, batch)
    )
    others = [each for each in begun.workers if each.is_at_work() and not each.is_this_process]
    if others:
        raise AssemblyError(f"{begun.assembly_id} is being imported by {others[0]}. Wait for it, or stop it.")
    if begun.status == "completed" or (
        begun.event == 0 and any(each.is_this_process for each in begun.workers)
    ):
        return begun
    return _take_over(stored, begun, planned)


def _serves(assemblies: Sequence[Assembly], batch: Batch) -> Assembly | None:
    """Return the assembly that a batch was begun as; refuse to begin it if anything of it is in another one."""
    wanted = {item.key for item in batch.items}
    for each in assemblies:
        files = files_of(each)
        same_id = each.assembly_id == batch.assembly_id
        if each.status == "discarded" or not (same_id or files & wanted):
            continue
        if each.settings.get(MADE_BY) != IMPORT or not (same_id or files == wanted):
            raise AssemblyError(f"{each.assembly_id} has come into the lake meanwhile. Import again.")
        return each
    return None


def _take_over(stored: StoredExperiment, begun: Assembly, planned: Plan) -> Assembly:
    config = canonical_json(planned.config)
    return stored.log.record(
        begun,
        "started",
        pid=os.getpid(),
        config=config,
        config_hash=content_hash(config),
        parts=planned.parts,
        parts_planned=len(planned.parts),
        known_gaps=planned.known_gaps,
        code_version=planned.code_version,
        environment=canonical_json(planned.environment),
    )


def _plan(source: Storage, batch: Batch, held: str | None) -> Plan:
    details = {
        "source": source.uri,
        ORIGINAL_IDS: list(batch.ids),
        FILES: [_provenance(item, batch.part(item)) for item in batch.items],
    }
    return plan(
        IMPORT,
        details,
        lease=held,
        parts=batch.parts,
        known_gaps=batch.known_gaps,
        assembly_id=batch.assembly_id,
    )


def _provenance(item: Item, part: str) -> dict[str, object]:
    return {
        "part": part,
        "name": item.name,
        "id": item.id,
        "written_id": item.written_id,
        "file": item.file,
        "sha256": item.sha256,
        "bytes": item.bytes,
        "modified": item.modified.isoformat(),
        "rows": item.rows,
        "list_rows": [list(row) for row in item.list_rows],
    }


def _aside(item: Item) -> str | None:
    """Say which columns are not in the results but only where the frame is kept as it was."""
    if not item.results:
        return f"holds no results, only in frames/{item.name}"
    return f"only in frames/{item.name}: {', '.join(item.left_out)}" if item.left_out else None


def _folder(lake: Lake, name: str) -> str:
    """Return the folder in the lake: as it is given, of the experiment that can be run, or of the one that is there."""
    if FOLDER.fullmatch(name):
        return name
    if name in registry.find():
        experiment = registry.load(registry.get(name))
        return f"{experiment.number}_{experiment.version}_{experiment.name}"
    try:
        return lake[name].folder
    except UnknownNameError as error:
        raise UnknownNameError(
            f"Unknown experiment {name!r}. Known: {', '.join(registry.find())}. For another one give the whole name of its "
            f"folder, e.g. 01_v1_{name}."
        ) from error


def _check_any(found: Survey) -> None:
    if found.items or found.has_list or any(each.what != "other file" for each in found.findings):
        return
    inside = ", ".join(found.source.folders()[:10])
    hint = f" There are folders in it: {inside}." if inside else ""
    raise LegacyError(
        f"There is nothing to import in {found.source.uri}: no assembly_list.csv and no file NAME_ID.pkl, .parquet or "
        f".csv.{hint} Expected the folder that holds them."
    )
