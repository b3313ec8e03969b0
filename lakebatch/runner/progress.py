"""What is told how a run goes; the command line shows it, by default nobody looks."""

from __future__ import annotations

from dataclasses import dataclass

from lakebatch.assembly.record import Assembly
from lakebatch.executor.counters import Counters
from lakebatch.executor.worker import Outcome


@dataclass(frozen=True)
class Work:
    """How much is to be done, what it is counted in, and how many parts it comes in, those done before included."""

    amount: int
    unit: str
    parts: int


class Progress:
    """Listens to a run; a subclass overrides what it wants to know."""

    def started(self, assembly: Assembly, done: int, work: Work, counters: Counters) -> None:
        """Hear that an assembly begins, or goes on, with so many parts done and so much work ahead."""

    def part_committed(self, outcome: Outcome, rows: int) -> None:
        """Hear that the rows of a part are in the table."""

    def part_failed(self, outcome: Outcome) -> None:
        """Hear that a part could not be computed."""

    def wants_to_stop(self) -> bool:
        """Say whether no more parts are to be begun; what is being computed is still committed."""
        return False

    def ended(self) -> None:
        """Hear that nothing more will come."""
