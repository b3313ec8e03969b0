"""The import of a folder of the older layout into a lake, in two steps: a plan, and its execution."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace

import polars as pl

from lakebatch._public import readable
from lakebatch.assembly import lease
from lakebatch.assembly.record import MADE_BY, Assembly, Plan, Status
from lakebatch.errors import AssemblyError, LegacyError, UnknownNameError
from lakebatch.experiment import registry
from lakebatch.ids import FOLDER, ExperimentName, canonical_json, content_hash, folder_name
from lakebatch.lake.experiment import StoredExperiment
from lakebatch.lake.lake import Lake
from lakebatch.legacy.batches import FILES, IMPORT, Batch, batches, corrections, files_of
from lakebatch.legacy.earlier import report_wrong_rows
from lakebatch.legacy.files import Item, open_source, read_again
from lakebatch.legacy.frames.record import ORIGINAL_IDS, Saved, ensure, plan_assembly, record, write
from lakebatch.legacy.survey import KINDS, NOT_IMPORTED, Finding, Survey, survey
from lakebatch.maintenance import published
from lakebatch.storage import Storage

logger = logging.getLogger(__name__)
FINISHED: tuple[Status, ...] = ("completed",)
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
    """An import that is planned or done: its assemblies, its findings, and the statuses of earlier imports to correct."""

    stored: StoredExperiment
    source: Storage
    batches: tuple[Batch, ...]
    findings: tuple[Finding, ...]
    assemblies: tuple[Assembly, ...] = ()
    corrections: tuple[tuple[Assembly, str], ...] = ()

    @property
    def files(self) -> int:
        """The number of imported files."""
        return sum(len(batch.items) for batch in self.batches)

    @property
    def rows(self) -> int:
        """The row count of the imported files."""
        return sum(item.rows for batch in self.batches for item in batch.items)

    @property
    def left_behind(self) -> int:
        """The number of findings of files that cannot be imported."""
        return sum(finding.what in NOT_IMPORTED for finding in self.findings)

    def report(self) -> pl.DataFrame:
        """Return one row per imported file, then one per finding."""
        imported = [
            {"what": "import", "id": item.id, "file": item.file, "rows": item.rows, "part": batch.part(item)}
            | {"assembly_id": batch.assembly_id or (batch.existing and batch.existing.assembly_id)}
            | {"detail": _detail(item)}
            for batch in self.batches
            for item in batch.items
        ]
        said = [{name: value or None for name, value in asdict(each).items()} for each in self.findings]
        return pl.DataFrame([*imported, *said], schema=COLUMNS)


def plan(lake: Lake, name: str, place: str, *, unlisted: bool = True) -> Import:
    """Return the import of a folder, and the findings of files that are missing or cannot be imported; write nothing.

    Parameters
    ----------
    name : str
        The experiment, or the full name of its folder in the lake, e.g. ``01_v1_batch-trial``.
    place : str
        A folder, or ``s3://bucket/prefix``.
    unlisted : bool
        Whether files that the list does not name are imported.

    Raises
    ------
    LegacyError
        If the folder has no files of the older layout, or a list that cannot be read.
    """
    stored = StoredExperiment(lake.storage, _folder(lake, name))
    source = open_source(place)
    found = survey(source, unlisted=unlisted)
    _check_any(found)
    present = stored.log.latest() if stored.exists() else []
    chosen = batches(found, present, stored.name)
    report_wrong_rows(found, stored, present)
    findings = sorted(found.findings, key=lambda each: KINDS.index(each.what))
    corrected = tuple(corrections(found, present))
    return Import(stored, source, tuple(chosen), tuple(findings), corrections=corrected)


def execute(
    planned: Import, progress: Callable[[str], None] = lambda line: logger.info("%s", line)
) -> Import:
    """Import the files of a plan, each exactly once; skip those that an earlier attempt has imported.

    Assemblies that an earlier import completed, and of which the list has no file as completed, are recorded as failed.

    Raises
    ------
    LegacyError
        If a file has changed since then.
    AssemblyError
        If another process is importing the same files.
    """
    done: list[Assembly] = []
    for assembly, error in planned.corrections:
        planned.stored.log.record(assembly, "failed", after=FINISHED, error=error)
    if planned.batches:
        ensure(planned.stored)
        with lease.hold(planned.stored.storage, planned.stored.folder) as held:
            done += [_import_batch(planned, batch, held, progress) for batch in planned.batches]
    if done or planned.corrections:
        published.bring_up_to_date(planned.stored)
    return replace(planned, assemblies=tuple(done))


@readable
def import_legacy(lake: Lake, name: str, place: str, *, unlisted: bool = True) -> Import:
    """Import a folder of the older layout into a lake, see `plan`."""
    return execute(plan(lake, name, place, unlisted=unlisted))


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
    """Begin the assembly, or continue the one that an earlier attempt has begun."""
    begun = stored.log.start(
        planned, stored.results.version(), unless=lambda assemblies: _begun(assemblies, batch)
    )
    others = [each for each in begun.workers if each.is_running() and not each.is_this_process]
    if others:
        raise AssemblyError(f"{begun.assembly_id} is being imported by {others[0]}. Wait for it, or stop it.")
    if begun.status == "completed" or (
        begun.event == 0 and any(each.is_this_process for each in begun.workers)
    ):
        return begun
    return _take_over(stored, begun, planned)


def _begun(assemblies: Sequence[Assembly], batch: Batch) -> Assembly | None:
    """Return the assembly that a batch was begun as; refuse the batch if another assembly has a file of it."""
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
    return plan_assembly(
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


def _detail(item: Item) -> str | None:
    """Return the columns that only the table of the frame has, in words."""
    if not item.results:
        return f"holds no results, only in frames/{item.name}"
    return f"only in frames/{item.name}: {', '.join(item.left_out)}" if item.left_out else None


def _folder(lake: Lake, name: str) -> str:
    """Return the folder in the lake: the given one, or that of an experiment that can be run or is in the lake."""
    if FOLDER.fullmatch(name):
        return name
    if ExperimentName.parse(name).name in registry.find():
        experiment = registry.load(registry.get(name))
        return folder_name(experiment.number, experiment.version, experiment.name)
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
