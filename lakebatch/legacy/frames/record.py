"""Assemblies that no experiment computed: their plan, rows and status."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from lakebatch._text import redacted
from lakebatch._version import __version__
from lakebatch.assembly.part_writer import PartWriter
from lakebatch.assembly.record import COMMIT, MADE_BY, UNKNOWN_SEED, Assembly, Plan, Status, now
from lakebatch.assembly.workers import identity
from lakebatch.experiment import provenance
from lakebatch.ids import check_new_name
from lakebatch.lake.experiment import StoredExperiment
from lakebatch.legacy.frames.results import to_results
from lakebatch.legacy.frames.table import FrameTable
from lakebatch.storage.delta.withholding import withheld

ORIGINAL_IDS = "original_ids"
"""Key of the config for the ids that older scripts and files give an assembly."""


def plan_assembly(made_by: str, details: Mapping[str, Any], *, lease: str | None, **fields: Any) -> Plan:
    """Return the plan of an assembly that no experiment computes, and that its writer holds a lease for."""
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    defaults: dict[str, Any] = {
        "parts": (),
        "known_gaps": (),
        "code_version": __version__,
        "environment": {**_environment(script), **identity(lease)},
    }
    return Plan(
        config={MADE_BY: made_by, **redacted(details)},
        base_seed=UNKNOWN_SEED,
        pinned_seed=UNKNOWN_SEED,
        **(defaults | fields),
    )


def ensure(stored: StoredExperiment) -> None:
    """Create the tables of every experiment that are missing."""
    if not stored.exists():
        check_new_name(stored.name)
    stored.storage.check_writable()
    stored.check_folders(("results", "assemblies"))
    for table in (stored.results, stored.log.table):
        table.ensure()


def original_ids(assembly: Assembly) -> list[str]:
    """Return the ids that older scripts and files give an assembly; without any, its id in the lake."""
    return list(assembly.settings.get(ORIGINAL_IDS) or [assembly.assembly_id])


@dataclass(frozen=True)
class Saved:
    """One frame of an assembly: the name that it is saved under, and its part, which no other frame has."""

    name: str
    part: str
    frame: pl.DataFrame
    level: float | None = None


def write(stored: StoredExperiment, assembly: Assembly, saved: Saved) -> None:
    """Append a frame as it is, and then the results in it, each exactly once."""
    metadata = {
        "lakebatch.experiment": stored.folder,
        "lakebatch.config_hash": assembly.config_hash,
        "lakebatch.code_version": assembly.code_version,
    }
    at = now()
    table = FrameTable(stored.storage, stored.folder, saved.name)
    table.append(assembly.assembly_id, saved.part, saved.frame, at, metadata)
    # results quote parts of cells, in which a secret would not be found
    results = to_results(withheld(saved.frame), saved.level)
    if results is not None:
        PartWriter(stored.results, assembly.assembly_id, metadata).append(saved.part, results.rows, at)


def record(
    stored: StoredExperiment,
    assembly: Assembly,
    status: Status,
    *,
    parts: Sequence[str],
    done: int,
    error: str | None,
) -> Assembly:
    """Record the status of an assembly: its parts, their number, and the row count of its results."""
    if status == "completed":
        stored.claim_version(assembly.assembly_id)
    table = stored.results.at()
    return stored.log.record(
        assembly,
        status,
        parts=tuple(parts),
        parts_planned=len(parts),
        parts_done=done,
        rows=table.rows_by_assembly.get(assembly.assembly_id, 0),
        results_version=table.number,
        error=error,
    )


def _environment(script: str | None) -> dict[str, Any]:
    commit = provenance.commit(Path(script).absolute()) if script else None
    return {
        "lakebatch": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "script": Path(script).name if script else None,
    } | ({COMMIT: commit} if commit else {})
