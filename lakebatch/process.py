"""Which process works on an assembly, and whether it still does."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def host() -> str:
    """Return the name of this machine."""
    return platform.node() or "unknown"


def start_token(pid: int) -> str | None:
    """Return what tells a process from a later one with the same pid, where the system says it.

    On Linux this is its start time in clock ticks since boot, together with the boot's own id.
    """
    try:
        ticks = _stat(pid)[19]
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except (OSError, IndexError):
        return None
    return f"{boot}:{ticks}"


def is_alive(pid: int, token: str | None) -> bool:
    """Whether the process that had this pid and start token still runs on this machine."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
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


def _stat(pid: int) -> list[str]:
    """Return what Linux says of a process, from its state on."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
