"""Reasons that keep an assembly from being purged: its status, a process at work on it, a tag that needs it."""

from __future__ import annotations

import polars as pl

from lakebatch.assembly.record import Assembly, from_row
from lakebatch.assembly.tables import ExperimentTables
from lakebatch.errors import AssemblyError
from lakebatch.snapshot.moment import Moment
from lakebatch.snapshot.pin import pin


def check_purgeable(experiment: ExperimentTables, assembly: Assembly) -> None:
    """Raise unless an assembly may be purged.

    Raises
    ------
    AssemblyError
        If it is not discarded, a process may still work on it, or a tag has it in its dataset.
    """
    _check_discarded(experiment, assembly)
    _check_idle(experiment, assembly)
    check_untagged(experiment, assembly.assembly_id)


def check_untagged(experiment: ExperimentTables, assembly_id: str) -> None:
    """Raise `AssemblyError` if a tag stands for a state in which the assembly was not discarded yet."""
    tags = [each.tag for each in experiment.tag_log.all() if _needs(experiment, each.tag, assembly_id)]
    if tags:
        noun = "tag" if len(tags) == 1 else "tags"
        raise AssemblyError(
            f"{assembly_id} is in the dataset of the {noun} {', '.join(tags)}, and a tag keeps its dataset for good. "
            "Only assemblies that no tag needs can be purged."
        )


def _check_discarded(experiment: ExperimentTables, assembly: Assembly) -> None:
    if assembly.status != "discarded":
        raise AssemblyError(
            f"{assembly.assembly_id} is {assembly.state}, and only a discarded assembly can be purged. Discard it first "
            f"with: lakebatch discard {experiment.reference} {assembly.assembly_id} --reason TEXT"
        )


def _check_idle(experiment: ExperimentTables, assembly: Assembly) -> None:
    """Raise if a process computed the assembly when it was discarded, and may not have stopped yet."""
    before = experiment.log.events().filter(
        (pl.col("assembly_id") == assembly.assembly_id) & (pl.col("status") != "discarded")
    )
    if before.is_empty():
        return
    last = from_row(before.sort("event").row(-1, named=True), experiment.log.leases())
    running = [each for each in last.workers if each.is_running()]
    if running:
        raise AssemblyError(
            f"{assembly.assembly_id} was discarded while {running[0]} computed it, and that process may still write. "
            f"Try again when it has ended{running[0].hint}."
        )


def _needs(experiment: ExperimentTables, tag: str, assembly_id: str) -> bool:
    last = pin(experiment, Moment(tag=tag)).last_events
    return not last.filter(
        (pl.col("assembly_id") == assembly_id) & (pl.col("status") != "discarded")
    ).is_empty()
