"""Command ``logs``: the log of an assembly."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from lakebatch.cli import completion
from lakebatch.cli.colours import LEVEL_LOOKS, paint, shows_colour
from lakebatch.cli.context import inform, of_assembly, only_experiment, open_lake
from lakebatch.cli.options import format_option
from lakebatch.cli.output import echo, show
from lakebatch.cli.stderr import sanitize

if TYPE_CHECKING:
    import polars as pl

    from lakebatch.assembly.logs import Level
    from lakebatch.assembly.record import Assembly
    from lakebatch.lake.experiment import StoredExperiment

FOLLOW_SECONDS = 2.0
LOWEST = "DEBUG"


@click.command(epilog="Example: lakebatch logs response-noise --level ERROR")
@click.argument("name", required=False, shell_complete=completion.stored)
@click.argument("assembly", required=False, shell_complete=completion.assemblies)
@click.option(
    "--level",
    default=LOWEST,
    show_default=True,
    metavar="LEVEL",
    help="Records of DEBUG, INFO, WARNING, ERROR or CRITICAL and above. A failed part's traceback is an ERROR.",
)
@click.option("--part", metavar="KEY", help="Records about this part alone, e.g. level=0.1.")
@click.option("--tail", type=click.IntRange(min=0), metavar="N", help="The last N records.")
@click.option("--follow", is_flag=True, help="Print new records until the assembly has ended, or Ctrl-C.")
@format_option
@click.pass_context
def logs(
    context: click.Context,
    name: str | None,
    assembly: str | None,
    level: Level,
    part: str | None,
    tail: int | None,
    follow: bool,
    form: str,
) -> None:
    """Print the log of an ASSEMBLY, by id or name, by default the newest: what its processes did, and tracebacks.

    NAME can be left out before an id, and in a lake of one experiment.

    Every process writes its log to the lake when it ends, and every few minutes until then. The machine that runs it
    also has a log file, which is never behind.
    """
    if follow and form not in ("table", "ndjson"):
        raise click.UsageError("--follow has no end: it takes --format table or ndjson.")
    name, assembly = of_assembly(context, name or only_experiment(context), assembly)
    stored = open_lake(context)[name]
    chosen = stored.log.newest() if assembly is None else stored.log.get(assembly)

    def read() -> pl.DataFrame:
        return stored.logs(chosen.assembly_id, level=level, part=part)

    found = read()
    shown = found if tail is None else found.tail(tail)
    if found.is_empty():
        inform(_absence(stored, chosen, level, part))
    _print(shown, form)
    if follow:
        with suppress(KeyboardInterrupt):
            for new in _following(stored, chosen.assembly_id, found, read):
                _print(new, form)


def _following(
    stored: StoredExperiment, assembly_id: str, seen: pl.DataFrame, read: Callable[[], pl.DataFrame]
) -> Iterator[pl.DataFrame]:
    """Yield the records that are added, until the assembly has no process at work."""
    while True:
        is_at_work = stored.log.get(assembly_id).state == "running"
        found = read()
        new = found.join(seen, on=["event", "line"], how="anti", maintain_order="left")
        seen = found
        if new.height:
            yield new
        if not is_at_work:
            return
        time.sleep(FOLLOW_SECONDS)


def _print(found: pl.DataFrame, form: str) -> None:
    if form != "table":
        show(found.drop("assembly_id"), form)
        return
    for row in found.iter_rows(named=True):
        echo(_line(row))


def _line(row: dict[str, Any]) -> str:
    """Return a record as one line, followed by its traceback."""
    shard = f" [{row['shard']}]" if row["shard"] else ""
    level = sanitize(row["level"])
    look = LEVEL_LOOKS.get(level) if shows_colour(sys.stdout) else None
    return f"{row['at']:%Y-%m-%d %H:%M:%S}Z {paint(level, look)}{sanitize(shard)} {sanitize(row['message'])}"


def _absence(stored: StoredExperiment, assembly: Assembly, level: str, part: str | None) -> str:
    """Return why there is no record."""
    from lakebatch.cli.run_session import log_file

    if level.upper() != LOWEST or part is not None:
        return f"The log of {assembly.assembly_id} has no such record."
    why = (
        "its process has not written it yet"
        if assembly.state == "running"
        else "an older lakebatch ran it, or its process was killed"
    )
    file = log_file(stored.folder, assembly.assembly_id)
    return f"The lake has no log of {assembly.assembly_id}: {why}. See also on {assembly.host}: {file}"
