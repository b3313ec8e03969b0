"""The place of an assembly in a set of replicates, in the environment of its events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

KEY = "replicates"
"""Key of the environment."""
TYPES: Mapping[str, tuple[type, ...]] = {
    "set": (str,),
    "index": (int,),
    "of": (int,),
    "until": (str, type(None)),
    "group": (str, type(None)),
    "seed": (int, type(None)),
    "decision": (str, type(None)),
}
REQUIRED = ("set", "index", "of")


@dataclass(frozen=True)
class ReplicatePlace:
    """One replicate of a set: independent assemblies of one config, begun one after the other.

    Attributes
    ----------
    set : str
        Id of the set.
    index : int
        Place in the set, from 1.
    of : int
        Number of replicates of the set; with ``until``, the largest number.
    until : str, optional
        Condition under which the set is precise enough, see `lakebatch.analysis.condition`.
    group : str, optional
        The groups that the condition is about, such as ``model=ridge``; all without it.
    seed : int, optional
        Seed from which the seed of each replicate derives; without it, they derive from the config's and the run number.
    decision : str, optional
        Why the set was ended; None as long as replicates may be missing.
    """

    set: str
    index: int
    of: int
    until: str | None = None
    group: str | None = None
    seed: int | None = None
    decision: str | None = None

    def record(self) -> dict[str, Any]:
        """Return the value of the environment's key; fields without a value are left out."""
        return {name: value for name in TYPES if (value := getattr(self, name)) is not None}

    def at(self, index: int) -> ReplicatePlace:
        """Return another place of the same set."""
        return replace(self, index=index, decision=None)

    @property
    def position(self) -> str:
        """The place in the set: ``3 of 10``, or with a condition ``3``."""
        return str(self.index) if self.until else f"{self.index} of {self.of}"

    def __str__(self) -> str:
        return f"replicate {self.position}"


def is_record(record: Any) -> bool:
    """Whether a value of the environment has the form of `ReplicatePlace.record`."""
    if not isinstance(record, dict) or not all(name in record for name in REQUIRED):
        return False
    return all(isinstance(record.get(name), kinds) for name, kinds in TYPES.items() if name in record)


def from_record(record: Mapping[str, Any]) -> ReplicatePlace:
    """Return the place that an event records."""
    return ReplicatePlace(**{name: record[name] for name in TYPES if name in record})
