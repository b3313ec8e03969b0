"""A run in the terminal: display, Ctrl-C, log file, notifications and closing message."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

import click
from platformdirs import user_state_path

from lakebatch._text import RedactingFormatter
from lakebatch.assembly import log_capture, replica_sets
from lakebatch.assembly.part_writer import count_missing_metrics
from lakebatch.cli.colours import state_word
from lakebatch.cli.context import group_options, program
from lakebatch.cli.exit_codes import FAILED_PARTS
from lakebatch.cli.notify import Notification, Notifier
from lakebatch.cli.output import file_name
from lakebatch.cli.progress import terminal_progress
from lakebatch.cli.stderr import print_stderr, sanitize
from lakebatch.runner.assembly_run import Progress, Work
from lakebatch.settings import working_folder

if TYPE_CHECKING:
    from lakebatch.assembly.record import Assembly
    from lakebatch.assembly.shards import Shard
    from lakebatch.executor.progress import Counters
    from lakebatch.executor.worker import Outcome
    from lakebatch.lake.experiment import StoredExperiment

STOP_SECONDS = 30.0  # for the running parts, after the first Ctrl-C
STOP_NOTICE = (
    "Stopping: Ctrl-C again stops at once. The running parts get up to "
    f"{STOP_SECONDS:.0f} s to finish, and are committed."
)
LOGS = "logs"
LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
PACKAGE_LOGGER = logging.getLogger("lakebatch")


class InterruptHandler:
    """Signal handler: the first Ctrl-C, while parts are computed, prevents further parts.

    An exception that a handler raises can be lost: Python ignores it inside of a callback, and compiled code may drop
    it. So the handler records what it raises, and `wants_to_stop` raises it again.
    """

    def __init__(self) -> None:
        self.is_computing = False
        self.announce: Callable[[str], None] = print_stderr
        self._asked_at: float | None = None
        self._is_ended = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Record the first Ctrl-C; raise at the second, and at once where no part would be lost."""
        if self._asked_at is not None or not self.is_computing:
            self.end(number, frame)
        self._asked_at = time.monotonic()
        # in a thread, since the interrupted code may hold the lock of the display
        threading.Thread(target=self.announce, args=(STOP_NOTICE,), daemon=True).start()

    def end(self, number: int, frame: FrameType | None) -> NoReturn:
        """End as after a second Ctrl-C: the run records its state and can be resumed."""
        self._is_ended = True
        raise KeyboardInterrupt

    def wants_to_stop(self) -> bool:
        """Whether no further part may begin; raise when the running parts exceed their time limit."""
        if self._is_ended:
            raise KeyboardInterrupt
        if self._asked_at is None:
            return False
        if time.monotonic() - self._asked_at > STOP_SECONDS:
            raise KeyboardInterrupt
        return True


@contextmanager
def handled_interrupts() -> Iterator[InterruptHandler]:
    """Handle Ctrl-C and SIGTERM with an `InterruptHandler` within the block."""
    handler = InterruptHandler()
    before = {
        signal.SIGINT: signal.signal(signal.SIGINT, handler),
        signal.SIGTERM: signal.signal(signal.SIGTERM, handler.end),
    }
    try:
        yield handler
    finally:
        for number, former in before.items():
            signal.signal(number, former)


class LogFile:
    """Log file of lakebatch for one run."""

    def __init__(self) -> None:
        self.file: Path | None = None
        self._handler: logging.Handler | None = None

    def open(self, folder: str, assembly_id: str) -> None:
        """Open the file of an assembly for appending; a run continues without a file that cannot be written."""
        file = log_file(folder, assembly_id)
        try:
            _make_private(file.parent)
            self._handler = _PrivateFile(file, encoding="utf-8")
        except OSError as error:
            PACKAGE_LOGGER.warning("There is no log file: cannot write %s: %s.", file, error.strerror)
            return
        self._handler.setFormatter(RedactingFormatter(LOG_FORMAT))
        log_capture.attach(self._handler)
        self.file = file
        PACKAGE_LOGGER.info("log file of %s: %s", assembly_id, file)

    def close(self) -> None:
        """Close the file."""
        if self._handler is not None:
            log_capture.detach(self._handler)
            self._handler.close()
            self._handler = None


class _PrivateFile(logging.FileHandler):
    """Handler that appends to a file with mode 0600."""

    def _open(self) -> TextIOWrapper:
        return open(self.baseFilename, "a", encoding=self.encoding, opener=_open_private)


def log_file(folder: str, assembly_id: str) -> Path:
    """Return the path of an assembly's log file, below the system's folder for state files.

    The lake is no place for it: a lake can be on S3, and holds only tables.
    """
    return user_state_path("lakebatch") / LOGS / folder / f"{assembly_id}.log"


def _make_private(folder: Path) -> None:
    """Create the folder of an experiment's logs and our folders above it with mode 0700."""
    folder.parents[1].mkdir(parents=True, exist_ok=True)
    for each in (folder.parents[1], folder.parents[0], folder):
        each.mkdir(exist_ok=True)
        each.chmod(0o700)


def _open_private(path: str, flags: int) -> int:
    """Open a file with mode 0600; refuse a symbolic link, and never block on a pipe."""
    if sys.platform == "win32":  # runs are refused there
        raise NotImplementedError
    opened = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    os.fchmod(opened, 0o600)
    return opened


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
        if self._assembly is not None:  # of a set, each assembly has a display and a log file
            self.log.close()
            self._display = terminal_progress()
            self._interrupts.announce = self._display.print_line
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
    missing, dropped = assembly.missing_metrics, assembly.dropped_samples
    lacking = f"; {missing}" if missing is not None and missing.rows else ""
    lacking += f"; {dropped}" if dropped is not None else ""
    return f"{done}; failed: {assembly.error}{lacking}" if assembly.error else f"{done}{lacking}"


def report_end(
    stored: StoredExperiment, assembly: Assembly, shard: Shard | None, *, fail_on_missing: bool
) -> None:
    """Print the outcome of a run and the next commands.

    Exit with code 3 after failed parts, and with ``fail_on_missing`` if rows of the assembly have no metric.
    """
    command = program(click.get_current_context())
    failed = (
        assembly.failures if shard is None else set(shard.share(assembly.parts)) & assembly.failures.keys()
    )
    has_failed = bool(assembly.status == "failed" or failed)
    _report_set(stored, assembly)
    if has_failed:
        print_stderr(
            f"{assembly.assembly_id} has {assembly.parts_done} of {assembly.parts_planned} parts; failed: {assembly.error}\n"
            f"Try the rest again with: {command} resume {stored.reference} {assembly.assembly_id}"
        )
    elif not group_options(click.get_current_context()).quiet:
        _print_end(stored, assembly, shard, command)
    has_missing = _warn_of_missing_metrics(stored, assembly, command)
    _warn_of_dropped_samples(stored, assembly, command)
    if has_failed or (fail_on_missing and has_missing):
        sys.exit(FAILED_PARTS)


def _report_set(stored: StoredExperiment, assembly: Assembly) -> None:
    """Print how a set of replicates has ended, or what it lacks."""
    place = assembly.replicate
    if place is not None and not group_options(click.get_current_context()).quiet:
        members = replica_sets.members(stored.log.latest(), place.set)
        click.echo(f"Replicates: {replica_sets.describe(members)}")


def _print_end(stored: StoredExperiment, assembly: Assembly, shard: Shard | None, command: str) -> None:
    if assembly.status != "completed" and shard is None:
        click.echo(f"{assembly.assembly_id} is computed by another process.")
        return
    if assembly.status != "completed":
        click.echo(
            f"Shard {shard} of {assembly.assembly_id} is done: {assembly.parts_done} of {assembly.parts_planned} parts "
            "are committed. The last shard to finish completes it."
        )
        return
    name = stored.reference
    uri = sanitize(stored.results.uri.removeprefix(f"{working_folder().as_posix()}/"))
    state = state_word(assembly.state)
    click.echo(
        f"{assembly.assembly_id} is {state}: {assembly.rows} rows in {uri}, version {assembly.results_version}\n"
        "Look at it with:\n"
        f"  {command} plot {name} -o {file_name(name, '.png')}\n"
        f"  {command} report {name}\n"
        f"  {command} reassemble {name} -o {file_name(name, '.parquet')}\n"
        f"  {command} sql --query summary --param experiment={name}"
    )
    for gap in assembly.known_gaps:
        print_stderr(f"Warning: {gap}")


def _warn_of_missing_metrics(stored: StoredExperiment, assembly: Assembly, command: str) -> bool:
    """Print how many rows of an ended assembly have no metric; return whether there are any."""
    if assembly.status not in ("completed", "failed"):
        return False
    missing = assembly.missing_metrics or count_missing_metrics(stored.results, assembly.assembly_id)
    if missing.rows:
        sys.stdout.flush()
        print_stderr(
            f"Warning: {missing}.\nList them with: {command} sql --query failures --param experiment={stored.reference}"
        )
    return bool(missing.rows)


def _warn_of_dropped_samples(stored: StoredExperiment, assembly: Assembly, command: str) -> None:
    """Print how many samples of an ended assembly were dropped."""
    if assembly.dropped_samples is not None:
        sys.stdout.flush()
        print_stderr(
            f"Warning: {assembly.dropped_samples}.\nList them with: {command} sql "
            f"'SELECT sample, failure FROM {stored.schema_name()}.samples WHERE failure IS NOT NULL'"
        )
