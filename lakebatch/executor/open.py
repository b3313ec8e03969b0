"""Opening and closing of the executor that the settings describe."""

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
# Dask samples each worker's stack a hundred times a second, which takes 5 % of its time.
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
# Class of each batch system in dask-jobqueue; ``local`` runs jobs as processes of this machine, for trials.


@contextmanager
def opened(settings: Settings, jobs: int | None, announce: Callable[[str], None]) -> Iterator[Executor]:
    """Yield the executor; a cluster that was started for it ends afterwards.

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
            "--jobs is the number of processes on this machine. A cluster has its own number of workers: leave --jobs out."
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
    """Yield a client of a running cluster, or of one that is started and ended here."""
    import dask
    from distributed import Client

    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # our own messages say what matters
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
    # workers inherit the blocked signal, so that Ctrl-C in a terminal does not reach them
    with hold_interrupts(), dask.config.set(UNPROFILED):
        cluster = _queue(settings) if settings.system else _processes(Local.of(jobs).jobs)
    with cluster, Client(cluster, set_as_default=False) as client:
        yield client


def _processes(jobs: int) -> Any:
    from distributed import LocalCluster

    return LocalCluster(n_workers=jobs, threads_per_worker=1, memory_limit=0, dashboard_address="127.0.0.1:0")


def _queue(settings: Settings) -> Any:
    """Return a cluster whose workers are jobs of a batch system, with the first jobs submitted."""
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
