"""The installed command line as real processes, each the leader of a process group that can be killed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import host
from host import group_members

LAKEBATCH = Path(sys.executable).with_name("lakebatch")
TOY = Path(__file__).with_name("slow_experiment.py")
COMPUTED = "TOY_COMPUTED"
"""The environment variable with the file in which the experiment records its computed parts."""
POLL_SECONDS = 0.02
TIMEOUT_SECONDS = 400.0
WORKERS_END_SECONDS = 60.0
"""Time for which workers and their resource tracker may outlive their parent."""

APPEND = """
import sys
from datetime import UTC, datetime
import polars as pl
from lakebatch.storage.delta.table import Table
from lakebatch.assembly.part_writer import PartWriter
from lakebatch.storage.delta.schema import load_schema
from lakebatch.storage import locate

lake, assembly_id, appends = sys.argv[1], sys.argv[2], int(sys.argv[3])
table = Table(locate(lake), "91_v1_toy", load_schema("results"))
print("ready", flush=True)
sys.stdin.readline()
table.ensure()
writer = PartWriter(table, assembly_id, {})
for index in range(appends):
    assert writer.append(f"part={index}", pl.DataFrame({"repeat": [0, 1]}), datetime.now(UTC))
"""
"""Create the table at the same instant as other processes, and append to it."""

started: list[Command] = []
"""All commands started, for the cleanup."""


class Command:
    """One `lakebatch` command that runs in a folder, with its standard output and error.

    It can be started ``under`` another program: in a namespace, or with failing system calls.
    """

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        label: str = "command",
        under: Sequence[str] = (),
    ) -> None:
        self.arguments = arguments
        self._out = folder / f"{label}.out"
        self._err = folder / f"{label}.err"
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                [*under, LAKEBATCH, *arguments],
                cwd=folder,
                env={**os.environ, COMPUTED: str(folder / "computed"), **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        started.append(self)

    @property
    def out(self) -> str:
        """Its standard output."""
        return self._out.read_text()

    @property
    def err(self) -> str:
        """Its standard error: a headline, after a slow start its phases, then a line per committed part."""
        return self._err.read_text()

    def wait(self) -> int:
        """Wait for its end and return its exit code."""
        return self.process.wait(TIMEOUT_SECONDS)

    def wait_for_lines(self, count: int) -> None:
        """Wait until its standard error has `count` lines beside those of phases, or it has ended."""
        wait_until(lambda: self._lines() >= count or self.process.poll() is not None)

    def _lines(self) -> int:
        """Return the number of lines in its standard error, without those of phases, which only a slow start has."""
        return sum(
            line.endswith("\n") and not line.endswith(" ...\n") for line in self.err.splitlines(keepends=True)
        )

    def kill(self) -> bool:
        """Kill it and all its workers; return False if it had already ended."""
        if self.process.poll() is not None:
            return False
        self.kill_group()
        return True

    def kill_after(self, lines: int, seconds: float) -> bool:
        """Kill it `seconds` after `lines` of output; return False if it had already ended."""
        self.wait_for_lines(lines)
        time.sleep(seconds)
        return self.kill()

    def kill_group(self) -> None:
        """Kill the living processes of its group, and wait until all have ended."""
        host.kill_group(self.process.pid)
        self.process.wait(TIMEOUT_SECONDS)
        wait_until(lambda: not self.workers())

    def wait_for_workers(self) -> None:
        """Wait until its workers have exited by themselves."""
        wait_until(lambda: not self.workers(), WORKERS_END_SECONDS)

    def workers(self) -> list[int]:
        """Return the ids of the living processes of its group except its own."""
        return [process for process in group_members(self.process.pid) if process != self.process.pid]


def kill_all() -> None:
    """Kill the remaining processes of every command."""
    while started:
        started.pop().kill_group()


def make_working_directory(folder: Path) -> Path:
    """Create and return a folder in which the command line finds the experiment ``toy``."""
    (folder / "experiments").mkdir(parents=True)
    shutil.copy(TOY, folder / "experiments" / "toy.py")
    return folder


def run(folder: Path, *arguments: str, **keywords: object) -> Command:
    """Run a command to its end and return it."""
    command = Command(folder, *arguments, **keywords)  # type: ignore[arg-type]
    command.wait()
    return command


def start_python(
    script: str, *arguments: str, folder: Path | None = None, alone: Path | None = None
) -> subprocess.Popen[str]:
    """Start a Python process that says when it is ready and then waits for a line.

    With a folder ``alone``, it uses its own commit lock for S3, as if on another machine.
    """
    environment = {COMPUTED: str(folder / "computed")} if folder else {}
    if alone:
        alone.mkdir(parents=True)
        environment["TMPDIR"] = str(alone)
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        cwd=folder,
        env={**os.environ, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def let_go_on(processes: list[subprocess.Popen[str]]) -> list[tuple[int, str]]:
    """Continue all processes at once when all are ready; return exit code and standard error of each."""
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    errors = [process.communicate(timeout=TIMEOUT_SECONDS)[1] for process in processes]
    return [(process.returncode, error) for process, error in zip(processes, errors, strict=True)]


def wait_until(condition: Callable[[], bool], seconds: float = TIMEOUT_SECONDS) -> None:
    """Wait until a condition holds.

    Raises
    ------
    TimeoutError
        If it does not hold in time.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"still not so after {seconds:g} s")
        time.sleep(POLL_SECONDS)


def wait_until_computed(pid: int, seconds: float) -> None:
    """Wait until a process has used some more seconds of processor time."""
    begin = _processor_seconds(pid)
    wait_until(lambda: _processor_seconds(pid) - begin > seconds)


def _processor_seconds(pid: int) -> float:
    used = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return sum(map(int, used)) / os.sysconf("SC_CLK_TCK")


def require(condition: bool, message: str) -> None:
    """Raise AssertionError unless a condition holds; unlike assert, also under ``python -O``."""
    if not condition:
        raise AssertionError(message)


def run_traced(folder: Path, command: list[object], calls: str) -> list[str]:
    """Run a command under strace and return its system calls of some kinds, of all threads, in order."""
    trace = folder / "trace"
    options = ["-f", "-qq", "-y", "-s", "200", "-e", f"trace={calls}", "-o", str(trace)]
    done = subprocess.run(
        ["strace", *options, *map(str, command)], cwd=folder, capture_output=True, text=True
    )
    require(done.returncode == 0, done.stderr)
    return trace.read_text().splitlines()
