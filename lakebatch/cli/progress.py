"""How a run goes, on standard error: a live bar on a terminal, one line per part elsewhere."""

from __future__ import annotations

import sys
import threading

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from lakebatch.assembly import Assembly
from lakebatch.cli.saying import harmless, say
from lakebatch.counters import Counters
from lakebatch.progress import Progress, Work
from lakebatch.worker import Outcome

REFRESH_SECONDS = 0.25


def terminal_progress() -> Progress:
    """Return what suits standard error."""
    return Live() if sys.stderr.isatty() else Lines()


class Lines(Progress):
    """One line per part."""

    def started(self, assembly: Assembly, done: int, work: Work, counters: Counters) -> None:
        """Say what begins."""
        self._planned = assembly.parts_planned
        self._done = done
        self._say(_headline(assembly, done, work))

    def part_committed(self, outcome: Outcome, rows: int) -> None:
        """Say which part is in the table, how long it took and how long the rest may take."""
        self._done += 1
        self._say(
            f"{self._done}/{self._planned} {outcome.part.key}: {rows} rows committed, {outcome.seconds:.1f} s"
        )

    def part_failed(self, outcome: Outcome) -> None:
        """Say which part failed and why."""
        self._say(f"failed {outcome.part.key}: {outcome.error}")

    def _say(self, line: str) -> None:
        say(line)


class Live(Lines):
    """A bar of parts and one of rows with the time left, above which parts are listed as they come."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._bars = Bars(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
        )
        self._stop = threading.Event()
        self._watcher: threading.Thread | None = None

    def started(self, assembly: Assembly, done: int, work: Work, counters: Counters) -> None:
        """Show the bars."""
        super().started(assembly, done, work, counters)
        self._parts = self._bars.add_task("parts", total=assembly.parts_planned, completed=done)
        self._rows = self._bars.add_task(work.unit, total=work.amount)
        self._bars.start()
        self._watcher = threading.Thread(target=self._watch, args=(counters,), daemon=True)
        self._watcher.start()

    def part_committed(self, outcome: Outcome, rows: int) -> None:
        """List the part and move the bar."""
        super().part_committed(outcome, rows)
        self._bars.advance(self._parts)

    def ended(self) -> None:
        """Take the bars away."""
        self._stop.set()
        if self._watcher is not None:
            self._watcher.join()
            self._bars.stop()

    def _say(self, line: str) -> None:
        self._console.print(harmless(line), markup=False, highlight=False, soft_wrap=True)

    def _watch(self, counters: Counters) -> None:
        while not self._stop.wait(REFRESH_SECONDS):
            self._bars.update(self._rows, completed=counters.total())


def _headline(assembly: Assembly, done: int, work: Work) -> str:
    already = f", {done} of them done before" if done else ""
    ahead = f"{work.amount} {work.unit} to do, seed {assembly.seed}"
    parts = "1 part" if assembly.parts_planned == 1 else f"{assembly.parts_planned} parts"
    return f"{assembly.assembly_id}: {parts}{already}, {ahead}"
