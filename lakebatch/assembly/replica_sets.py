"""Sets of replicates among the assemblies of an experiment."""

from __future__ import annotations

from collections.abc import Iterable

from lakebatch.assembly.record import UNDECIDED, Assembly
from lakebatch.assembly.replication import ReplicatePlace


def members(assemblies: Iterable[Assembly], of_set: str) -> list[Assembly]:
    """Return the assemblies of a set, by their place in it."""
    found = [(place.index, each) for each in assemblies if (place := each.replicate) and place.set == of_set]
    return [each for _, each in sorted(found, key=lambda pair: (pair[0], pair[1].run_number))]


def decision(of_set: Iterable[Assembly]) -> str | None:
    """Return why a set was ended; None if it was not."""
    found = [place.decision for each in of_set if (place := each.replicate) and place.decision]
    return found[-1] if found else None


def count(of_set: Iterable[Assembly], *statuses: str) -> int:
    """Return the number of replicates with one of these statuses."""
    return sum(each.status in statuses for each in of_set)


def is_unfinished(of_set: list[Assembly]) -> bool:
    """Whether replicates of a set are missing: it was not ended, and no process works on it.

    A set of which every replicate was discarded is not.
    """
    if decision(of_set) is not None or any(each.is_worked_on() for each in of_set):
        return False
    return count(of_set, "completed", *UNDECIDED) > 0


def newest_unfinished(assemblies: list[Assembly]) -> Assembly | None:
    """Return the newest replicate of the newest set of which replicates are missing; None if there is no such set."""
    newest: dict[str, ReplicatePlace] = {}
    for each in reversed(assemblies):
        place = each.replicate
        if place is None or place.set in newest:
            continue
        newest[place.set] = place
        if is_unfinished(members(assemblies, place.set)):
            return each
    return None


def of_sets(assemblies: Iterable[Assembly]) -> dict[str, list[Assembly]]:
    """Return the replicates of each set, by their place in it; the sets in the order of their first assembly."""
    known = list(assemblies)
    ids = dict.fromkeys(place.set for each in known if (place := each.replicate))
    return {each: members(known, each) for each in ids}


def describe(of_set: list[Assembly]) -> str:
    """Return how far a set is, in one line: why it has ended, or the number of completed replicates."""
    (place,) = [each.replicate for each in of_set[:1] if each.replicate]
    of = f"up to {place.of} replicates until {place.until}," if place.until else f"{place.of} replicates"
    others = [f"{n} {each}" for each in ("failed", "discarded") if (n := count(of_set, each))]
    done = ", ".join([f"{count(of_set, 'completed')} of {of} completed", *others])
    ended = decision(of_set)
    return ended or done
