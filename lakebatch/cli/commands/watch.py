"""Command ``watch``: live progress of all assemblies."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import suppress

import click

from lakebatch._text import redact
from lakebatch.cli import completion
from lakebatch.cli.context import open_lake
from lakebatch.cli.output import echo


@click.command(epilog="Example: lakebatch watch response-noise --once")
@click.argument("name", required=False, shell_complete=completion.stored)
@click.option(
    "--every",
    type=click.FloatRange(min=0.1),
    default=2.0,
    show_default=True,
    metavar="S",
    help="Seconds between updates.",
)
@click.option("--once", is_flag=True, help="Print the table once.")
@click.pass_context
def watch(context: click.Context, name: str | None, every: float, once: bool) -> None:
    """Show the progress of every assembly of the lake, or of experiment NAME, until Ctrl-C.

    The progress is read from the lake, so the runs can be on any machine. Without a terminal, the table is printed
    after every commit.
    """
    from lakebatch.cli.status_table import assembly_states, state_table, sweep_states, with_sweeps

    lake = open_lake(context)

    def draw() -> str:
        found = assembly_states(lake, name)
        return (
            with_sweeps(state_table(found), sweep_states(lake, name))
            if found.height
            else f"Nothing has been run in {lake.storage.uri} yet."
        )

    with suppress(KeyboardInterrupt):
        if once:
            echo(draw())
        elif sys.stdout.isatty():
            _redraw(draw, every)
        else:
            _repeat(draw, lambda: assembly_states(lake, name).drop("eta_seconds", "progress").rows(), every)


def _redraw(draw: Callable[[], str], every: float) -> None:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    with Live(console=Console(), auto_refresh=False, vertical_overflow="crop") as display:
        while True:
            at = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime())
            display.update(
                Text.from_ansi(
                    f"{redact(draw())}\n\n{at}, every {every:g} s; Ctrl-C ends this display, not the runs"
                ),
                refresh=True,
            )
            time.sleep(every)


def _repeat(draw: Callable[[], str], state: Callable[[], object], every: float) -> None:
    """Print the table once per change of the state."""
    seen: object = None
    while True:
        if (now := state()) != seen:
            seen = now
            echo(draw() + "\n")
            sys.stdout.flush()
        time.sleep(every)
