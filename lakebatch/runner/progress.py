"""Progress of a run: hooks that the command line overrides, by default without effect."""

from __future__ import annotations

from dataclasses import dataclass

from lakebatch.assembly.record import Assembly
from lakebatch.executor.counters import Counters
from lakebatch.executor.worker import Outcome


@dataclass(frozen=True)
class Work:
    """Amount of pending work, its unit, and the number of parts, including those done before."""

    amount: int
    unit: str
    parts: int


class Progress:
    """Hooks of a run; a subclass overrides those that it needs."""

    def started(self, assembly: Assembly, done: int, work: Work, counters: Counters) -> None:
        """Called when an assembly starts or resumes, with the number of parts done before and the pending work."""

    def part_committed(self, outcome: Outcome, rows: int) -> None:
        """Called when the rows of a part are committed."""

    def part_failed(self, outcome: Outcome) -> None:
        """Called when a part has failed."""

    def wants_to_stop(self) -> bool:
        """Return whether to start no more parts; parts in progress are still committed."""
        return False

    def ended(self) -> None:
        """Called after the last part."""
