"""Decisions and notes about assemblies: events that each have their own version of the results."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from typing import Any

import polars as pl

from lakebatch.assembly import labels, sweep_claims
from lakebatch.assembly.events import kept_names
from lakebatch.assembly.record import Assembly, Status
from lakebatch.assembly.tables import RESULTS, ExperimentTables
from lakebatch.errors import AssemblyError, ConfigError, DamageError
from lakebatch.ids import canonical_json

logger = logging.getLogger(__name__)

DISCARDED: tuple[Status, ...] = ("discarded",)


def decide(
    tables: ExperimentTables,
    assembly: Assembly,
    status: Status,
    reason: str,
    *,
    after: Collection[Status],
    unless: Callable[[Assembly], bool] = lambda _: False,
    **changes: Any,
) -> Assembly:
    """Record a decision with its own version of the results table, so that no earlier version changes.

    Parameters
    ----------
    after : statuses
        Statuses that allow the decision.
    unless : callable
        Whether the assembly, as it is at the commit, needs no event any more; it is returned then.
    changes
        Further fields of the event.

    Raises
    ------
    ConfigError
        If the reason is empty.
    AssemblyError
        If the assembly has another status, or its rows were purged and the decision is another status.
    """
    if not reason.strip():
        raise ConfigError("The reason is empty. Say why with reason=TEXT (--reason).")
    _check_allowed(assembly, status, after)
    tables.check_folders((RESULTS, "assemblies"))
    metadata = {"lakebatch.assembly_id": assembly.assembly_id, "lakebatch.event": status}
    version = tables.results.mark(metadata)
    changes = {"error": assembly.error, "results_version": version, "note": reason} | changes

    def event(latest: Assembly) -> tuple[Status, Mapping[str, Any]] | None:
        _check_allowed(latest, status, after)  # another process may have decided meanwhile
        return None if unless(latest) else (status, _signed(latest) | changes)

    return tables.log.follow(assembly, event)


def _check_allowed(assembly: Assembly, status: Status, after: Collection[Status]) -> None:
    if assembly.status not in after:
        raise AssemblyError(
            f"{assembly.assembly_id} is {assembly.status}. Expected one that is {' or '.join(after)}."
        )
    if status != assembly.status:
        assembly.check_not_purged()


def _signed(assembly: Assembly) -> dict[str, str]:
    """Return the environment with the name of this user; nothing for one that is damaged."""
    try:
        return {"environment": canonical_json({**assembly.surroundings, labels.USER: labels.user()})}
    except DamageError:
        return {}


def note(tables: ExperimentTables, assembly: Assembly, text: str, **changes: Any) -> Assembly:
    """Record a finding about an assembly, or a repair of it; the status stays."""
    return decide(tables, assembly, assembly.status, text, after=(assembly.status,), **changes)


def add_note(tables: ExperimentTables, assembly: Assembly, text: str) -> Assembly:
    """Record a person's note about an assembly, whatever its status becomes meanwhile; a run of it goes on."""
    tables.check_folders((RESULTS, "assemblies"))
    version = tables.results.mark({"lakebatch.assembly_id": assembly.assembly_id, "lakebatch.event": "noted"})

    def noted(latest: Assembly) -> tuple[Status, dict[str, Any]]:
        changes = {"note": text, "error": latest.error, "results_version": version, **_signed(latest)}
        return latest.status, changes | _at_work(latest)

    return tables.log.follow(assembly, noted)


def _at_work(assembly: Assembly) -> dict[str, Any]:
    """Return the fields of the process at work, which a note must not take for ended."""
    if assembly.pid is None:
        return {}
    since = {"since": assembly.at.isoformat(), **assembly.surroundings, labels.USER: labels.user()}
    return {"pid": assembly.pid, "host": assembly.host, "environment": canonical_json(since)}


def discard(tables: ExperimentTables, assembly_id: str, reason: str) -> Assembly:
    """Take an assembly out of the dataset, for a reason.

    Raises
    ------
    AssemblyError
        If a process of this machine computes it, or it is discarded already.
    """
    assembly = tables.log.get(assembly_id)
    assembly_id = assembly.assembly_id
    if worker := assembly.worker_here():
        raise AssemblyError(
            f"{assembly_id} is being computed by process {worker.pid} on this machine. Stop it first."
        )
    decided = decide(tables, assembly, "discarded", reason, after=("started", "completed", "failed"))
    if worker := assembly.worker_seen():
        logger.warning("%s was being computed by %s, which stops soon.", assembly_id, worker)
    return decided


def restore(tables: ExperimentTables, assembly_id: str, reason: str) -> Assembly:
    """Give a discarded assembly the status that it had before.

    Raises
    ------
    AssemblyError
        If it is not discarded, its rows were purged, or another assembly has its place in a sweep.
    NameClashError
        If another assembly has its name by now.
    """
    assembly = tables.log.get(assembly_id)
    assembly.check_not_purged()
    of_it = pl.col("assembly_id") == assembly.assembly_id
    events = tables.log.events().filter(of_it & (pl.col("status") != "discarded"))
    before = events["status"].to_list()[-1:] or ["started"]
    if assembly.status == "discarded":
        known = tables.log.latest()
        labels.check_free(assembly.name, kept_names(known))
        sweep_claims.check_free(assembly, known)
    return decide(tables, assembly, before[0], reason, after=DISCARDED)
