"""Start, resumption and end of one process's share of an assembly."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from lakebatch._version import __version__
from lakebatch.assembly import shards
from lakebatch.assembly.events import AssemblyLog
from lakebatch.assembly.record import DISCARDED, Assembly, Plan, Status, join_failures
from lakebatch.assembly.shards import Shard
from lakebatch.errors import AssemblyError
from lakebatch.ids import canonical_json


def begin(
    log: AssemblyLog, plan: Plan, results_version: int, shard: Shard, check: Callable[[Assembly], str | None]
) -> Assembly:
    """Return a new assembly; for a shard, the one that its array has begun, if ``check`` does not raise for it."""
    if shard.is_whole:
        return log.start(plan, results_version)
    return shards.begin(log, plan, results_version, shard, check=check)


def check_free(assembly: Assembly, shard: Shard) -> None:
    """Raise if the assembly is discarded, or a process outside of the shard's array is known to compute it."""
    if assembly.status == "discarded":
        raise AssemblyError(DISCARDED.format(assembly.assembly_id))
    is_shared = not shard.is_whole and assembly.array == shard.array
    if not is_shared and (worker := assembly.worker_seen()):
        raise AssemblyError(
            f"{assembly.assembly_id} is being computed by {worker}. Wait for it, or stop it{worker.hint}."
        )


def resume(
    log: AssemblyLog, assembly: Assembly, shard: Shard, environment: Mapping[str, Any], note: str | None
) -> Assembly:
    """Record that this process continues its share, unless the assembly is completed meanwhile."""
    if not shard.is_whole:
        return shards.join(log, assembly, shard, code_version=__version__, environment=environment, note=note)
    changed = {
        "pid": os.getpid(),
        "code_version": __version__,
        "environment": canonical_json(environment),
        "note": note,
    }

    def event(latest: Assembly) -> tuple[Status, Mapping[str, Any]] | None:
        if latest.status == "completed":
            return None
        check_free(latest, shard)  # again: another process may have resumed it since the first check
        return "started", changed

    return log.follow(assembly, event)


def interrupt(
    log: AssemblyLog,
    assembly: Assembly,
    shard: Shard,
    reached: Mapping[str, Any],
    failures: Mapping[str, str],
) -> Assembly:
    """Record how far the assembly is, and that this process has stopped early."""
    if shard.is_whole:
        return log.record(assembly, "started", **reached, error=join_failures(failures))
    return shards.leave(log, assembly, shard, "interrupted", reached, failures)


def hand_in(
    log: AssemblyLog,
    assembly: Assembly,
    shard: Shard,
    reached: Callable[[], Mapping[str, Any]],
    failures: Mapping[str, str],
) -> Assembly:
    """Record that a shard is done; a process outside of any array records nothing, because it concludes at once."""
    return assembly if shard.is_whole else shards.leave(log, assembly, shard, "done", reached(), failures)


def is_last(assembly: Assembly, shard: Shard) -> bool:
    """Whether all shares are handed in, so that this process concludes the assembly."""
    return shard.is_whole or shards.is_ended(assembly, shard)
