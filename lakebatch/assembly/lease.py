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
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cached_property

from lakebatch import _process as process
from lakebatch.errors import StorageError
from lakebatch.storage import Storage
from lakebatch.storage.place import StoredFile

logger = logging.getLogger(__name__)

FOLDER = "leases"
RENEW_INTERVAL = 15.0
LEASE_TIMEOUT = 90.0
"""Seconds after the last renewal in which a process counts as running; a network file system shows times up to 60 s late."""
STALE_AFTER = 24 * 3600.0
NAME = re.compile(r"[0-9a-f]{16}", re.ASCII)
# Seconds that the end of a run waits for a renewal that hangs
JOIN_TIMEOUT = 5.0


@contextmanager
def hold(storage: Storage, folder: str) -> Iterator[str | None]:
    """Hold a lease of an experiment, renewed in the background; yield its name, or None if it cannot be written."""
    lease = _Lease(storage, folder)
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

    @cached_property
    def _ages(self) -> Mapping[str, float] | None:
        try:
            return self._storage.ages(self._path)
        except StorageError as error:
            logger.warning("%s Runs on other machines are assumed to be running.", error)
            return None


class _Lease:
    """One lease, with its own connections, since its own thread renews it."""

    def __init__(self, storage: Storage, folder: str) -> None:
        self.name = secrets.token_hex(8)
        self._storage = Storage(storage.uri, storage.options)
        self._path = f"{folder}/{FOLDER}/{self.name}"
        self._pid = os.getpid()
        self._content = json.dumps({"host": process.host(), "pid": self._pid}).encode()
        self._has_warned = False

    def renew(self) -> bool:
        """Write the lease, which sets its age to 0; log the first failure as a warning."""
        try:
            self._storage.renew(self._path, self._content)
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
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # Ctrl-C is for the main thread
        # poll takes a duration; a wait until a point in time could take hours after the clock is set
        waiter = select.poll()
        waiter.register(stop, select.POLLIN)
        try:
            while not waiter.poll(RENEW_INTERVAL * 1000):
                self.renew()
        finally:
            os.close(stop)
