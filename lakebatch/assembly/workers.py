"""Processes that work on an assembly: how they are recorded, and whether they still do."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from lakebatch import _process as process
from lakebatch.assembly.lease import LIFE_SECONDS, Leases

IDENTITY = ("process_started", "namespace", "lease")
"""Keys of a record that say which process it is, beside its host and pid."""


@dataclass(frozen=True)
class Worker:
    """A process that works on an assembly, unless it has ended without a word.

    Attributes
    ----------
    token, namespace : str or None
        See `lakebatch._process`; records of 0.1.0 have no namespace.
    lease : str or None
        The lease that it renews, see `lakebatch.assembly.lease`.
    """

    host: str
    pid: int
    since: datetime
    token: str | None = None
    namespace: str | None = None
    lease: str | None = None
    leases: Leases | None = field(default=None, compare=False, repr=False)

    @classmethod
    def of_record(
        cls, host: str, pid: int, since: datetime, record: Mapping[str, Any], leases: Leases | None
    ) -> Worker:
        """Return the process that a record describes."""
        token, namespace, lease = (record.get(name) for name in IDENTITY)
        return cls(host, pid, since, token, namespace, lease, leases)

    def __str__(self) -> str:
        if self.is_here:
            return f"process {self.pid} on this machine"
        return f"process {self.pid} on {self.host} since {self.since:%Y-%m-%d %H:%M:%S} UTC"

    @property
    def is_here(self) -> bool:
        """Whether it is one of this boot and PID namespace; by the host name, where its record says no more."""
        if self.namespace is None:
            return self.host == process.host()
        return self.namespace == process.namespace()

    @property
    def is_this_process(self) -> bool:
        """Whether it is the process that asks."""
        own = self.token in (None, process.start_token(os.getpid()))
        return self.is_here and self.pid == os.getpid() and own

    @property
    def silence(self) -> float | None:
        """For how many seconds it has not renewed its lease; None if that is not known."""
        return None if self.lease is None or self.leases is None else self.leases.age(self.lease)

    @property
    def hint(self) -> str:
        """What to do if it has died: nothing shows that here before its lease is too old."""
        if self.is_here or self.silence is None:
            return ""
        return f"; if it is gone, try again in {max(LIFE_SECONDS - self.silence, 1):.0f} s"

    def is_at_work(self) -> bool:
        """Whether it still runs: one of this namespace by its pid, another by its lease.

        One elsewhere of which nothing is known is assumed to.
        """
        if self.is_here:
            return process.is_alive(self.pid, self.token)
        silence = self.silence
        return silence is None or silence < LIFE_SECONDS

    def is_seen_at_work(self) -> bool:
        """Whether it is known, and not only assumed, to run."""
        return self.is_at_work() and (self.is_here or self.silence is not None)


def identity(lease: str | None) -> dict[str, Any]:
    """Return how a record describes this process, beside its host and pid."""
    return {
        "process_started": process.start_token(os.getpid()),
        "namespace": process.namespace(),
        "lease": lease,
    }
