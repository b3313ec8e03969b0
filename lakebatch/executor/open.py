"""Settings of the executor, and its opening and closing.

Table ``[executor]`` of ``lakebatch.toml``, overridden by options.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

from pydantic import model_validator

from lakebatch.errors import ClusterError, ConfigError, MissingDependencyError
from lakebatch.executor.base import Executor
from lakebatch.executor.local import Local, hold_interrupts
from lakebatch.experiment.config import Layer, check
from lakebatch.experiment.contract import ConfigModel, setting
from lakebatch.settings import SETTINGS_FILE, read_settings

if TYPE_CHECKING:
    from distributed import Client

TABLE = "executor"
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


class Settings(ConfigModel):
    """Keys of the table ``[executor]``."""

    kind: Literal["local", "dask"] = setting(
        "local", help="Worker processes of this machine, or a Dask cluster."
    )
    scheduler: str | None = setting(
        None, help="Address of a cluster that runs already, e.g. tcp://host:8786.", min_length=1
    )
    system: Literal["slurm", "pbs", "lsf", "sge", "oar", "moab", "htcondor", "local"] | None = setting(
        None, help="Batch system to start workers with, by dask-jobqueue."
    )
    queue: str | None = setting(None, help="Queue or partition of the batch system.")
    cores: int = setting(1, help="Cores of one job; each runs one worker process.", ge=1)
    memory: str = setting("4GB", help="Memory of one job, shared by its workers.", min_length=1)
    walltime: str | None = setting(None, help="Max duration of one job, e.g. 04:00:00.")
    scale: int = setting(1, help="Number of jobs.", ge=1)
    adaptive: tuple[int, int] | None = setting(
        None, help="Min and max number of jobs, which follows the amount of work; instead of scale."
    )
    options: dict[str, Any] = setting(
        {}, help="Further arguments for dask-jobqueue's class of the batch system."
    )

    @model_validator(mode="after")
    def _check_adaptive(self) -> Settings:
        if self.adaptive and not 0 <= self.adaptive[0] <= self.adaptive[1] > 0:
            raise ValueError(f"adaptive is {list(self.adaptive)}, expected [min, max] jobs, e.g. [0, 16]")
        if self.scheduler and self.system:
            raise ValueError(
                "both scheduler and system are set, expected one: a cluster that runs, or one to start"
            )
        return self


def read_executor_settings(overrides: Mapping[str, Any]) -> Settings:
    """Return the settings of the project file with overrides.

    Raises
    ------
    ConfigError
        If a key is unknown or a value cannot be used.
    """
    layers = [
        Layer(SETTINGS_FILE, {TABLE: read_settings().get(TABLE, {})}),
        Layer("option", {TABLE: dict(overrides)}),
    ]
    model = check(_Project, layers).model
    assert isinstance(model, _Project)
    return model.executor


class _Project(ConfigModel):
    """The executor's part of the project file, so that errors show full keys such as ``executor.kind``."""

    executor: Settings = setting(help="Where parts are computed.")


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
            "jobs=N (--jobs) is the number of processes on this machine. A cluster has a number of its own: leave it out."
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
