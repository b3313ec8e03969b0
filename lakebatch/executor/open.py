"""Opens the executor that settings describe, and what it needs, for as long as it is used."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

from lakebatch.errors import ClusterError, ConfigError, MissingDependencyError
from lakebatch.executor.base import Executor
from lakebatch.executor.local import Local, hold_interrupts
from lakebatch.executor.settings import Settings

if TYPE_CHECKING:
    from distributed import Client

CONNECT_SECONDS = 30
UNPROFILED = {"distributed.worker.profile.enabled": False}
"""Dask looks at each worker's stack a hundred times a second, which takes one part in twenty of its time."""
CLASSES = {
    "slurm": "SLURMCluster",
    "pbs": "PBSCluster",
    "lsf": "LSFCluster",
    "sge": "SGECluster",
    "oar": "OARCluster",
    "moab": "MoabCluster",
    "htcondor": "HTCondorCluster",
    "local": "LocalCluster",
}
"""What dask-jobqueue calls the batch systems, in a module of each; ``local`` starts its jobs as processes, to try with."""


@contextmanager
def opened(settings: Settings, jobs: int | None, announce: Callable[[str], None]) -> Iterator[Executor]:
    """Yield the executor; a cluster that is started for it ends afterwards.

    Raises
    ------
    ClusterError
        If there is no scheduler at the address, or the cluster cannot be started.
    MissingDependencyError
        If Dask is not installed.
    """
    if settings.kind == "local":
        yield Local.of(jobs)
        return
    if jobs is not None and (settings.scheduler or settings.system):
        raise ConfigError(
            "--jobs is the number of processes on this machine. How many workers a cluster has, it says itself."
        )
    try:
        from lakebatch.executor.cluster import Cluster
    except ImportError as error:
        raise MissingDependencyError(
            f"A Dask cluster needs a package that is not installed: {error}. Install it with: pip install 'lakebatch[dask]'"
        ) from error
    with _connected(settings, jobs) as client:
        yield Cluster(client, announce, settings.adaptive[1] * settings.cores if settings.adaptive else 1)


@contextmanager
def _connected(settings: Settings, jobs: int | None) -> Iterator[Client]:
    """Yield a client of the cluster that is there, or of one that is started and ends afterwards."""
    import dask
    from distributed import Client

    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what matters of it is told in our own words
    if settings.scheduler:
        try:
            client = Client(settings.scheduler, timeout=CONNECT_SECONDS, set_as_default=False)
        except (OSError, ValueError) as error:
            raise ClusterError(
                f"There is no scheduler at {settings.scheduler}: {error}. Expected an address like tcp://host:8786."
            ) from error
        with client:
            yield client
        return
    with (
        hold_interrupts(),
        dask.config.set(UNPROFILED),
    ):  # so that Ctrl-C in a terminal reaches no worker; they inherit that
        cluster = _queue(settings) if settings.system else _processes(Local.of(jobs).jobs)
    with cluster, Client(cluster, set_as_default=False) as client:
        yield client


def _processes(jobs: int) -> Any:
    from distributed import LocalCluster

    return LocalCluster(n_workers=jobs, threads_per_worker=1, memory_limit=0, dashboard_address="127.0.0.1:0")


def _queue(settings: Settings) -> Any:
    """Return a cluster whose workers are jobs of a batch system, the first of them submitted."""
    system = settings.system or "local"
    try:
        module = import_module(f"dask_jobqueue.{system}")
    except ImportError as error:
        raise MissingDependencyError(
            "Workers as jobs of a batch system need dask-jobqueue. Install it with: pip install 'lakebatch[dask]'"
        ) from error
    given = {"queue": settings.queue, "walltime": settings.walltime}
    try:
        cluster = getattr(module, CLASSES[system])(
            cores=settings.cores,
            processes=settings.cores,
            memory=settings.memory,
            scheduler_options={"dashboard_address": ":0"},
            **({name: value for name, value in given.items() if value is not None} | settings.options),
        )
        if settings.adaptive:
            cluster.adapt(minimum_jobs=settings.adaptive[0], maximum_jobs=settings.adaptive[1])
        else:
            cluster.scale(jobs=settings.scale)
    except (TypeError, ValueError, OSError, RuntimeError) as error:
        raise ClusterError(f"Cannot start workers with {system}: {error}") from error
    return cluster
