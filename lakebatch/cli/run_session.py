"""A run in the terminal: display, Ctrl-C, log file, notifications and closing message."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from lakebatch.cli.context import group_options, program
from lakebatch.cli.exit_codes import FAILED_PARTS
from lakebatch.cli.interrupts import InterruptHandler, handled_interrupts
from lakebatch.cli.log_file import PACKAGE_LOGGER, LogFile
from lakebatch.cli.notify import Notification, Notifier
from lakebatch.cli.output import file_name
from lakebatch.cli.progress import terminal_progress
from lakebatch.cli.stderr import print_stderr, sanitize
from lakebatch.runner.progress import Progress, Work
from lakebatch.settings import working_folder

if TYPE_CHECKING:
    from lakebatch.assembly.record import Assembly
    from lakebatch.assembly.shards import Shard
    from lakebatch.executor.counters import Counters
    from lakebatch.executor.worker import Outcome
    from lakebatch.lake.lake import Lake


class RunSession(Progress):
    """Progress of a run, for the display, the log file and notifications."""

    def __init__(self, name: str, folder: Callable[[], str], interrupts: InterruptHandler) -> None:
        self._name = name
        self._folder = folder
        self._display = terminal_progress()
        self._interrupts = interrupts
        interrupts.announce = self._display.print_line
        self._assembly: Assembly | None = None
        self.log = LogFile()
        self.notifier = Notifier()

    def started(self, assembly: Assembly, done: int, work: Work, counters: Counters) -> None:
        """Open the log file, show the display and send a notification."""
        self._assembly = assembly
        self.log.open(self._folder(), assembly.assembly_id)
        self._display.started(assembly, done, work, counters)
        self._interrupts.is_computing = True
        self.notify("started", f"{done} of {work.parts} parts done, {work.amount} {work.unit} to do")

    def part_committed(self, outcome: Outcome, rows: int) -> None:
        """Show the part."""
        self._display.part_committed(outcome, rows)

    def part_failed(self, outcome: Outcome) -> None:
        """Log and show the part."""
        PACKAGE_LOGGER.debug("part %s failed: %s", outcome.part.key, outcome.error)
        self._display.part_failed(outcome)

    def wants_to_stop(self) -> bool:
        """Whether Ctrl-C was pressed."""
        return self._interrupts.wants_to_stop()

    def ended(self) -> None:
        """Close the display."""
        self._interrupts.is_computing = False
        self._display.ended()

    def notify(self, event: str, text: str) -> None:
        """Send a notification about the assembly, once it exists."""
        if self._assembly is None:
            return
        fields = {"event": event, "experiment": self._name, "assembly_id": self._assembly.assembly_id}
        title = f"{self._name} {self._assembly.assembly_id} {event}"
        self.notifier.send(Notification(title, text, fields))

    def failed(self, error: BaseException) -> None:
        """Log an interrupt or an error, send a notification and name the log file."""
        interrupted = isinstance(error, KeyboardInterrupt)
        PACKAGE_LOGGER.debug(
            "the run ended with %s: %s", type(error).__name__, error, exc_info=not interrupted
        )
        self.notify("interrupted" if interrupted else "failed", str(error) or type(error).__name__)
        if not interrupted:
            self.name_log()

    def name_log(self) -> None:
        """Print the path of the log file."""
        if self.log.file is not None:
            print_stderr(f"Log: {self.log.file}")


def run_with_session(name: str, folder: Callable[[], str], work: Callable[[Progress], Assembly]) -> Assembly:
    """Return the assembly of a run with Ctrl-C, display, log file and notifications."""
    with handled_interrupts() as interrupts:
        session = RunSession(name, folder, interrupts)
        try:
            assembly = work(session)
            session.notify(assembly.status, _outcome(assembly))
            if assembly.status == "failed":
                session.name_log()
        except BaseException as error:
            session.failed(error)
            raise
        finally:
            session.notifier.finish()
            session.log.close()
    return assembly


def _outcome(assembly: Assembly) -> str:
    done = f"{assembly.parts_done} of {assembly.parts_planned} parts, {assembly.rows} rows"
    return f"{done}; failed: {assembly.error}" if assembly.error else done


def report_end(lake: Lake, name: str, assembly: Assembly, shard: Shard | None) -> None:
    """Print the outcome of a run and the next commands; exit with code 3 after failed parts."""
    command = program(click.get_current_context())
    failed = (
        assembly.failures if shard is None else set(shard.share(assembly.parts)) & assembly.failures.keys()
    )
    if assembly.status == "failed" or failed:
        print_stderr(
            f"{assembly.assembly_id} has {assembly.parts_done} of {assembly.parts_planned} parts; failed: {assembly.error}\n"
            f"Try the rest again with: {command} resume {name} {assembly.assembly_id}"
        )
        sys.exit(FAILED_PARTS)
    if group_options(click.get_current_context()).quiet:
        return
    if assembly.status != "completed":
        click.echo(
            f"Shard {shard} of {assembly.assembly_id} is done: {assembly.parts_done} of {assembly.parts_planned} parts "
            "are committed. The last shard to finish completes it."
        )
        return
    stored = lake[name]
    uri = sanitize(stored.results.uri.removeprefix(f"{working_folder()}/"))
    click.echo(
        f"{assembly.assembly_id} is completed: {assembly.rows} rows in {uri}, version {assembly.results_version}\n"
        "Look at it with:\n"
        f"  {command} plot {name} -o {file_name(name, '.png')}\n"
        f"  {command} report {name}\n"
        f"  {command} reassemble {name} -o {file_name(name, '.parquet')}\n"
        f"  {command} sql --query summary --param experiment={name}"
    )
    for gap in assembly.known_gaps:
        print_stderr(f"Warning: {gap}")
