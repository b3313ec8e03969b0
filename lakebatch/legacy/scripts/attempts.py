"""Attempts at an assembly, by the id that older callers give it."""

from __future__ import annotations

from collections.abc import Sequence

from lakebatch.assembly.record import Assembly
from lakebatch.errors import AssemblyError
from lakebatch.lake.experiment import StoredExperiment
from lakebatch.legacy.frames.record import ORIGINAL_IDS, original_ids, plan_assembly

MADE_BY = "create_batch_executor"


def find(assemblies: Sequence[Assembly], wanted: str) -> Assembly | None:
    """Return the newest assembly of an id; completed ones come first, discarded ones are left out."""
    return max(_all(assemblies, wanted), key=_rank, default=None)


def begin(stored: StoredExperiment, wanted: str | None, lease: str | None) -> Assembly:
    """Begin an assembly and discard earlier attempts at it; if one is completed, return that instead.

    Raises
    ------
    AssemblyError
        If another process works on it.
    """

    def serves(assemblies: list[Assembly]) -> Assembly | None:
        found = find(assemblies, wanted) if wanted else None
        if found and found.status != "completed":
            _check_free(found)
            return None
        return found

    details = {ORIGINAL_IDS: [wanted]} if wanted else {}
    begun = stored.log.start(
        plan_assembly(MADE_BY, details, lease=lease), stored.results.version(), unless=serves
    )
    if wanted:
        _discard_others(stored, wanted, begun)
    return begun


def by_original_id(assemblies: Sequence[Assembly]) -> dict[str, Assembly]:
    """Return the result of `find` for each id, in the order in which the ids were begun."""
    chosen: dict[str, Assembly] = {}
    for each in assemblies:
        for wanted in original_ids(each) if each.status != "discarded" else ():
            chosen[wanted] = max(chosen.get(wanted, each), each, key=_rank)
    return chosen


def _all(assemblies: Sequence[Assembly], wanted: str) -> list[Assembly]:
    return [
        each
        for each in assemblies
        if each.status != "discarded" and wanted in (each.assembly_id, *original_ids(each))
    ]


def _rank(assembly: Assembly) -> tuple[bool, int]:
    return assembly.status == "completed", assembly.run_number


def _check_free(assembly: Assembly) -> None:
    if any(each.is_running() and not each.is_this_process for each in assembly.workers):
        raise AssemblyError(
            f"{', '.join(original_ids(assembly))} is being worked on by process {assembly.pid} on {assembly.host}. "
            "Wait for it, or stop it."
        )


def _discard_others(stored: StoredExperiment, wanted: str, begun: Assembly) -> None:
    for each in _all(stored.log.latest(), wanted):
        if each.run_number < begun.run_number and each.status != "completed":
            stored.log.record(each, "discarded", error=f"begun again as {begun.assembly_id}")
