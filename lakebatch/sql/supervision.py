"""Limits of a query: the engine works in a second thread, so that Ctrl-C, time and memory can end it."""

from __future__ import annotations

import atexit
import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from math import inf
from numbers import Real
from pathlib import Path
from threading import Thread
from typing import Any, NoReturn, TypeVar

import duckdb

from lakebatch.errors import ConfigError, LimitError

Result = TypeVar("Result")

POLL_SECONDS = 0.1
# How long an interrupted engine may take to end; while it computes one value it ignores interrupts for minutes
GRACE_SECONDS = 0.8
MEMORY = "50%"
"""Fraction of the memory of the machine, or of its container."""
SIZE = re.compile(r"(?P<number>\d+(\.\d+)?)\s*(?P<unit>%|[KMGT]i?B)", re.IGNORECASE)
UNITS = {"%": "%", **{f"{letter}{i}b".lower(): f"{letter}{i}B" for letter in "KMGT" for i in ("", "i")}}
# First letters of the engine's memory units, each 1024 times the one before
BINARY = "bKMGTP"
# Factor on the memory limit for the whole process: the engine counts neither its result nor long single values
MEMORY_HEADROOM = 1.5
STATUS = Path("/proc/self/statm")
# The engine's error for a signal while it works in the main thread
INTERRUPTED = "Query interrupted"


@dataclass(frozen=True)
class Limits:
    """Time and memory limits of a query.

    Attributes
    ----------
    seconds : float
        Maximum duration in s.
    memory : str
        Maximum memory, e.g. ``4GB`` or ``50%``.
    """

    seconds: float = inf
    memory: str = MEMORY

    def __post_init__(self) -> None:
        if not isinstance(self.seconds, Real) or not self.seconds > 0:
            raise ConfigError(f"A timeout of {self.seconds} s is not possible. Expected more than 0.")
        if not isinstance(self.memory, str) or not SIZE.fullmatch(self.memory):
            raise ConfigError(f"{self.memory!r} is no amount of memory. Expected e.g. 4GB, 500MB or 50%.")

    def apply(self, connection: duckdb.DuckDBPyConnection) -> float:
        """Set the memory limit of a connection, and return it in bytes."""
        match = SIZE.fullmatch(self.memory)
        assert match is not None
        connection.execute(f"SET memory_limit = '{match['number']}{UNITS[match['unit'].lower()]}'")
        ((known,),) = connection.execute("SELECT current_setting('memory_limit')").fetchall()
        number, unit = known.split()
        return float(number) * float(1024 ** BINARY.index(unit[0]))


def limits(seconds: float | None = None, memory: str | None = None) -> Limits:
    """Return the limits of a query, with defaults."""
    return Limits(inf if seconds is None else seconds, MEMORY if memory is None else memory)


@dataclass(frozen=True)
class _Abandoned:
    thread: Thread
    scratch: Path


_abandoned: list[_Abandoned] = []


@dataclass(frozen=True)
class Supervisor:
    """Runs the work of one connection within its limits.

    Attributes
    ----------
    opened : ExitStack
        Closed after the work: the connection and its temporary folder.
    bytes : float
        The memory limit of the connection.
    """

    connection: duckdb.DuckDBPyConnection
    opened: ExitStack
    scratch: Path
    limits: Limits
    bytes: float

    def run(self, work: Callable[[], Result], deadline: float) -> Result:
        """Return the result of the work; end it on Ctrl-C, at the deadline and above the memory limit.

        If the engine does not end, its thread is abandoned, and closes the connection when it ends.

        Raises
        ------
        LimitError
            If it exceeds its time or memory.
        """
        future: Future[Result] = Future()
        thread = Thread(target=_work, args=(future, work), daemon=True)
        max_bytes = _memory() + MEMORY_HEADROOM * self.bytes
        thread.start()
        try:
            while not wait([future], POLL_SECONDS).done:
                self._check(deadline, max_bytes)
        except BaseException:
            if not self._ended(future):
                self._abandon(thread, future)
            raise
        return future.result()

    def is_abandoned(self) -> bool:
        """Whether the connection still works on an abandoned query."""
        return any(each.scratch == self.scratch for each in _abandoned)

    def _check(self, deadline: float, max_bytes: float) -> None:
        if time.monotonic() > deadline:
            raise LimitError(
                f"The query took longer than {self.limits.seconds:g} s and was ended. Allow more with timeout=SECONDS "
                "(--timeout)"
            )
        if _memory() > max_bytes:
            raise LimitError(
                f"The query needs more memory than {self.limits.memory} and was ended. Ask for fewer rows, or allow "
                "more with memory_limit='8GB' (--memory 8GB)"
            )

    def _ended(self, future: Future[Any]) -> bool:
        """Interrupt the engine repeatedly, since an interrupt before the query begins is lost."""
        latest = time.monotonic() + GRACE_SECONDS
        while time.monotonic() < latest:
            self.connection.interrupt()
            if wait([future], POLL_SECONDS).done:
                return True
        return False

    def _abandon(self, thread: Thread, future: Future[Any]) -> None:
        later = self.opened.pop_all()
        if not _abandoned:
            atexit.register(_wait)
        _abandoned.append(_Abandoned(thread, self.scratch))
        future.add_done_callback(lambda _: later.close())


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise KeyboardInterrupt on Ctrl-C while the engine works in this thread; it raises another error."""
    try:
        yield
    except RuntimeError as error:
        if str(error) != INTERRUPTED:
            raise
        raise KeyboardInterrupt from error


def is_busy() -> bool:
    """Whether an abandoned query still runs."""
    return any(each.thread.is_alive() for each in _abandoned)


def leave(code: int) -> NoReturn:
    """End the process while abandoned queries still run, which would delay a normal exit, or crash it."""
    for each in _abandoned:
        shutil.rmtree(each.scratch, ignore_errors=True)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(code)


def _work(future: Future[Result], work: Callable[[], Result]) -> None:
    try:
        future.set_result(work())
    except BaseException as error:  # noqa: BLE001 - raised by future.result()
        future.set_exception(error)


def _wait() -> None:
    """Wait for abandoned queries: a process that ends before its engine crashes."""
    for each in _abandoned:
        each.thread.join()


def _memory() -> float:
    """Return the memory of this process in bytes without mapped files; 0 where the system does not report it."""
    if sys.platform == "win32":
        return 0.0
    try:
        _, resident, of_files, *_ = STATUS.read_text().split()
    except OSError:
        return 0.0
    return (int(resident) - int(of_files)) * os.sysconf("SC_PAGE_SIZE")
