"""The processes at work on an assembly: their record, and whether they are still running."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from lakebatch import _process as process
from lakebatch.assembly.lease import LEASE_TIMEOUT, Leases

IDENTITY = ("process_started", "namespace", "lease")
"""Record keys that identify a process, beside its host and pid."""


@dataclass(frozen=True)
class Worker:
    """A process at work on an assembly; it may have died without a record of its end.

    Attributes
    ----------
    token, namespace : str or None
        See `lakebatch._process`; records of 0.1.0 have no namespace.
    lease : str or None
        Name of its lease, see `lakebatch.assembly.lease`.
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
        """Whether it runs in this boot and PID namespace; by host name if its record has no namespace."""
        if self.namespace is None:
            return self.host == process.host()
        return self.namespace == process.namespace()

    @property
    def is_this_process(self) -> bool:
        """Whether it is the calling process."""
        own = self.token in (None, process.start_token(os.getpid()))
        return self.is_here and self.pid == os.getpid() and own

    @property
    def silence(self) -> float | None:
        """Seconds since it renewed its lease; None if that is not known."""
        return None if self.lease is None or self.leases is None else self.leases.age(self.lease)

    @property
    def hint(self) -> str:
        """Advice in case it has died, which shows on other machines only when its lease expires."""
        if self.is_here or self.silence is None:
            return ""
        return f"; if it is gone, try again in {max(LEASE_TIMEOUT - self.silence, 1):.0f} s"

    def is_running(self) -> bool:
        """Whether it is running: by pid in this namespace, by lease elsewhere.

        A process elsewhere without a lease is assumed to be running.
        """
        if self.is_here:
            return process.is_alive(self.pid, self.token)
        silence = self.silence
        return silence is None or silence < LEASE_TIMEOUT

    def is_seen_running(self) -> bool:
        """Whether it is known, and not only assumed, to be running."""
        return self.is_running() and (self.is_here or self.silence is not None)


def identity(lease: str | None) -> dict[str, Any]:
    """Return the record fields that identify this process, beside its host and pid."""
    return {
        "process_started": process.start_token(os.getpid()),
        "namespace": process.namespace(),
        "lease": lease,
    }
