"""Leases: small files beside the tables that a run renews, so that other machines see that it lives.

A lease decides who is shown as alive and what a bare `resume` takes. Rows are appended exactly once without it.
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
RENEW_SECONDS = 15.0
LIFE_SECONDS = 90.0
"""How long a process counts as alive after its last renewal: a network file system shows times up to 60 s late."""
OLD_SECONDS = 24 * 3600.0
NAME = re.compile(r"[0-9a-f]{16}", re.ASCII)
END_SECONDS = 5.0
"""How long the end of a run waits for a renewal that hangs."""


@contextmanager
def held(storage: Storage, folder: str) -> Iterator[str | None]:
    """Hold a lease of an experiment, renewed in the background; yield its name, or None if none can be written."""
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
    """Return the leases of an experiment as files, by their names."""
    return [file for file in storage.files(f"{folder}/{FOLDER}") if NAME.fullmatch(file.path)]


def remove_old(storage: Storage, folder: str, *, dry_run: bool) -> list[StoredFile]:
    """Remove the leases that runs which died have left for more than a day, and return them."""
    found = files(storage, folder)
    ages = storage.ages(f"{folder}/{FOLDER}") if found else {}
    old = [file for file in found if ages.get(file.path, 0.0) > OLD_SECONDS]
    for file in () if dry_run else old:
        storage.remove(f"{folder}/{FOLDER}/{file.path}")
    return old


class Leases:
    """The leases of one experiment, looked at once: when the first age is asked for."""

    def __init__(self, storage: Storage, folder: str) -> None:
        self._storage = storage
        self._path = f"{folder}/{FOLDER}"

    def __reduce__(self) -> tuple[type[None], tuple[()]]:
        """Leave the storage behind, whose settings can hold secrets."""
        return type(None), ()

    def age(self, name: str) -> float | None:
        """Return for how many seconds a lease was not renewed, infinite if it is gone; None if that is not known."""
        if self._ages is None:
            return None
        age = self._ages.get(name, float("inf"))
        return None if age < -LIFE_SECONDS else max(age, 0.0)  # a clock that went back says nothing

    @cached_property
    def _ages(self) -> Mapping[str, float] | None:
        try:
            return self._storage.ages(self._path)
        except StorageError as error:
            logger.warning("%s Runs on other machines are taken for running.", error)
            return None


class _Lease:
    """One lease, with connections of its own: it is renewed in a thread of its own."""

    def __init__(self, storage: Storage, folder: str) -> None:
        self.name = secrets.token_hex(8)
        self._storage = Storage(storage.uri, storage.options)
        self._path = f"{folder}/{FOLDER}/{self.name}"
        self._pid = os.getpid()
        self._content = json.dumps({"host": process.host(), "pid": self._pid}).encode()
        self._has_warned = False

    def renew(self) -> bool:
        """Write the lease, by which its time becomes the storage's now; say so once where that fails."""
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
        """Renew it for a while, in a thread that ends with this process."""
        ear, mouth = os.pipe()
        thread = threading.Thread(target=self._renew_until_told, args=(ear,), name="lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            if os.getpid() == self._pid:  # a forked child has no such thread
                os.write(mouth, b"\n")  # such a child can hold the pipe open, so to close it tells nothing
                thread.join(END_SECONDS)
            os.close(mouth)

    def end(self) -> None:
        """Remove it; one that may not be removed becomes too old."""
        if os.getpid() == self._pid:
            with suppress(StorageError):
                self._storage.remove(self._path)

    def _renew_until_told(self, ear: int) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # Ctrl-C is for the main thread
        # a poll waits for a span of time: a wait until a time takes hours where the clock is set apart
        end = select.poll()
        end.register(ear, select.POLLIN)
        try:
            while not end.poll(RENEW_SECONDS * 1000):
                self.renew()
        finally:
            os.close(ear)
