"""Claims of the assemblies of a sweep: which point and replicate each computes, decided in the commit that begins it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import polars as pl

from lakebatch.assembly.labels import SWEEP
from lakebatch.assembly.lease import Leases
from lakebatch.assembly.record import Assembly, InUseError, from_rows, last_events
from lakebatch.assembly.sweeps import Sweep, SweepPoint
from lakebatch.errors import AssemblyError

DONE, RUNNING, FAILED, INTERRUPTED, MISSING = STATES = ("done", "running", "failed", "interrupted", "missing")
"""The states of a replicate of a point."""
STATE_OF = {"completed": DONE, "running": RUNNING, "failed": FAILED, "interrupted": INTERRUPTED}
DROPPED = "dropped"
"""The state of a point that an edit has taken out of the plan."""


@dataclass(frozen=True)
class Claim:
    """One replicate of one point, as the environment of its assembly records it.

    Attributes
    ----------
    keys : tuple of str
        The swept keys, which are expected to differ between assemblies of one sweep.
    """

    sweep: str
    point: int
    replicate: int
    keys: tuple[str, ...] = ()

    def record(self) -> dict[str, Any]:
        """Return the entry of the environment."""
        return {"id": self.sweep, "point": self.point, "replicate": self.replicate, "keys": list(self.keys)}

    def holder(self, assemblies: Iterable[Assembly]) -> Assembly | None:
        """Return the assembly that computes or has computed this; a completed one if there are several."""
        found = [each for each in assemblies if self.is_of(each)]
        return min(found, key=lambda each: (each.status != "completed", -each.run_number), default=None)

    def is_of(self, assembly: Assembly) -> bool:
        """Whether an assembly is of this point and replicate, and not discarded."""
        if assembly.status == "discarded" or f'"{self.sweep}"' not in assembly.environment:
            return False
        found = assembly.sweep or {}
        return (found.get("id"), found.get("point"), found.get("replicate")) == (
            self.sweep,
            self.point,
            self.replicate,
        )

    def refuse_taken(self, assemblies: Iterable[Assembly]) -> None:
        """Raise `InUseError` if another process has begun this."""
        if taken := self.holder(assemblies):
            raise InUseError(f"{taken.assembly_id} is of this point and replicate of the sweep {self.sweep}.")


@dataclass(frozen=True)
class Replicate:
    """One replicate of one point of a sweep, and the assembly that computes it, if it has begun."""

    point: SweepPoint
    number: int
    assembly: Assembly | None
    claim: Claim

    @property
    def state(self) -> str:
        """One of `STATES`."""
        return MISSING if self.assembly is None else STATE_OF[self.assembly.state]

    @property
    def may_begin(self) -> bool:
        """Whether a process that does what is missing takes it."""
        return self.state not in (DONE, RUNNING)


def replicates(sweep: Sweep, assemblies: Iterable[Assembly], *, dropped: bool = False) -> list[Replicate]:
    """Return each replicate of each point of a sweep, in order.

    With ``dropped``, replicates of dropped points that have an assembly are among them.
    """
    held: dict[tuple[int, int], list[Assembly]] = {}
    for each in assemblies:
        if each.sweep is not None and each.sweep["id"] == sweep.name and each.status != "discarded":
            held.setdefault((each.sweep["point"], each.sweep["replicate"]), []).append(each)
    found = []
    for point in sweep.points if dropped else sweep.planned:
        begun = [replicate for number, replicate in held if number == point.number]
        for number in range(1, max([sweep.replicates, *(begun if dropped else ())]) + 1):
            claim = Claim(sweep.name, point.number, number, sweep.keys)
            assembly = claim.holder(held.get((point.number, number), []))
            if assembly is not None or not (point.dropped or number > sweep.replicates):
                found.append(Replicate(point, number, assembly, claim))
    return found


def check_free(assembly: Assembly, assemblies: Iterable[Assembly]) -> None:
    """Raise `AssemblyError` if an assembly is of a sweep and another one has taken its place."""
    if (place := assembly.sweep) is None:
        return
    claim = Claim(place["id"], place["point"], place["replicate"])
    taken = claim.holder(each for each in assemblies if each.assembly_id != assembly.assembly_id)
    if taken is not None:
        raise AssemblyError(
            f"{taken.assembly_id} has taken the place of {assembly.assembly_id} in the sweep {claim.sweep}: replicate "
            f"{claim.replicate} of point {claim.point}. Discard that one first."
        )


def assemblies_of(sweep: str, events: pl.DataFrame, leases: Leases | None = None) -> list[Assembly]:
    """Return the assemblies of a sweep, discarded ones included, by run number."""
    return from_rows(last_events(events).filter(is_of(sweep)), leases)


def is_of(sweep: str) -> pl.Expr:
    """Return whether an event is of an assembly of a sweep."""
    return pl.col("environment").str.json_path_match(f"$.{SWEEP}.id") == sweep


def counts(found: Iterable[Replicate]) -> dict[str, int]:
    """Return the number of replicates in each state."""
    states = [each.state for each in found]
    return {each: states.count(each) for each in STATES}
