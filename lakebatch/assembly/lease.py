"""Leases: small files beside the tables that a run renews, so that other machines see that it is running.

A lease decides which runs are shown as running and which one `resume` takes by default. Rows are appended exactly once
without it.
"""

from __future__ import annotations

import json
import logging
import os
import re
import secrets
import select
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from math import isfinite
from typing import Any

from lakebatch import _process as process
from lakebatch._text import one_line
from lakebatch.errors import LakebatchError, StorageError
from lakebatch.storage import Storage
from lakebatch.storage.place import StoredFile

logger = logging.getLogger(__name__)

FOLDER = "leases"
RENEW_INTERVAL = 15.0
NEWS_INTERVAL = 3.0
"""Seconds after which a run renews its lease early if it does something else by then."""
LEASE_TIMEOUT = 90.0
"""Seconds after the last renewal in which a process counts as running; a network file system shows times up to 60 s late."""
STALE_AFTER = 24 * 3600.0
NAME = re.compile(r"[0-9a-f]{16}", re.ASCII)
# Seconds that the end of a run waits for a renewal that hangs
JOIN_TIMEOUT = 5.0
MAX_TEXT = 120


@dataclass(frozen=True)
class Note:
    """What a run says about itself whenever it renews its lease.

    Attributes
    ----------
    phase : str
        What it does before its first rows; empty from then on.
    done, total : int
        Finished and planned work, of one process.
    unit : str
        The unit of the work.
    rate, seconds_left : float or None
        Finished work per second, and the time for the rest as it was then; None until they are known.
    """

    phase: str = ""
    done: int = 0
    total: int = 0
    unit: str = ""
    rate: float | None = None
    seconds_left: float | None = None

    def __str__(self) -> str:
        if not self.done:
            return self.phase
        rate = "" if self.rate is None else f", {self.rate:.1f} {self.unit}/s"
        return f"{self.done:,} of {self.total:,} {self.unit}{rate}"


class Notes:
    """Gives the note of a run to its lease; none before the run computes and after it."""

    def __init__(self) -> None:
        self.source: Callable[[], Note] | None = None

    def read(self) -> dict[str, Any]:
        """Return the fields of the newest note."""
        source = self.source
        try:
            return asdict(source()) if source is not None else {}
        except (OSError, ValueError):  # the run ends at this moment
            return {}


@contextmanager
def hold(storage: Storage, folder: str, notes: Notes | None = None) -> Iterator[str | None]:
    """Hold a lease of an experiment, renewed in the background; yield its name, or None if it cannot be written."""
    lease = _Lease(storage, folder, notes or Notes())
    if not lease.renew():
        yield None
        return
    try:
        with lease.renewed():
            yield lease.name
    finally:
        lease.end()


def files(storage: Storage, folder: str) -> list[StoredFile]:
    """Return the lease files of an experiment, by name."""
    return [file for file in storage.files(f"{folder}/{FOLDER}") if NAME.fullmatch(file.path)]


def remove_old(storage: Storage, folder: str, *, dry_run: bool) -> list[StoredFile]:
    """Remove the leases of dead runs after a day, and return them."""
    found = files(storage, folder)
    ages = storage.ages(f"{folder}/{FOLDER}") if found else {}
    old = [file for file in found if ages.get(file.path, 0.0) > STALE_AFTER]
    for file in () if dry_run else old:
        storage.remove(f"{folder}/{FOLDER}/{file.path}")
    return old


class Leases:
    """The leases of one experiment, read once when the first age is asked for."""

    def __init__(self, storage: Storage, folder: str) -> None:
        self._storage = storage
        self._path = f"{folder}/{FOLDER}"

    def __reduce__(self) -> tuple[type[None], tuple[()]]:
        """Pickle as None, since the settings of the storage can hold secrets."""
        return type(None), ()

    def age(self, name: str) -> float | None:
        """Return the seconds since a lease was renewed, infinite if it is gone; None if the leases cannot be read."""
        if self._ages is None:
            return None
        age = self._ages.get(name, float("inf"))
        return None if age < -LEASE_TIMEOUT else max(age, 0.0)  # the clock of the storage was set back

    def note(self, name: str) -> Note | None:
        """Return what a run said when it last renewed its lease; None if it said nothing that can be read."""
        if not NAME.fullmatch(name):
            return None
        try:
            content = json.loads(self._storage.read(f"{self._path}/{name}"))
            known = {field: content[field] for field in Note.__dataclass_fields__ if field in content}
            return _checked(Note(**known)) if known else None
        except (LakebatchError, OSError, ValueError, TypeError, RecursionError):
            return None  # it is being written, an older lakebatch wrote it, or it is gone

    @cached_property
    def _ages(self) -> Mapping[str, float] | None:
        try:
            return self._storage.ages(self._path)
        except StorageError as error:
            logger.warning("%s Runs on other machines are assumed to be running.", error)
            return None


def _checked(note: Note) -> Note:
    """Return a note; raise unless its values can be shown, since anybody may write to a lake."""
    numbers = [note.done, note.total, *(each for each in (note.rate, note.seconds_left) if each is not None)]
    if not all(isinstance(each, int | float) and isfinite(each) for each in numbers):
        raise ValueError
    return replace(note, phase=one_line(str(note.phase))[:MAX_TEXT], unit=one_line(str(note.unit))[:MAX_TEXT])


def _news(said: Mapping[str, Any]) -> tuple[str, bool]:
    """Return the phase without its count, and whether there is a rate: a change is worth an early renewal."""
    return str(said.get("phase", "")).partition(":")[0], said.get("rate") is not None


class _Lease:
    """One lease, with its own connections, since its own thread renews it."""

    def __init__(self, storage: Storage, folder: str, notes: Notes) -> None:
        self.name = secrets.token_hex(8)
        self._notes = notes
        self._storage = Storage(storage.uri, storage.options)
        self._path = f"{folder}/{FOLDER}/{self.name}"
        self._pid = os.getpid()
        self._holder = {"host": process.host(), "pid": self._pid}
        self._has_warned = False

    def _has_news(self) -> bool:
        """Whether another phase has begun, or the rate is known, since the last renewal."""
        return _news(self._notes.read()) != _news(self._said)

    def renew(self) -> bool:
        """Write the lease, which sets its age to 0; log the first failure as a warning."""
        self._said = self._notes.read()
        try:
            self._storage.renew(self._path, json.dumps(self._holder | self._said).encode())
        except StorageError as error:
            level = logging.DEBUG if self._has_warned else logging.WARNING
            logger.log(
                level, "%s Other machines may take this run for interrupted; no row is affected.", error
            )
            self._has_warned = True
            return False
        return True

    @contextmanager
    def renewed(self) -> Iterator[None]:
        """Renew the lease in a daemon thread while the context is open."""
        stop, stopper = os.pipe()
        thread = threading.Thread(target=self._renew_until_stopped, args=(stop,), name="lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            if os.getpid() == self._pid:  # a forked child has no such thread
                # a byte, because a forked child can hold the pipe open after it is closed here
                os.write(stopper, b"\n")
                thread.join(JOIN_TIMEOUT)
            os.close(stopper)

    def end(self) -> None:
        """Remove the lease; if that fails, it expires."""
        if os.getpid() == self._pid:
            with suppress(StorageError):
                self._storage.remove(self._path)

    def _renew_until_stopped(self, stop: int) -> None:
        if sys.platform == "win32":  # runs are refused there
            raise NotImplementedError
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # Ctrl-C is for the main thread
        # poll takes a duration; a wait until a point in time could take hours after the clock is set
        waiter = select.poll()
        waiter.register(stop, select.POLLIN)
        step, waited = min(RENEW_INTERVAL, NEWS_INTERVAL), 0.0
        try:
            while not waiter.poll(step * 1000):
                waited += step
                if waited >= RENEW_INTERVAL or self._has_news():
                    self.renew()
                    waited = 0.0
        finally:
            os.close(stop)
