"""Rate of a run and its remaining time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from lakebatch.assembly.lease import Note
from lakebatch.executor.progress import Counters

MIN_SECONDS = 2.0  # of work before the rate is known, since work is counted in batches


@dataclass
class Throughput:
    """Work done by one process on an assembly, of a total, and its rate.

    The rate counts from the first finished work: compiling and the simulation of a cohort come before it, once.
    """

    total: int
    amount: int = 0
    _first: tuple[float, int] | None = None

    def record(self, amount: int, at: float) -> None:
        """Record the amount of finished work."""
        self.amount = amount
        if amount and self._first is None:
            self._first = (at, amount)

    @property
    def has_begun(self) -> bool:
        """Whether any work is finished."""
        return self._first is not None

    def rate(self, at: float) -> float | None:
        """Return the finished work per second; None until it can be known."""
        if self._first is None:
            return None
        seconds, done = at - self._first[0], self.amount - self._first[1]
        return None if seconds < MIN_SECONDS or not done else done / seconds

    def seconds_left(self, at: float) -> float | None:
        """Return the estimated time for the rest; None until the rate is known."""
        rate = self.rate(at)
        return None if rate is None else max(self.total - self.amount, 0) / rate


def note_taker(counters: Counters, total: int, unit: str) -> Callable[[], Note]:
    """Return a function that returns how far a process is, for its lease."""
    throughput = Throughput(total)

    def note() -> Note:
        at = time.monotonic()
        throughput.record(counters.total(), at)
        phase = "" if throughput.has_begun else str(counters.phase() or "")
        return Note(phase, throughput.amount, total, unit, throughput.rate(at), throughput.seconds_left(at))

    return note
