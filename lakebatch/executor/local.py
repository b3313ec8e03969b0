"""Parts in this process, or in worker processes of this machine."""

from __future__ import annotations

import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import resource_tracker

from loky import ProcessPoolExecutor, cpu_count
from loky.process_executor import TerminatedWorkerError

from lakebatch._secrets import known_secrets
from lakebatch.errors import ConfigError
from lakebatch.executor import worker
from lakebatch.executor.base import DIED, POLL_SECONDS, never
from lakebatch.executor.worker import Job, Outcome
from lakebatch.experiment.contract import Part
from lakebatch.experiment.registry import Source
from lakebatch.settings import require_working_folder

Numbered = tuple[int, Part]
Lost = tuple[list[Numbered], list[Numbered]]

ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "POLARS_MAX_THREADS"),
    "1",
)


@dataclass(frozen=True)
class Local:
    """So many worker processes of this machine; a single one is this process itself.

    A part whose worker process dies is tried once more on its own; if it dies again, the part has
    failed and the others go on.
    """

    jobs: int

    @classmethod
    def of(cls, jobs: int | None) -> Local:
        """Return an executor with so many processes; one for each processor that may be used, without a number.

        Raises
        ------
        ConfigError
            If that is less than one.
        """
        if jobs is not None and jobs < 1:
            raise ConfigError(f"jobs is {jobs}. Expected 1 or more worker processes.")
        return cls(jobs or default_jobs())

    def describe(self) -> str:
        """Return how many processes there are."""
        return "this process" if self.jobs == 1 else f"{self.jobs} processes"

    def check(self, source: Source) -> None:
        """Refuse only a working directory that is gone, in which no worker process starts; they have all this one has."""
        if self.jobs > 1:
            require_working_folder()

    def execute(self, job: Job, parts: Sequence[Part], stop: Callable[[], bool] = never) -> Iterator[Outcome]:
        """Yield the outcome of each part, see `Executor`."""
        numbered = list(enumerate(parts))
        if self.jobs == 1:
            yield from _here(job, numbered, stop)
            return
        lost = yield from _pooled(job, numbered, self.jobs, stop)
        while lost and not stop():
            suspects, untouched = lost
            for suspect in suspects:
                yield from _alone(job, suspect)
            lost = yield from _pooled(job, untouched, self.jobs, stop)


def default_jobs() -> int:
    """Return how many processors this process may use, within a container's share; LOKY_MAX_CPU_COUNT allows fewer."""
    return int(cpu_count())


def _here(job: Job, parts: Sequence[Numbered], stop: Callable[[], bool]) -> Iterator[Outcome]:
    try:
        for index, part in parts:
            if stop():
                return
            yield worker.compute(job, part, index)
    finally:
        worker.forget()


def _alone(job: Job, numbered: Numbered) -> Iterator[Outcome]:
    """Compute one part in a process of its own, which it alone can bring down."""
    lost = yield from _pooled(job, [numbered], 1, never)
    if lost:
        yield Outcome(numbered[1], error=DIED)


def _pooled(
    job: Job, parts: Sequence[Numbered], jobs: int, stop: Callable[[], bool]
) -> Generator[Outcome, None, Lost | None]:
    """Yield outcomes from worker processes; return what was running and what was not if one died."""
    waiting = deque(parts)
    running: dict[Future[Outcome], Numbered] = {}
    pool = ProcessPoolExecutor(
        max(1, min(jobs, len(parts))),
        initializer=worker.initialize,
        initargs=(os.getpid(), known_secrets()),
        env=ONE_THREAD,
    )

    def hand_out() -> None:
        """Hand out no more than there are workers, so that what runs is what a death can have lost."""
        while waiting and len(running) < jobs and not stop():
            index, part = waiting[0]
            with hold_interrupts():
                future = pool.submit(worker.compute, job, part, index)
            running[future] = waiting.popleft()

    try:
        while running or (waiting and not stop()):
            hand_out()
            stop()  # which raises when it has waited long enough
            done, _ = wait(running, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
            ended = [future for future in done if not isinstance(future.exception(), TerminatedWorkerError)]
            outcomes = [_outcome(future, running.pop(future)[1]) for future in ended]
            try:
                if len(ended) == len(done):
                    hand_out()  # before the outcomes are dealt with, so that no worker waits for that
            finally:
                yield from outcomes  # whatever came in between, they are not lost
            if len(ended) < len(done):
                return list(running.values()), list(waiting)
    except TerminatedWorkerError:  # a worker died idle, and the pool took no more
        return [], [*running.values(), *waiting]
    finally:
        pool.shutdown(wait=True, kill_workers=bool(running or waiting))
    return None


@contextmanager
def hold_interrupts() -> Iterator[None]:
    """Hold Ctrl-C back from this thread and from the workers that it starts, who inherit that; it is not lost."""
    resource_tracker.ensure_running()  # it would be started with the first worker, and let them through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        with _handlers_held():
            yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _handlers_held() -> Iterator[None]:
    """Hold back what this thread does at Ctrl-C and SIGTERM, which another thread can have received, until afterwards."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread acts on signals
        return
    heard: list[int] = []
    both = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    handlers = {each: handler for each, handler in both.items() if callable(handler)}
    for each in handlers:
        signal.signal(each, lambda number, _: heard.append(number))
    try:
        yield
    finally:
        for each, handler in handlers.items():
            signal.signal(each, handler)
        for number in heard:
            signal.raise_signal(number)


def _outcome(future: Future[Outcome], part: Part) -> Outcome:
    """Return the outcome, or the part's failure where its rows could not be sent from process to process."""
    error = future.exception()
    return future.result() if error is None else Outcome(part, error=f"{type(error).__name__}: {error}")
