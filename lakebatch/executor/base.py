"""What every executor does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from lakebatch.executor.worker import Job, Outcome
from lakebatch.experiment.contract import Part
from lakebatch.experiment.registry import Source

POLL_SECONDS = 0.5
"""Longest wait in one go: polars has the system restart a wait that Ctrl-C breaks off, so it is heard in between."""
DIED = (
    "WorkerDied: the process that computed the part was killed, often for want of memory. Try fewer --jobs."
)


class Executor(Protocol):
    """Computes the parts of assemblies; it writes nothing to a lake."""

    def describe(self) -> str:
        """Return where parts are computed, in words."""

    def check(self, source: Source) -> None:
        """Refuse, before anything is recorded, workers that could not compute an experiment as this process would."""

    def execute(self, job: Job, parts: Sequence[Part], stop: Callable[[], bool]) -> Iterator[Outcome]:
        """Yield the outcome of each part as soon as it is there, in any order.

        Once ``stop`` says so no more parts are begun, and those that were end.
        """


def never() -> bool:
    """Return that nobody wants to stop."""
    return False
