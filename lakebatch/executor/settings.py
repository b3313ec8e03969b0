"""Settings of the executor: table ``[executor]`` of ``lakebatch.toml``, overridden by options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import model_validator

from lakebatch.experiment.config import Layer, check
from lakebatch.experiment.contract import ConfigModel, setting
from lakebatch.settings import SETTINGS_FILE, read_settings

TABLE = "executor"


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


def read(overrides: Mapping[str, Any]) -> Settings:
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
