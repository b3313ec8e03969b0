"""Array jobs: several processes that each compute a share of the parts of one assembly.

The ``environment`` of the assembly's events lists the processes under ``shards``. Each event is derived from the one before
it, in a commit that only one process can win, so no process overlooks another.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias, TypeVar

from lakebatch import _process as process
from lakebatch.assembly import labels
from lakebatch.assembly.events import AssemblyLog
from lakebatch.assembly.record import (
    DISCARDED,
    ENDED,
    SHARDS,
    UNDECIDED,
    Assembly,
    Plan,
    Status,
    join_failures,
    now,
)
from lakebatch.assembly.workers import identity
from lakebatch.errors import AssemblyError, ConfigError
from lakebatch.ids import canonical_json, check_no_secret

End: TypeAlias = Literal["done", "interrupted"]
Event: TypeAlias = tuple[Status, dict[str, Any]]
T = TypeVar("T")

FORM = re.compile(r"([0-9]{1,6})/([0-9]{1,6})", re.ASCII)
ARRAY = re.compile(r"[\w.:-]{1,100}", re.ASCII)
ARRAY_VARIABLES = {
    "SLURM_ARRAY_JOB_ID": "slurm",
    "PBS_ARRAY_ID": "pbs",
    "LSB_JOBID": "lsf",
}
"""Environment variables in which a batch system names a task's array, with the name of the system."""


@dataclass(frozen=True)
class Shard:
    """One task of an array: the share of an assembly's parts that it computes.

    Attributes
    ----------
    index, of : int
        1-based shard index, and shard count.
    array : str
        Name that all tasks of the array share, and no other array has.
    """

    index: int
    of: int
    array: str

    @classmethod
    def whole(cls) -> Shard:
        """Return the shard of a process that computes an assembly alone, outside of any array."""
        return cls(1, 1, "")

    @property
    def is_whole(self) -> bool:
        """Whether it is that of no array."""
        return not self.array

    def __str__(self) -> str:
        return f"{self.index}/{self.of}"

    def share(self, parts: Sequence[T]) -> list[T]:
        """Return the parts of this shard: every N-th part, because slow parts are neighbours.

        >>> Shard(2, 3, "a").share(range(8))
        [1, 4, 7]
        """
        return list(parts[self.index - 1 :: self.of])


def parse(text: str, array: str | None = None, environment: Mapping[str, str] = os.environ) -> Shard:
    """Return the shard that is written as ``I/N``; by default the batch system names the array.

    >>> parse("3/8", environment={"SLURM_ARRAY_JOB_ID": "1234"})
    Shard(index=3, of=8, array='slurm-1234')

    Raises
    ------
    ConfigError
        If the string is not I/N with I from 1 to N, or the array has no name.
    """
    match = FORM.fullmatch(text)
    index, of = (int(match[1]), int(match[2])) if match else (0, 0)
    if not 1 <= index <= of:
        raise ConfigError(
            f"shard is {text!r}. Expected I/N with I from 1 to N, e.g. 3/8; number the tasks of an array from 1."
        )
    name = _array(environment) if array is None else array
    if name is None:
        raise ConfigError(
            f"The tasks of an array agree on their assembly by a name, and none of {', '.join(ARRAY_VARIABLES)} is set. "
            "Give each of them the same array=NAME (--array)."
        )
    if not ARRAY.fullmatch(name):
        raise ConfigError(f"array is {name!r}. Expected letters, digits and any of . _ : - without spaces.")
    return Shard(index, of, check_no_secret(name, "array"))


def _array(environment: Mapping[str, str]) -> str | None:
    cluster = environment.get("SLURM_CLUSTER_NAME")
    for variable, system in ARRAY_VARIABLES.items():
        if number := environment.get(variable):
            return "-".join(filter(None, (system, cluster if system == "slurm" else None, number)))
    return None


def begin(
    log: AssemblyLog,
    plan: Plan,
    results_version: int,
    shard: Shard,
    *,
    check: Callable[[Assembly], str | None] = lambda begun: None,
    unless: Callable[[list[Assembly]], None] | None = None,
) -> Assembly:
    """Join the assembly of an array, and return it; the first shard starts it.

    Parameters
    ----------
    check : callable
        Called with an assembly that another shard began; returns a note for the event with which this shard joins. An
        error that it raises keeps this shard from joining.
    unless : callable
        Called with the assemblies before one is begun; an error that it raises keeps this shard from it.

    Raises
    ------
    AssemblyError
        If the array began with another config, or other shards.
    """
    mine = _member(plan.environment)
    first: dict[str, Any] = {"array": shard.array, "of": shard.of, "members": {str(shard.index): mine}}

    def of_this_array(assemblies: list[Assembly]) -> Assembly | None:
        found = next((each for each in reversed(assemblies) if each.array == shard.array), None)
        if found is None and unless is not None:
            unless(assemblies)
        return found

    begun = log.start(
        replace(plan, environment={**plan.environment, SHARDS: first}), results_version, unless=of_this_array
    )
    if begun.event == 0 and _members(begun).get(str(shard.index)) == mine:
        return begun
    if begun.config != canonical_json(plan.config) or begun.parts != plan.parts:
        raise AssemblyError(
            f"The array {shard.array} began {begun.assembly_id} with another config. Give all its tasks the same one."
        )
    if plan.pinned_seed not in (None, begun.seed):
        raise AssemblyError(
            f"The array {shard.array} began {begun.assembly_id} with the seed {begun.seed}, not {plan.pinned_seed}. "
            "Give all its tasks the same one."
        )
    name = plan.environment.get(labels.LABEL)
    if name not in (None, begun.name):
        raise AssemblyError(
            f"The array {shard.array} began {begun.assembly_id} with the name {begun.name!r}, not {name!r}. "
            "Give all its tasks the same one."
        )
    note = check(begun)
    return join(log, begun, shard, code_version=plan.code_version, environment=plan.environment, note=note)


def join(
    log: AssemblyLog,
    assembly: Assembly,
    shard: Shard,
    *,
    code_version: str,
    environment: Mapping[str, Any],
    note: str | None = None,
) -> Assembly:
    """Join an assembly unless it is completed, and return it.

    Raises
    ------
    AssemblyError
        If the array has another shard count, or the assembly is discarded.
    """

    mine = _member(environment)

    def joined(latest: Assembly) -> Event | None:
        if latest.status == "discarded":
            raise AssemblyError(DISCARDED.format(latest.assembly_id))
        if latest.status not in UNDECIDED:
            return None
        known = latest.shards if latest.array == shard.array else {}
        if known and known["of"] != shard.of:
            raise AssemblyError(
                f"The array {shard.array} has {known['of']} shards, not {shard.of}. Give all its tasks the same number."
            )
        members = {**known.get("members", {}), str(shard.index): mine}
        record = {"array": shard.array, "of": shard.of, "members": members}
        return "started", {
            "pid": os.getpid(),
            "error": latest.error,
            "note": note,
            "code_version": code_version,
            "environment": canonical_json(
                {**environment, **labels.lasting(latest.surroundings), SHARDS: record}
            ),
        }

    return log.follow(assembly, joined)


def leave(
    log: AssemblyLog,
    assembly: Assembly,
    shard: Shard,
    end: End,
    reached: Mapping[str, Any],
    failures: Mapping[str, str],
) -> Assembly:
    """Record the end of this shard, unless another process has taken the assembly over."""

    def left(latest: Assembly) -> Event | None:
        if latest.status not in UNDECIDED or latest.array != shard.array:
            return None
        members = _members(latest)
        member = {**members.get(str(shard.index), _member({})), ENDED: end}
        record = {**latest.shards, "members": {**members, str(shard.index): member}}
        return "started", {
            **reached,
            "error": join_failures(_failures_of_others(latest, shard) | dict(failures)),
            "environment": canonical_json({**latest.surroundings, SHARDS: record}),
        }

    return log.follow(assembly, left)


def is_ended(assembly: Assembly, shard: Shard) -> bool:
    """Whether the shards of an assembly have nothing left to do, and its end is not yet recorded."""
    if assembly.status not in UNDECIDED or assembly.array != shard.array:
        return False
    members = _members(assembly)
    all_done = [member[ENDED] for member in members.values()] == ["done"] * shard.of
    return all_done or assembly.parts_done == assembly.parts_planned


def why_missing(assembly: Assembly, part: str) -> str | None:
    """Return the state of the shard that a part belongs to; None if the assembly has no shards."""
    if not assembly.shards:
        return None
    index = assembly.parts.index(part) % assembly.shards["of"] + 1
    member = _members(assembly).get(str(index))
    what = (
        "has not begun"
        if member is None
        else {
            None: f"is at work on {member['host']}, or was killed",
            "done": "has ended",
            "interrupted": "was interrupted",
        }[member[ENDED]]
    )
    return f"shard {index} of {assembly.shards['of']} {what}"


def _failures_of_others(assembly: Assembly, shard: Shard) -> dict[str, str]:
    own = set(shard.share(assembly.parts))
    return {part: why for part, why in assembly.failures.items() if part not in own}


def _members(assembly: Assembly) -> dict[str, Any]:
    return dict(assembly.shards.get("members", {}))


def _member(environment: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "host": process.host(),
        "pid": os.getpid(),
        "since": now().isoformat(),
        **identity(environment.get("lease")),
        ENDED: None,
    }
