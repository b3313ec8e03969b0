"""The identity of this process, and whether another one is alive."""

from __future__ import annotations

import os
import platform
from pathlib import Path

BOOT = Path("/proc/sys/kernel/random/boot_id")


def host() -> str:
    """Return the host name, a label for people: containers and machines can share one."""
    return platform.node() or "unknown"


def namespace() -> str:
    """Return the boot and PID namespace of this process; the host name where the system has neither.

    Within a namespace, pid and start token identify a process. Processes of other namespaces are invisible.
    """
    try:
        return f"{_boot()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return f"host {host()}"


def start_token(pid: int) -> str | None:
    """Return a token that distinguishes a process from later ones with its pid; None where the system has none.

    On Linux: the id of the boot, and the start time in clock ticks since then.
    """
    try:
        ticks = _stat(pid)[19]
        return f"{_boot()}:{ticks}"
    except (OSError, IndexError):
        return None


def is_alive(pid: int, token: str | None) -> bool:
    """Whether the process with this pid and start token is alive in this PID namespace."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass  # alive, as another user
    if _has_ended(pid):
        return False
    return token is None or start_token(pid) in (None, token)


def _has_ended(pid: int) -> bool:
    """Whether the process has ended, and only its parent has not read its exit code."""
    try:
        return _stat(pid)[0] == "Z"
    except (OSError, IndexError):
        return False


def _boot() -> str:
    return BOOT.read_text().strip()


def _stat(pid: int) -> list[str]:
    """Return the fields of a process's status on Linux, from its state on."""
    return Path("/proc", _folder(pid), "stat").read_text().rpartition(")")[2].split()


def _folder(pid: int) -> str:
    """Return the folder of a process in /proc, which in a container can show the processes of the machine instead."""
    if pid == os.getpid():
        return "self"
    if os.readlink("/proc/self") != str(os.getpid()):
        raise ProcessLookupError(f"/proc shows another PID namespace than that of process {pid}")
    return str(pid)
