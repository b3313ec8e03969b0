"""Options that say where a run is computed: on this machine, on a cluster, or in the tasks of an array job."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lakebatch.cli.context import inform
from lakebatch.cli.options import jobs_option
from lakebatch.cli.usage import Choice

if TYPE_CHECKING:
    from lakebatch.assembly.shards import Shard
    from lakebatch.executor.base import Executor

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True)
class Where:
    """What the options say."""

    jobs: int | None
    kind: str | None
    scheduler: str | None
    shard_text: str | None
    array: str | None

    @property
    def shard(self) -> Shard | None:
        """The share of the parts that is asked for, if one is."""
        from lakebatch.assembly import shards

        if self.shard_text is None:
            if self.array is not None:
                raise click.UsageError("--array names what several --shard I/N share. Give --shard too.")
            return None
        return shards.parse(self.shard_text, self.array)

    @property
    def tasks(self) -> int | None:
        """How many shards are asked for, if any are; which of them, and of which array, does not matter yet."""
        from lakebatch.assembly import shards

        return shards.parse(self.shard_text, "any").of if self.shard_text else None

    @contextmanager
    def executor(self) -> Iterator[Executor]:
        """Yield the executor that is asked for, here or in the project's file."""
        from lakebatch.executor import settings
        from lakebatch.executor.open import opened

        given = {"kind": "dask" if self.scheduler else self.kind, "scheduler": self.scheduler}
        chosen = settings.read({name: value for name, value in given.items() if value is not None})
        with opened(chosen, self.jobs, inform) as executor:
            yield executor


def where_options(function: Function) -> Function:
    """Add ``--jobs``, ``--executor``, ``--scheduler``, ``--shard`` and ``--array``."""
    function = click.option(
        "--array",
        metavar="NAME",
        help="What the tasks of one array share.  [default: the number that SLURM, PBS or LSF gives the array]",
    )(function)
    function = click.option(
        "--shard",
        "shard_text",
        metavar="I/N",
        help="Compute the I-th of N shares of the parts, as a task of an array job.",
    )(function)
    function = click.option(
        "--scheduler", metavar="ADDRESS", help="A Dask cluster that runs already, e.g. tcp://host:8786."
    )(function)
    function = click.option(
        "--executor",
        "kind",
        type=Choice(["local", "dask"]),
        help="Worker processes here, or a Dask cluster.  [default: local, or [executor] in lakebatch.toml]",
    )(function)
    return jobs_option(function)
