"""Which process this one is, and whether another one still runs."""

from __future__ import annotations

import os
import platform
from pathlib import Path

BOOT = Path("/proc/sys/kernel/random/boot_id")


def host() -> str:
    """Return the name of this machine: a label to show, since containers and machines can share one."""
    return platform.node() or "unknown"


def namespace() -> str:
    """Return the boot and PID namespace of this process; the host name where the system does not say them.

    A pid and a start token name one process within it. Processes of another one cannot be seen from here.
    """
    try:
        return f"{_boot()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return f"host {host()}"


def start_token(pid: int) -> str | None:
    """Return what tells a process from a later one with the same pid, where the system says it.

    On Linux this is its start time in clock ticks since boot, together with the boot's own id.
    """
    try:
        ticks = _stat(pid)[19]
        return f"{_boot()}:{ticks}"
    except (OSError, IndexError):
        return None


def is_alive(pid: int, token: str | None) -> bool:
    """Whether the process that had this pid and start token still runs in this PID namespace."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass  # it runs, as somebody else
    if _has_ended(pid):
        return False
    return token is None or start_token(pid) in (None, token)


def _has_ended(pid: int) -> bool:
    """Whether the process has ended and only waits for its parent to hear of it."""
    try:
        return _stat(pid)[0] == "Z"
    except (OSError, IndexError):
        return False


def _boot() -> str:
    return BOOT.read_text().strip()


def _stat(pid: int) -> list[str]:
    """Return what Linux says of a process, from its state on."""
    return Path("/proc", _folder(pid), "stat").read_text().rpartition(")")[2].split()


def _folder(pid: int) -> str:
    """Return where /proc has a process of this namespace; in a container it can show those of the machine instead."""
    if pid == os.getpid():
        return "self"
    if os.readlink("/proc/self") != str(os.getpid()):
        raise ProcessLookupError(f"/proc shows another PID namespace than that of process {pid}")
    return str(pid)
