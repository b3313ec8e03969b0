"""Options of ``run`` for a sweep."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

import click

from lakebatch.cli import completion
from lakebatch.cli.usage_errors import Choice

if TYPE_CHECKING:
    from lakebatch.runner.sweep_points import SweepRequest

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True)
class SweepOptions:
    """Values of the options."""

    sweep: tuple[str, ...]
    sweep_file: Path | None
    sweep_name: str | None
    draws: int | None
    design: str | None
    sweep_seed: int | None
    replicates: int | None
    dry_run: bool

    @classmethod
    def take(cls, options: dict[str, Any], replicates: int | None) -> Self:
        """Return the options of a sweep, taken out of all options; ``replicates`` is the number for each point."""
        given = [each.name for each in fields(cls) if each.name != "replicates"]
        return cls(replicates=replicates, **{name: options.pop(name) for name in given})

    @property
    def is_given(self) -> bool:
        """Whether a sweep is asked for.

        Raises
        ------
        click.UsageError
            If an option of sweeps stands alone.
        """
        if self.sweep or self.sweep_file:
            return True
        for name in ("sweep_name", "draws", "design", "sweep_seed", "dry_run"):
            if getattr(self, name) not in (None, False):
                option = f"--{name.replace('_', '-')}"
                raise click.UsageError(f"{option} belongs to a sweep. Give --sweep KEY=VALUES too.")
        return False

    def request(self) -> SweepRequest:
        """Return what is asked for."""
        from lakebatch.runner.sweep_points import SweepRequest

        return SweepRequest.of(
            self.sweep,
            file=self.sweep_file,
            draws=self.draws,
            design=self.design,
            seed=self.sweep_seed,
            replicates=self.replicates,
        )

    def arguments(self) -> list[str]:
        """Return the words on a command line that ask for the same sweep, valid in any folder."""
        named = {
            "--sweep-file": self.sweep_file and self.sweep_file.absolute(),
            "--sweep-name": self.sweep_name,
            "--draws": self.draws,
            "--design": self.design,
            "--sweep-seed": self.sweep_seed,
            "--replicates": self.replicates,
        }
        given = [word for text in self.sweep for word in ("--sweep", text)]
        return [
            *given,
            *(word for name, value in named.items() if value is not None for word in (name, str(value))),
        ]


def sweep_options(function: Function) -> Function:
    """Add ``--sweep`` and the options that belong to it."""
    function = click.option(
        "--dry-run", is_flag=True, help="Print the plan of the sweep with an estimated time, and run nothing."
    )(function)
    function = click.option("--sweep-seed", type=int, metavar="N", help="Seed of the draws.  [default: 0]")(
        function
    )
    function = click.option(
        "--design",
        type=Choice(["random", "latin"]),
        help="Independent draws, or a Latin hypercube.  [default: random]",
    )(function)
    function = click.option(
        "--draws", type=int, metavar="N", help="Draws from the keys with a distribution."
    )(function)
    function = click.option(
        "--sweep-name",
        metavar="TEXT",
        help="Name of the sweep; with the name of an earlier one, that one is edited.  [default: a new name]",
    )(function)
    function = click.option(
        "--sweep-file",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Sweep in TOML, YAML or JSON, or points in CSV.",
    )(function)
    return click.option(
        "--sweep",
        multiple=True,
        metavar="KEY=VALUES",
        shell_complete=completion.keys,
        help="Run an assembly for each value: a,b,c, range(0,1,0.25), logrange(1e-3,1,4), uniform(0,1) with --draws; "
        "can be repeated for a grid. See: lakebatch help sweeps",
    )(function)
