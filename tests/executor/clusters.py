"""A Dask cluster of real processes on this machine: a scheduler, and workers with a nanny each, which restarts them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import host
from distributed import Client
from processes import COMPUTED, wait_until

WORKERS = 2
PREFIX = "DASK_DISTRIBUTED__SCHEDULER__"
FORKED = {"DASK_DISTRIBUTED__WORKER__MULTIPROCESSING_METHOD": "forkserver"}
"""Setting with which a nanny forks its workers from a process that has imported Dask already."""


@dataclass(frozen=True)
class RunningCluster:
    """A cluster, the client that looks at it, and the folder that its processes work in."""

    address: str
    client: Client
    folder: Path
    scheduler: subprocess.Popen[bytes]

    @property
    def computed(self) -> Path:
        """The file in which the slow experiment records its computed parts."""
        return self.folder / "computed"

    def workers(self) -> list[int]:
        """Return the process ids of the workers that answer."""
        return list(self.client.run(os.getpid).values())

    def kill_worker(self) -> None:
        """Kill a worker, as the out-of-memory killer does."""
        os.kill(self.workers()[0], signal.SIGKILL)


@contextmanager
def running_cluster(
    folder: Path,
    settings: Mapping[str, str],
    worker_environment: Mapping[str, str] | None = None,
    workers: int = WORKERS,
) -> Iterator[RunningCluster]:
    """Start a cluster and end it; settings are those of Dask's scheduler, the environment is added to the workers'."""
    environment = {
        **os.environ,
        **FORKED,
        **{f"{PREFIX}{name}": value for name, value in settings.items()},
        COMPUTED: str(folder / "computed"),
    }
    with running_scheduler(folder, environment) as (address, scheduler):
        options = ("--nthreads", "1", "--nworkers", str(workers), "--no-dashboard")
        begun = _start("worker", folder, {**environment, **(worker_environment or {})}, *options)
        try:
            with Client(address, set_as_default=False) as client:
                client.wait_for_workers(workers, timeout=60)
                yield RunningCluster(address, client, folder, scheduler)
        finally:
            _end(begun)


@contextmanager
def running_scheduler(
    folder: Path, environment: Mapping[str, str]
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Start a scheduler without workers and end it; yield its address and its process."""
    folder.mkdir(exist_ok=True)
    file = folder / "scheduler.json"
    begun = _start("scheduler", folder, environment, "--port", "0", "--host", "127.0.0.1", "--no-dashboard")
    try:
        wait_until(lambda: file.exists() and file.read_text().endswith("\n}"))
        yield json.loads(file.read_text())["address"], begun
    finally:
        _end(begun)


def _end(process: subprocess.Popen[bytes]) -> None:
    host.kill_group(process.pid)
    process.wait()


def _start(
    what: str, folder: Path, environment: Mapping[str, str], *arguments: str
) -> subprocess.Popen[bytes]:
    with (folder / f"{what}.log").open("wb") as log:
        return subprocess.Popen(
            [
                sys.executable,
                "-m",
                f"distributed.cli.dask_{what}",
                "--scheduler-file",
                "scheduler.json",
                *arguments,
            ],
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
