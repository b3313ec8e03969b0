"""Executor for this process, or for worker processes of this machine."""

from __future__ import annotations

import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from multiprocessing import resource_tracker
from numbers import Integral

from loky import cpu_count
from loky.process_executor import TerminatedWorkerError

from lakebatch.errors import ConfigError
from lakebatch.executor import worker
from lakebatch.executor.base import DIED, POLL_SECONDS, Executor, never_stop
from lakebatch.executor.pools import FreshPools, Pools, kept_pool
from lakebatch.executor.progress import PhaseFile
from lakebatch.executor.worker import Job, Outcome
from lakebatch.experiment.contract import Part
from lakebatch.experiment.guest import thread_variables
from lakebatch.experiment.phases import Phase
from lakebatch.experiment.registry import Source
from lakebatch.settings import require_working_folder

IndexedPart = tuple[int, Part]
LostParts = tuple[list[IndexedPart], list[IndexedPart]]


@dataclass(frozen=True)
class Local:
    """Worker processes of this machine; with ``jobs=1`` this process itself computes.

    A part whose worker process dies is computed once more in a process of its own. If that dies too, the part has
    failed; the other parts are not affected.
    """

    jobs: int
    pools: Pools = field(default_factory=FreshPools, compare=False, repr=False)

    @classmethod
    def of(cls, jobs: int | None) -> Local:
        """Return an executor with a number of processes, by default one per available processor.

        Raises
        ------
        ConfigError
            If the number is less than one.
        """
        if jobs is not None and (not isinstance(jobs, Integral) or jobs < 1):
            raise ConfigError(f"jobs is {jobs!r}. Expected 1 or more worker processes.")
        return cls(jobs or default_jobs())

    def describe(self) -> str:
        """Return the number of processes, for people."""
        return "this process" if self.jobs == 1 else f"{self.jobs} processes"

    def check(self, source: Source, *, accept_changes: bool = False) -> list[dict[str, str]]:
        """Raise if the working directory no longer exists, because no worker process could start in it.

        Worker processes are of this installation, so none has other versions.
        """
        if self.jobs > 1:
            require_working_folder()
        return []

    def execute(
        self, job: Job, parts: Sequence[Part], stop: Callable[[], bool] = never_stop
    ) -> Iterator[Outcome]:
        """Yield the outcome of each part, see `Executor`."""
        indexed = list(enumerate(parts))
        if self.jobs == 1:
            yield from _in_process(job, indexed, stop)
            return
        lost = yield from _in_pool(job, indexed, self.jobs, stop, self.pools)
        while lost and not stop():
            suspects, untouched = lost
            for suspect in suspects:
                yield from _isolated(job, suspect)
            lost = yield from _in_pool(job, untouched, self.jobs, stop, self.pools)


@contextmanager
def kept(executor: Executor) -> Iterator[Executor]:
    """Yield an executor for several assemblies: on this machine, they share one pool of worker processes."""
    if not isinstance(executor, Local):
        yield executor
        return
    with kept_pool() as pools:
        yield replace(executor, pools=pools)


def default_jobs() -> int:
    """Return the number of processors available to this process: its container's share, or LOKY_MAX_CPU_COUNT if less."""
    return int(cpu_count())


def _in_process(job: Job, parts: Sequence[IndexedPart], stop: Callable[[], bool]) -> Iterator[Outcome]:
    with thread_variables():
        try:
            for index, part in parts:
                if stop():
                    return
                yield worker.compute(job, part, index)
        finally:
            worker.forget()


def _isolated(job: Job, indexed: IndexedPart) -> Iterator[Outcome]:
    """Compute one part in a process of its own, so that its death is the part's fault."""
    lost = yield from _in_pool(job, [indexed], 1, never_stop, FreshPools())
    if lost:
        yield Outcome(indexed[1], error=DIED)


def _in_pool(
    job: Job, parts: Sequence[IndexedPart], jobs: int, stop: Callable[[], bool], pools: Pools
) -> Generator[Outcome, None, LostParts | None]:
    """Yield outcomes from worker processes; if one dies, return the parts that were running and those that were not."""
    waiting = deque(parts)
    running: dict[Future[Outcome], IndexedPart] = {}
    PhaseFile(job.scratch).write(Phase(f"starting {min(jobs, len(parts))} worker processes"))
    pool = pools.take(jobs, len(parts))

    def submit() -> None:
        """Submit at most one part per worker, so that a death can only have lost running parts."""
        while waiting and len(running) < jobs and not stop():
            index, part = waiting[0]
            with hold_interrupts():
                future = pool.submit(worker.compute_and_log, job, part, index)
            running[future] = waiting.popleft()

    try:
        while running or (waiting and not stop()):
            submit()
            stop()  # may raise, so that a long wait can be ended
            done, _ = wait(running, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
            ended = [future for future in done if not isinstance(future.exception(), TerminatedWorkerError)]
            outcomes = [_outcome(future, running.pop(future)[1]) for future in ended]
            try:
                if len(ended) == len(done):
                    submit()  # before the outcomes are committed, so that no worker waits for that
            finally:
                yield from outcomes  # also if submit() raises: they must not be lost
            if len(ended) < len(done):
                return list(running.values()), list(waiting)
    except TerminatedWorkerError:  # a worker died idle, and the pool refuses more parts
        return [], [*running.values(), *waiting]
    finally:
        pools.give_back(pool, is_busy=bool(running or waiting))
    return None


@contextmanager
def hold_interrupts() -> Iterator[None]:
    """Delay Ctrl-C for this thread, and block it in the workers that it starts, which inherit the signal mask."""
    if sys.platform == "win32":  # runs are refused there
        raise NotImplementedError
    resource_tracker.ensure_running()  # else it starts with the first worker, and unblocks the signal again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        with _delay_handlers():
            yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _delay_handlers() -> Iterator[None]:
    """Delay the handlers of Ctrl-C and SIGTERM, because another thread can receive the signal."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread runs signal handlers
        return
    received: list[int] = []
    before_handlers = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    handlers = {each: handler for each, handler in before_handlers.items() if callable(handler)}
    for each in handlers:
        signal.signal(each, lambda number, _: received.append(number))
    try:
        yield
    finally:
        for each, handler in handlers.items():
            signal.signal(each, handler)
        for number in received:
            signal.raise_signal(number)


def _outcome(future: Future[Outcome], part: Part) -> Outcome:
    """Return the outcome, or a failure if the outcome could not be sent between the processes."""
    error = future.exception()
    if error is not None:
        return Outcome(part, error=f"{type(error).__name__}: {error}")
    outcome = future.result()
    worker.log_again(outcome.records, part)
    return outcome
