"""Taking an assembly up again: who may, with which code, and the event that says so."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import Any

from lakebatch.assembly import shards
from lakebatch.assembly.record import DISCARDED, Assembly, Status
from lakebatch.assembly.shards import Shard
from lakebatch.errors import AssemblyError
from lakebatch.experiment import provenance, registry
from lakebatch.experiment.contract import Part
from lakebatch.experiment.registry import AnyExperiment
from lakebatch.ids import canonical_json
from lakebatch.lake.experiment import StoredExperiment
from lakebatch.snapshot import changes

logger = logging.getLogger(__name__)


def reopen(
    stored: StoredExperiment,
    assembly: Assembly,
    experiment: AnyExperiment,
    environment: Mapping[str, Any],
    shard: Shard | None,
) -> Assembly:
    """Record that this process works on the assembly from now on; of two that try at once only one does."""
    version = provenance.code_version(registry.source_file(experiment))
    if version != assembly.code_version:
        logger.warning(
            "The code is %s now and was %s when %s started.",
            version,
            assembly.code_version,
            assembly.assembly_id,
        )
    if shard is not None:
        return shards.join(stored.log, assembly, shard, code_version=version, environment=environment)
    changed = {"pid": os.getpid(), "code_version": version, "environment": canonical_json(environment)}

    def event(latest: Assembly) -> tuple[Status, Mapping[str, Any]] | None:
        if latest.status == "completed":
            return None
        check_resumable(latest, None)  # once more: another process may have taken it up meanwhile
        return "started", changed

    return stored.log.follow(assembly, event)


def check_resumable(assembly: Assembly, shard: Shard | None) -> None:
    """Refuse an assembly that is discarded, or that another process is known to work on."""
    if assembly.status == "discarded":
        raise AssemblyError(DISCARDED.format(assembly.assembly_id))
    shares = shard is not None and assembly.array == shard.array
    if not shares and (worker := assembly.worker_seen()):
        raise AssemblyError(
            f"{assembly.assembly_id} is being computed by {worker}. Wait for it, or stop it{worker.hint}."
        )


def check_version(stored: StoredExperiment, assembly: Assembly, experiment: AnyExperiment) -> None:
    """Refuse an assembly of another version of the experiment, whose rows are in a folder of their own."""
    if experiment.version != stored.experiment_version:
        raise AssemblyError(
            f"{assembly.assembly_id} is of {stored.folder}, this code has version {experiment.version} of it. "
            "Use the code that wrote it."
        )


def check_unchanged(
    stored: StoredExperiment,
    assembly: Assembly,
    experiment: AnyExperiment,
    environment: Mapping[str, Any],
    *,
    allow: bool,
) -> None:
    """Refuse, unless it is allowed, an assembly that other code of the experiment began, see `changes.check`."""
    changes.check(
        stored.log.events(),
        assembly.assembly_id,
        environment,
        name=stored.name,
        source=registry.source_file(experiment),
        allow=allow,
    )


def check_plan(assembly: Assembly, parts: tuple[Part, ...]) -> None:
    """Refuse an assembly of which the experiment would now plan other parts."""
    planned = tuple(part.key for part in parts)
    if planned != assembly.parts:
        raise AssemblyError(
            f"{assembly.assembly_id} was planned by {assembly.code_version} with other parts than this code plans. "
            "Resume it with that code, or start a new run."
        )
