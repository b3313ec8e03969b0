"""Command ``watch``: live progress of all assemblies."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import suppress

import click

from lakebatch.cli import completion as completing
from lakebatch.cli.context import open_lake
from lakebatch.cli.terminal import harmless


@click.command(epilog="Example: lakebatch watch response-noise --once")
@click.argument("name", required=False, shell_complete=completing.stored)
@click.option(
    "--every",
    type=click.FloatRange(min=0.1),
    default=2.0,
    show_default=True,
    metavar="S",
    help="Seconds between looks.",
)
@click.option("--once", is_flag=True, help="Look once.")
@click.pass_context
def watch(context: click.Context, name: str | None, every: float, once: bool) -> None:
    """Show how far every assembly of the lake, or of experiment NAME, is, until Ctrl-C.

    All of it is read from the lake, so it does not matter where the runs are. Away from a terminal a table is
    printed whenever something was committed.
    """
    from lakebatch.cli.status_table import state_table, states

    lake = open_lake(context)

    def look() -> str:
        found = states(lake, name)
        return (
            harmless(state_table(found))
            if found.height
            else f"Nothing has been run in {lake.storage.uri} yet."
        )

    with suppress(KeyboardInterrupt):
        if once:
            click.echo(look())
        elif sys.stdout.isatty():
            _redraw(look, every)
        else:
            _repeat(look, lambda: states(lake, name).drop("eta_seconds").rows(), every)


def _redraw(look: Callable[[], str], every: float) -> None:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    with Live(console=Console(), auto_refresh=False, vertical_overflow="crop") as display:
        while True:
            at = time.strftime("%H:%M:%SZ", time.gmtime())
            display.update(
                Text(f"{look()}\n\n{at}, every {every:g} s; Ctrl-C ends this, not the runs"), refresh=True
            )
            time.sleep(every)


def _repeat(look: Callable[[], str], state: Callable[[], object], every: float) -> None:
    """Print what is seen once per change of the state."""
    seen: object = None
    while True:
        if (now := state()) != seen:
            seen = now
            click.echo(look() + "\n")
            sys.stdout.flush()
        time.sleep(every)
