"""Progress of a run on standard error: a live display on a terminal, else one line per part."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import click
from rich.console import Console, Group
from rich.live import Live as Display
from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.text import Text

from lakebatch.assembly.record import Assembly
from lakebatch.cli.colours import BAR, BAR_END, LABEL_LOOKS
from lakebatch.cli.context import group_options
from lakebatch.cli.stderr import print_stderr, sanitize
from lakebatch.executor.progress import Counters
from lakebatch.executor.worker import Outcome
from lakebatch.experiment.phases import Phase
from lakebatch.runner.assembly_run import Progress, Work
from lakebatch.runner.throughput import Throughput
from lakebatch.snapshot.eta import duration

REFRESH_SECONDS = 0.25
PHASE_SECONDS = 3.0  # after which a phase is worth a line, where there is no display


class QuietProgress(Progress):
    """Progress that is not shown."""

    def print_line(self, line: str) -> None:
        """Print a line."""
        print_stderr(line)


def terminal_progress() -> QuietProgress:
    """Return the display that suits standard error and ``--quiet``."""
    if group_options(click.get_current_context()).quiet:
        return QuietProgress()
    return LiveProgress() if sys.stderr.isatty() else LineProgress()


class LineProgress(QuietProgress):
    """One line per part; before the first one, per phase that lasts."""

    _phases: PhaseLines | None = None

    def started(self, assembly: Assembly, done: int, work: Work, counters: Counters) -> None:
        """Print the assembly and its work."""
        self._planned = work.parts
        self._done = done
        self.print_line(_headline(assembly, done, work))
        self._watch_phases(counters)

    def _watch_phases(self, counters: Counters) -> None:
        self._phases = PhaseLines(counters, self.print_line)

    def ended(self) -> None:
        """Print no more phases."""
        if self._phases is not None:
            self._phases.stop()

    def part_committed(self, outcome: Outcome, rows: int) -> None:
        """Print the part and its duration."""
        self._done += 1
        self.print_line(
            f"{self._done}/{self._planned} {outcome.part.key}: {rows} rows committed, {outcome.seconds:.1f} s"
        )

    def part_failed(self, outcome: Outcome) -> None:
        """Print the part and its error."""
        self.print_line(f"failed {outcome.part.key}: {outcome.error}")


class PhaseLines:
    """Prints each phase that lasts some seconds, until the first work is finished."""

    def __init__(self, counters: Counters, print_line: Callable[[str], None]) -> None:
        self._counters = counters
        self._print_line = print_line
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Print no more; the counters are not read after that."""
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        seen, since, printed = None, time.monotonic(), set[str]()
        while not self._stop.wait(REFRESH_SECONDS) and not self._counters.total():
            phase = self._counters.phase()
            if phase is None or phase.text != seen:
                seen, since = phase and phase.text, time.monotonic()
            elif phase.text not in printed and time.monotonic() - since > PHASE_SECONDS:
                printed.add(phase.text)
                self._print_line(f"{phase} ...")


@dataclass
class ThroughputMeter:
    """Rate of one process on an assembly, its last commit and failures; before the first finished work, its phase."""

    work: Work
    failures: int = 0
    version: int | None = None
    committed_at: float | None = None
    phase: Phase | None = None

    def __post_init__(self) -> None:
        self._throughput = Throughput(self.work.amount)

    @property
    def amount(self) -> int:
        """The amount of finished work."""
        return self._throughput.amount

    def record(self, amount: int, at: float) -> None:
        """Record the amount of finished work."""
        self._throughput.record(amount, at)

    def read(self, counters: Counters) -> None:
        """Record the amount of finished work, or the phase before it."""
        self.record(counters.total(), time.monotonic())
        self.phase = None if self._throughput.has_begun else counters.phase()

    def describe(self, at: float) -> str:
        """Return phase or rate, time left, last commit and failures in one line.

        >>> meter = ThroughputMeter(Work(110, "fits", parts=6))
        >>> meter.describe(60.0)
        'preparing and computing the first parts, nothing committed yet, 0 failed'
        >>> meter.phase = Phase("simulating 1,000 patients")
        >>> meter.describe(60.0)
        'simulating 1,000 patients, nothing committed yet, 0 failed'
        >>> meter.version, meter.committed_at = 7, 98.0
        >>> meter.record(10, 90.0)
        >>> meter.record(30, 100.0)
        >>> meter.describe(100.0)
        '2.0 fits/s, 40 s left, version 7 committed 2 s ago, 0 failed'
        """
        commit = "nothing committed yet"
        if self.committed_at is not None:
            commit = f"version {self.version} committed {duration(at - self.committed_at)} ago"
        return f"{self._speed(at)}, {commit}, {self.failures} failed"

    def _speed(self, at: float) -> str:
        if not self._throughput.has_begun:
            return str(self.phase or "preparing and computing the first parts")
        rate = self._throughput.rate(at)
        if rate is None:
            return f"? {self.work.unit}/s, ? left"
        return f"{rate:.1f} {self.work.unit}/s, {duration(self._throughput.seconds_left(at))} left"


def make_bars(console: Console, *more: ProgressColumn) -> Bars:
    """Return bars with description, count and elapsed time, and further columns."""
    bar = BarColumn(bar_width=None, complete_style=BAR, finished_style=BAR_END, pulse_style=BAR)
    columns = (TextColumn("{task.description}", markup=False), bar)
    return Bars(*columns, MofNCompleteColumn(), TimeElapsedColumn(), *more, console=console, expand=True)


def labelled(line: str) -> Text:
    """Return a line with the label at its beginning in colour."""
    text = Text(sanitize(line))
    for label, look in LABEL_LOOKS.items():
        if line.startswith(label):
            text.stylize(look, 0, len(label))
    return text


class LiveProgress(LineProgress):
    """Progress bars with rate, time left, last commit and failures; finished parts are listed above them."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._bars = make_bars(self._console)
        self._display = Display(console=self._console, transient=True, auto_refresh=False)
        self._stop = threading.Event()
        self._watcher: threading.Thread | None = None

    def started(self, assembly: Assembly, done: int, work: Work, counters: Counters) -> None:
        """Open the display."""
        super().started(assembly, done, work, counters)
        self._meter = ThroughputMeter(work)
        self._parts = self._bars.add_task("parts", total=work.parts, completed=done)
        self._rows = self._bars.add_task(work.unit, total=work.amount)
        self._display.start()
        self._watcher = threading.Thread(target=self._watch, args=(counters,), daemon=True)
        self._watcher.start()

    def part_committed(self, outcome: Outcome, rows: int) -> None:
        """List the part and move the bar."""
        super().part_committed(outcome, rows)
        self._meter.version, self._meter.committed_at = outcome.version, time.monotonic()
        self._bars.advance(self._parts)

    def part_failed(self, outcome: Outcome) -> None:
        """List the part and count it."""
        super().part_failed(outcome)
        self._meter.failures += 1

    def _watch_phases(self, counters: Counters) -> None:
        """Do nothing: the display shows them."""

    def ended(self) -> None:
        """Close the display."""
        self._stop.set()
        if self._watcher is not None:
            self._watcher.join()
            self._display.stop()

    def print_line(self, line: str) -> None:
        """Print a line above the display."""
        self._console.print(labelled(line), highlight=False)

    def _watch(self, counters: Counters) -> None:
        while not self._stop.wait(REFRESH_SECONDS):
            self._meter.read(counters)
            self._bars.update(self._rows, completed=self._meter.amount)
            line = Text(self._meter.describe(time.monotonic()), no_wrap=True, overflow="ellipsis")
            self._display.update(Group(self._bars.get_renderable(), line), refresh=True)


def _headline(assembly: Assembly, done: int, work: Work) -> str:
    already = f", {done} of them done before" if done else ""
    ahead = f"{work.amount} {work.unit} to do, seed {assembly.seed}"
    parts = "1 part" if work.parts == 1 else f"{work.parts} parts"
    if work.parts < assembly.parts_planned:
        parts = f"this shard's {parts} of {assembly.parts_planned}"
    return f"{assembly.assembly_id}: {parts}{already}, {ahead}"
