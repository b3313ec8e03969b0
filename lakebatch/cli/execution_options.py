"""Options for the place of a computation: this machine, a cluster, or a task of an array job."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lakebatch.cli.context import inform
from lakebatch.cli.options import jobs_option
from lakebatch.cli.usage_errors import Choice

if TYPE_CHECKING:
    from lakebatch.assembly.shards import Shard
    from lakebatch.executor.base import Executor

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True)
class ExecutionOptions:
    """Values of the options."""

    jobs: int | None
    kind: str | None
    scheduler: str | None
    shard_text: str | None
    array: str | None
    accept_changes: bool

    @property
    def shard(self) -> Shard | None:
        """The shard to compute, if the parts are shared."""
        from lakebatch.assembly import shards

        if self.shard_text is None:
            if self.array is not None:
                raise click.UsageError(
                    "--array names the array that several --shard I/N belong to. Give --shard too."
                )
            return None
        return shards.parse(self.shard_text, self.array)

    @property
    def tasks(self) -> int | None:
        """The shard count, if the parts are shared; shard index and array do not matter yet."""
        from lakebatch.assembly import shards

        return shards.parse(self.shard_text, "any").of if self.shard_text else None

    @contextmanager
    def executor(self) -> Iterator[Executor]:
        """Yield the executor from the options or the settings file."""
        from lakebatch.executor.open import opened, read_executor_settings

        given = {"kind": "dask" if self.scheduler else self.kind, "scheduler": self.scheduler}
        settings = read_executor_settings({name: value for name, value in given.items() if value is not None})
        with opened(settings, self.jobs, inform) as executor:
            yield executor


def execution_options(function: Function) -> Function:
    """Add ``--jobs``, ``--executor``, ``--scheduler``, ``--shard``, ``--array`` and ``--accept-changes``."""
    function = click.option(
        "--accept-changes",
        is_flag=True,
        help="Go on although the source or packages that rows depend on differ; the assembly has rows of both, and says so.",
    )(function)
    function = click.option(
        "--array",
        metavar="NAME",
        help="Name of the array job, the same for all its tasks.  [default: the job id from SLURM, PBS or LSF]",
    )(function)
    function = click.option(
        "--shard",
        "shard_text",
        metavar="I/N",
        help="Compute shard I of N, as one task of an array job.",
    )(function)
    function = click.option(
        "--scheduler", metavar="ADDRESS", help="Scheduler of a running Dask cluster, e.g. tcp://host:8786."
    )(function)
    function = click.option(
        "--executor",
        "kind",
        type=Choice(["local", "dask"]),
        help="Worker processes on this machine, or a Dask cluster.  [default: [executor] in lakebatch.toml, else local]",
    )(function)
    return jobs_option(function)
