"""Options of ``run`` for a set of replicates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Self, TypeVar

import click

if TYPE_CHECKING:
    from lakebatch.assembly.replication import ReplicatePlace

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True)
class ReplicateOptions:
    """Values of the options."""

    replicates: int | None
    until: str | None
    max_replicates: int | None
    group: str | None

    @classmethod
    def take(cls, options: dict[str, Any]) -> Self:
        """Return the options of a set of replicates, taken out of all options."""
        return cls(**{each.name: options.pop(each.name) for each in fields(cls)})

    def refuse_condition(self) -> None:
        """Refuse the options of a condition beside a sweep.

        Raises
        ------
        click.UsageError
            If one is given.
        """
        for name in ("until", "max_replicates", "group"):
            if getattr(self, name) is not None:
                option = f"--{name.replace('_', '-')}"
                raise click.UsageError(
                    f"A sweep has a fixed number of replicates. Leave out {option}, or --sweep."
                )

    def first(self, *, is_shared: bool) -> ReplicatePlace | None:
        """Return the first place of the set that is asked for; None if a single assembly is.

        Raises
        ------
        click.UsageError
            If the parts are shared between the tasks of an array.
        """
        from lakebatch.runner.replicates import requested

        found = requested(self.replicates, self.until, self.max_replicates, self.group)
        if found is not None and is_shared:
            raise click.UsageError(
                "The tasks of an array share the parts of one assembly, and replicates are several. Leave out --shard, "
                "--array and --print-slurm, or --replicates and --until."
            )
        return found


def replicate_options(function: Function) -> Function:
    """Add ``--replicates``, ``--until``, ``--max-replicates`` and ``--group``."""
    function = click.option(
        "--group",
        metavar="COLUMN=VALUE,...",
        help="Groups that --until is about, e.g. feature_set=last,model=ridge.  [default: all]",
    )(function)
    function = click.option(
        "--max-replicates",
        type=int,
        metavar="N",
        help="Largest number of replicates with --until.  [default: 100]",
    )(function)
    function = click.option(
        "--until",
        metavar="CONDITION",
        help="Run replicates until the mean of a metric is known so well in every group, e.g. 'ci(pearson_r) < 0.02'.",
    )(function)
    return click.option(
        "--replicates",
        type=int,
        metavar="N",
        help="Number of independent assemblies to run, one after the other; with --sweep, for each point.",
    )(function)
