"""Isolation of a test session from its machine: settings, processes and shared memory."""

from __future__ import annotations

import json
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

PREFIXES = ("AWS_", "DASK_", "LAKEBATCH_", "_LAKEBATCH_", "LOKY_", "LSB_", "NTFY_", "PBS_", "S3_", "SLURM_")
NAMES = {
    "CLICOLOR", "CLICOLOR_FORCE", "COLUMNS", "FORCE_COLOR", "LINES", "MPLBACKEND", "NO_COLOR", "PYTHONDONTWRITEBYTECODE",
    "PYTHONIOENCODING", "PYTHONUNBUFFERED", "PYTHONWARNINGS", "SAVE_RESULT_PATH", "TTY_COMPATIBLE",
}  # fmt: skip
"""Settings of this user that can change test results, or make each process compile lakebatch again."""
SESSION = "TESTS_OF_LAKEBATCH"
"""The environment variable of every process of a session: the folder of its temporary files."""
PROXIES = "TESTS_OF_LAKEBATCH_PROXIES"
"""The environment variable that passes the user's proxies to the workers of a session."""
SHARED = Path("/dev/shm")
POLL_SECONDS = 0.1
PROCESSES_END_SECONDS = 60.0
STARTS_SECONDS = 2.0
"""Time in which a new process has its environment."""
FILES_END_SECONDS = 3.0
"""Time for which a file of shared memory may have no process during its creation or removal."""

Key = TypeVar("Key")
network: dict[str, str] = {}
"""This user's proxies, for the few commands that fetch a package."""


def leave_out() -> bool:
    """Remove this user's settings, and return whether this process starts a session or joins one.

    A session has a folder of its own for temporary files.
    """
    found = {name: value for name, value in os.environ.items() if _is_proxy(name)}
    network.update(found or json.loads(os.environ.get(PROXIES, "{}")))
    os.environ[PROXIES] = json.dumps(network)
    for name in [each for each in os.environ if _is_setting(each)]:
        del os.environ[name]
    begins = "PYTEST_XDIST_WORKER" not in os.environ
    if begins:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", tempfile.gettempdir())
        os.environ[SESSION] = os.environ["TMPDIR"] = tempfile.mkdtemp(prefix="lakebatch-tests-")
        os.chmod(os.environ[SESSION], 0o1777)  # other users of the tests write there too
        tempfile.tempdir = None
    if (
        signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    ):  # as in a background job; its processes would ignore it
        signal.signal(signal.SIGINT, signal.default_int_handler)
    return begins


def _is_proxy(name: str) -> bool:
    return name.lower().endswith("_proxy")


def _is_setting(name: str) -> bool:
    return name in NAMES or name.startswith(PREFIXES) or _is_proxy(name)


def kill_group(group: int) -> None:
    """Kill a process group and remove its files of shared memory."""
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGSTOP)
        used = _used(group_members(group))
        os.killpg(group, signal.SIGKILL)
        for file in [file for file, inode in _shared().items() if inode in used]:
            file.unlink(missing_ok=True)


def group_members(group: int) -> list[int]:
    """Return the ids of the living processes of a process group."""
    return [process for process in _all_processes() if _lives_in(process, group)]


def _lives_in(process: int, group: int) -> bool:
    try:
        stat = Path(f"/proc/{process}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):  # it ended meanwhile
        return False
    state, _, process_group, *_ = stat.rpartition(")")[2].split()
    return int(process_group) == group and state != "Z"


def _shared() -> dict[Path, int]:
    found = {}
    for file in SHARED.glob("*"):
        with suppress(FileNotFoundError):
            found[file] = file.stat().st_ino
    return found


def _used(processes: Iterable[int]) -> set[int]:
    """Return the inodes mapped by processes; the system shows names from before a rename, so names do not help."""
    found = set()
    for process in processes:
        with suppress(OSError):  # ended meanwhile, or owned by another user
            lines = Path(f"/proc/{process}/maps").read_text().splitlines()
            found |= {int(line.split()[4]) for line in lines if f"{SHARED}/" in line}
    return found


def _used_by_others() -> set[int]:
    """Return the inodes mapped by other processes; before and after a session, none of these belongs to it."""
    return _used(process for process in _all_processes() if process != os.getpid())


def _all_processes() -> list[int]:
    return [int(folder.name) for folder in Path("/proc").glob("[0-9]*")]


class Session:
    """The processes and files of one test session."""

    def __init__(self) -> None:
        self.folder = os.environ[SESSION]
        self._before = _shared().keys()
        self._is_alone = not _used_by_others()

    def end(self) -> list[str]:
        """Remove leftover processes and files of shared memory, and return one line about each."""
        processes = _left(self._processes, PROCESSES_END_SECONDS)
        for process in processes:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        files = _left(self._unused_files, FILES_END_SECONDS)
        shutil.rmtree(self.folder, ignore_errors=True)
        left = {**{f"process {each}": line for each, line in processes.items()}, **files}
        return [f"Left behind by a test: {name}, {what}" for name, what in left.items()]

    def _processes(self) -> dict[int, str]:
        """Return the command lines of living processes of this session."""
        mark = f"{SESSION}={self.folder}\0".encode()
        found = {}
        for process in _all_processes():
            with suppress(OSError):
                if mark in _environment(process) + b"\0":
                    found[process] = Path(f"/proc/{process}/cmdline").read_text().replace("\0", " ")
        return {process: line for process, line in found.items() if "resource_tracker" not in line}

    def _unused_files(self) -> dict[Path, str]:
        """Return new and unused files of shared memory; none if they can belong to other programs."""
        used = _used(_all_processes())
        if not self._is_alone or _used_by_others():
            return {}
        new = {file: inode for file, inode in _shared().items() if file not in self._before}
        return {file: "used by no process" for file, inode in new.items() if inode not in used}


def _environment(process: int) -> bytes:
    """Return the environment of a process, which has none until its program is read from the disk."""
    deadline = time.monotonic() + STARTS_SECONDS
    while not (found := Path(f"/proc/{process}/environ").read_bytes()) and _is_starting(process):
        if time.monotonic() > deadline:
            break
        time.sleep(POLL_SECONDS / 10)
    return found


def _is_starting(process: int) -> bool:
    """Whether a process has a program, which threads of the kernel and zombies have not, and no arguments yet."""
    os.readlink(f"/proc/{process}/exe")  # raises OSError where there is none
    return not Path(f"/proc/{process}/cmdline").read_bytes()


def _left(look: Callable[[], dict[Key, str]], seconds: float) -> dict[Key, str]:
    """Return the leftovers after a grace period, or an empty dict as soon as there are none."""
    deadline = time.monotonic() + seconds
    while (found := look()) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    return found
