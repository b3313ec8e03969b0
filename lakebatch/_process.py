"""Identity of this process, liveness of another one, and forks that lost the threads of their engines."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

from lakebatch.errors import ForkError, StorageError

IS_WINDOWS = os.name == "nt"

BOOT = Path("/proc/sys/kernel/random/boot_id")
THREAD = re.compile(r"polars-\d")
"""Names of the threads that polars computes in, as Linux shows them; they start with the first computation."""
TASKS = Path("/proc/self/task")


class _Engines:
    """Whether polars or deltalake was called, in this process or in the one that it was forked from."""

    called = False
    lost = False


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
    """Whether the process with this pid and start token is alive in this PID namespace.

    False on Windows, where no run is started, and where the call below would send Ctrl-C.
    """
    if IS_WINDOWS:
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass  # alive, as another user
    if _has_ended(pid):
        return False
    return token is None or start_token(pid) in (None, token)


def check_may_write() -> None:
    """Raise `StorageError` on Windows, where a lake is only read: no commit there was ever tried with killed processes."""
    if IS_WINDOWS:
        raise StorageError(
            "Cannot write to a lake on Windows, where lakebatch only reads. Expected Linux or macOS: do this in WSL."
        )


def check_fork() -> None:
    """Note that an engine is called; in a fork it would wait for threads that only the parent has.

    Raises
    ------
    ForkError
        If this process was forked from one whose engines had been called.
    """
    if _Engines.lost:
        raise ForkError(
            "This process was forked from one that had used polars or read a lake, where reading would wait for ever. Start "
            "processes with multiprocessing.get_context('spawn') or 'forkserver', or fork before anything is read."
        )
    _Engines.called = True


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


def _before_fork() -> None:
    _Engines.called |= _polars_has_computed()


def _after_fork() -> None:
    _Engines.lost = _Engines.called


def _polars_has_computed() -> bool:
    """Whether polars has started threads, even if no lake was read; false if the system does not show threads."""
    try:
        return any(THREAD.match(Path(task, "comm").read_text()) for task in TASKS.iterdir())
    except OSError:
        return False


if hasattr(os, "register_at_fork"):  # Windows has no forks
    os.register_at_fork(before=_before_fork, after_in_child=_after_fork)
