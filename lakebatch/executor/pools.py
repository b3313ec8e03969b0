"""Pools of worker processes on this machine: one for each assembly, or one that several assemblies share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from loky import ProcessPoolExecutor

from lakebatch._text import known_secrets
from lakebatch.executor import worker
from lakebatch.experiment.guest import THREADS

ONE_THREAD = dict.fromkeys((*THREADS, "NUMBA_NUM_THREADS", "POLARS_MAX_THREADS"), "1")


class Pools(Protocol):
    """Gives pools of worker processes, and takes them back."""

    def take(self, jobs: int, parts: int) -> ProcessPoolExecutor:
        """Return a pool of ``jobs`` processes, or fewer if there are fewer parts."""

    def give_back(self, pool: ProcessPoolExecutor, *, is_busy: bool) -> None:
        """Take back a pool; with ``is_busy``, its workers compute what nobody waits for, or have died."""


class FreshPools:
    """A new pool every time."""

    def take(self, jobs: int, parts: int) -> ProcessPoolExecutor:
        """Return a new pool."""
        return new_pool(max(1, min(jobs, parts)))

    def give_back(self, pool: ProcessPoolExecutor, *, is_busy: bool) -> None:
        """End its workers."""
        pool.shutdown(wait=True, kill_workers=is_busy)


class KeptPool:
    """One pool for several assemblies, which do not pay the start of its workers again."""

    def __init__(self) -> None:
        self._pool: ProcessPoolExecutor | None = None

    def take(self, jobs: int, parts: int) -> ProcessPoolExecutor:
        """Return the pool; a new one at first, and after one that was busy."""
        if self._pool is None:
            self._pool = new_pool(jobs)
        return self._pool

    def give_back(self, pool: ProcessPoolExecutor, *, is_busy: bool) -> None:
        """Keep the pool, unless its workers are busy or have died."""
        if is_busy:
            self.end(kill=True)

    def end(self, *, kill: bool = False) -> None:
        """End the workers."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=True, kill_workers=kill)


@contextmanager
def kept_pool() -> Iterator[KeptPool]:
    """Yield a pool that is ended with the context."""
    pools = KeptPool()
    try:
        yield pools
    finally:
        pools.end()


def new_pool(jobs: int) -> ProcessPoolExecutor:
    """Return a pool of worker processes that end with this process."""
    return ProcessPoolExecutor(
        jobs, initializer=worker.initialize, initargs=(os.getpid(), known_secrets()), env=ONE_THREAD
    )
