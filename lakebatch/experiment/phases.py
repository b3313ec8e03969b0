"""What an experiment is doing before its first rows, for the display of a run; no row depends on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True)
class Phase:
    """What a process is doing, and how much of it is done where that is known.

    >>> str(Phase("simulating 1,000 patients")), str(Phase("simulating 5,000 patients", 2000, 5000))
    ('simulating 1,000 patients', 'simulating 5,000 patients: 2,000 of 5,000')
    """

    text: str
    done: int | None = None
    total: int | None = None

    def __str__(self) -> str:
        if self.done is None or self.total is None:
            return self.text
        return f"{self.text}: {self.done:,} of {self.total:,}"


Listener = Callable[[Phase], None]
_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


def report_phase(text: str, done: int | None = None, total: int | None = None) -> None:
    """Tell the displays of a run what takes long, e.g. ``report_phase("simulating 1,000 patients", 300, 1000)``.

    It is shown until the first rows are there, and does nothing outside of a run.
    """
    listener = _listener.get()
    if listener is not None:
        listener(Phase(text, done, total))


@contextmanager
def reported_to(listener: Listener) -> Iterator[None]:
    """Have a listener called with each phase that is reported within the block, in this thread."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)
