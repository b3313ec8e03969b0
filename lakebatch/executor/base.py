"""Interface of all executors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from lakebatch.executor.worker import Job, Outcome
from lakebatch.experiment.contract import Part
from lakebatch.experiment.registry import Source

POLL_SECONDS = 0.5
# Max duration of one wait. polars makes the system restart waits that Ctrl-C interrupts, so it is only noticed between two.
DIED = "WorkerDied: the process that computed the part was killed, often for want of memory. Try a smaller jobs=N (--jobs)."


class Executor(Protocol):
    """Computes the parts of assemblies, and writes nothing to a lake."""

    def describe(self) -> str:
        """Return where parts are computed, for people."""

    def check(self, source: Source, *, accept_changes: bool = False) -> list[dict[str, str]]:
        """Raise, before anything is recorded, if the workers could not compute an experiment as this process does.

        With ``accept_changes``, workers may have other versions of packages that rows depend on. Then all different sets
        of versions among the workers are returned, see `lakebatch.experiment.provenance.row_versions`; else none.
        """

    def execute(self, job: Job, parts: Sequence[Part], stop: Callable[[], bool]) -> Iterator[Outcome]:
        """Yield the outcome of each part as soon as it has one, in any order.

        Once ``stop`` returns True no more parts are started; those in progress still end.
        """


def never_stop() -> bool:
    """Return False: compute all parts."""
    return False
