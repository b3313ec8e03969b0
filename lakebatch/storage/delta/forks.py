"""Refusal to read in a process forked from one that has read: its engines would wait for threads that it lacks."""

from __future__ import annotations

import os
import re
from pathlib import Path

from lakebatch.errors import ForkError

THREAD = re.compile(r"polars-\d")
"""Names of the threads that polars computes in, as Linux shows them; they start with the first computation."""
TASKS = Path("/proc/self/task")


class _Engines:
    """Whether polars or deltalake was called, in this process or in the one that it was forked from."""

    called = False
    lost = False


def check() -> None:
    """Note that an engine is called.

    Raises
    ------
    ForkError
        If this process was forked from one whose engines had been called.
    """
    if _Engines.lost:
        raise ForkError(
            "This process was forked from one that had used polars or read a lake, where reading would wait for ever. Start "
            "processes with multiprocessing.get_context('spawn') or 'forkserver', or fork before anything is read."
        )
    _Engines.called = True


def _before_fork() -> None:
    _Engines.called |= _polars_has_computed()


def _after_fork() -> None:
    _Engines.lost = _Engines.called


def _polars_has_computed() -> bool:
    """Whether polars has started threads, even if no lake was read; false if the system does not show threads."""
    try:
        return any(THREAD.match(Path(task, "comm").read_text()) for task in TASKS.iterdir())
    except OSError:
        return False


os.register_at_fork(before=_before_fork, after_in_child=_after_fork)
