"""What attends a run beside the display: Ctrl-C, the log file, notifications."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from lakebatch.cli.context import common, program
from lakebatch.cli.exit_codes import FAILED_PARTS
from lakebatch.cli.interrupts import InterruptHandler, brake
from lakebatch.cli.log_file import OWN, LogFile
from lakebatch.cli.notify import Notification, Notifier
from lakebatch.cli.progress import terminal_progress
from lakebatch.cli.terminal import harmless, say
from lakebatch.runner.progress import Progress, Work
from lakebatch.settings import working_folder

if TYPE_CHECKING:
    from lakebatch.assembly.record import Assembly
    from lakebatch.assembly.shards import Shard
    from lakebatch.executor.counters import Counters
    from lakebatch.executor.worker import Outcome
    from lakebatch.lake.lake import Lake


class RunSession(Progress):
    """Passes on to the display what it hears, and writes, tells and stops beside it."""

    def __init__(self, name: str, folder: Callable[[], str], pulled: InterruptHandler) -> None:
        self._name = name
        self._folder = folder
        self._display = terminal_progress()
        self._brake = pulled
        pulled.announce = self._display.say
        self._assembly: Assembly | None = None
        self.log = LogFile()
        self.notifier = Notifier()

    def started(self, assembly: Assembly, done: int, work: Work, counters: Counters) -> None:
        """Open the log file and tell that it begins."""
        self._assembly = assembly
        self.log.open(self._folder(), assembly.assembly_id)
        self._display.started(assembly, done, work, counters)
        self._brake.computing = True
        self.tell("started", f"{done} of {work.parts} parts done, {work.amount} {work.unit} to do")

    def part_committed(self, outcome: Outcome, rows: int) -> None:
        """Pass it on."""
        self._display.part_committed(outcome, rows)

    def part_failed(self, outcome: Outcome) -> None:
        """Write it down and pass it on."""
        OWN.debug("part %s failed: %s", outcome.part.key, outcome.error)
        self._display.part_failed(outcome)

    def wants_to_stop(self) -> bool:
        """Say whether Ctrl-C was pressed."""
        return self._brake.is_pulled()

    def ended(self) -> None:
        """Take the display away."""
        self._brake.computing = False
        self._display.ended()

    def tell(self, what: str, text: str) -> None:
        """Tell whoever is to be told, once there is an assembly."""
        if self._assembly is None:
            return
        fields = {"event": what, "experiment": self._name, "assembly_id": self._assembly.assembly_id}
        title = f"{self._name} {self._assembly.assembly_id} {what}"
        self.notifier.tell(Notification(title, text, fields))

    def failed(self, error: BaseException) -> None:
        """Write down and tell that the run did not end well, and say where to look."""
        interrupted = isinstance(error, KeyboardInterrupt)
        OWN.debug("the run ended with %s: %s", type(error).__name__, error, exc_info=not interrupted)
        self.tell("interrupted" if interrupted else "failed", str(error) or type(error).__name__)
        if not interrupted:
            self.say_log()

    def say_log(self) -> None:
        """Say where the log file is."""
        if self.log.file is not None:
            say(f"Log: {self.log.file}")


def run_with_session(name: str, folder: Callable[[], str], work: Callable[[Progress], Assembly]) -> Assembly:
    """Carry out a run with everything that attends it."""
    with brake() as pulled:
        attendant = RunSession(name, folder, pulled)
        try:
            assembly = work(attendant)
            attendant.tell(assembly.status, _outcome(assembly))
            if assembly.status == "failed":
                attendant.say_log()
        except BaseException as error:
            attendant.failed(error)
            raise
        finally:
            attendant.notifier.finish()
            attendant.log.close()
    return assembly


def _outcome(assembly: Assembly) -> str:
    done = f"{assembly.parts_done} of {assembly.parts_planned} parts, {assembly.rows} rows"
    return f"{done}; failed: {assembly.error}" if assembly.error else done


def conclude(lake: Lake, name: str, assembly: Assembly, shard: Shard | None) -> None:
    """Say how it ended and where to look next."""
    command = program(click.get_current_context())
    failed = (
        assembly.failures if shard is None else set(shard.share(assembly.parts)) & assembly.failures.keys()
    )
    if assembly.status == "failed" or failed:
        say(
            f"{assembly.assembly_id} has {assembly.parts_done} of {assembly.parts_planned} parts; failed: {assembly.error}\n"
            f"Try the rest again with: {command} resume {name} {assembly.assembly_id}"
        )
        sys.exit(FAILED_PARTS)
    if common(click.get_current_context()).quiet:
        return
    if assembly.status != "completed":
        click.echo(
            f"Shard {shard} of {assembly.assembly_id} is done: {assembly.parts_done} of {assembly.parts_planned} parts "
            "are there. The shard that finishes last completes it."
        )
        return
    stored = lake[name]
    where = harmless(stored.results.uri.removeprefix(f"{working_folder()}/"))
    click.echo(
        f"{assembly.assembly_id} is completed: {assembly.rows} rows in {where}, version {assembly.results_version}\n"
        "Look at it with:\n"
        f"  {command} plot {name} -o {name}.png\n"
        f"  {command} report {name}\n"
        f"  {command} reassemble {name} -o {name}.parquet\n"
        f"  {command} sql --query summary --param experiment={name}"
    )
    for gap in assembly.known_gaps:
        say(f"Warning: {gap}")
