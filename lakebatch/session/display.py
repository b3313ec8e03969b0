"""Live display of a run in a notebook, or the bars of the command line on a terminal."""

from __future__ import annotations

import contextvars
import sys
import threading
import time
from html import escape
from typing import TYPE_CHECKING, Any

from lakebatch.errors import ConfigError
from lakebatch.runner.assembly_run import Progress, Work

if TYPE_CHECKING:
    from lakebatch.assembly.record import Assembly
    from lakebatch.executor.counters import Counters
    from lakebatch.executor.worker import Outcome

REFRESH_SECONDS = 0.5
MAX_FAILURES = 5
# failed parts that the display names


def progress_of(progress: bool | Progress | None) -> Progress:
    """Return the display that an argument asks for: none, or the one that suits where the run was started.

    Raises
    ------
    ConfigError
        If it is neither a truth value nor a `Progress`.
    """
    if isinstance(progress, Progress):
        return progress
    if progress is None or progress is False:
        return Progress()
    if progress is not True:
        raise ConfigError(f"progress is {progress!r}. Expected True or False.")
    return NotebookProgress() if _is_notebook() else TerminalProgress()


def _is_notebook() -> bool:
    """Whether the front end shows HTML: a kernel runs this process."""
    get_shell = getattr(sys.modules.get("IPython"), "get_ipython", None)
    return get_shell is not None and hasattr(get_shell(), "kernel")


class TerminalProgress(Progress):
    """The display of the command line, anew for each assembly."""

    def started(self, assembly: Assembly, done: int, work: Work, counters: Counters) -> None:
        """Open the display."""
        from lakebatch.cli.progress import LineProgress, LiveProgress  # slow to import

        self._shown: Progress = LiveProgress() if sys.stderr.isatty() else LineProgress()
        self._shown.started(assembly, done, work, counters)

    def part_committed(self, outcome: Outcome, rows: int) -> None:
        """Show the part."""
        self._shown.part_committed(outcome, rows)

    def part_failed(self, outcome: Outcome) -> None:
        """Show the part."""
        self._shown.part_failed(outcome)

    def ended(self) -> None:
        """Close the display."""
        self._shown.ended()


class _State:
    """What the display of one assembly shows; a front end without HTML shows its text."""

    def __init__(self, assembly: Assembly, done: int, work: Work) -> None:
        self.title = f"{assembly.assembly_id}{f', {assembly.replicate}' if assembly.replicate else ''}"
        self.done, self.parts = done, work.parts
        self.rows, self.planned, self.unit = 0, work.amount, work.unit
        self.speed = ""
        self.failures: list[str] = []

    def lines(self) -> list[str]:
        of = f" of {self.planned}" if self.planned >= self.rows else ""  # an experiment may announce too few
        counts = f"{self.done} of {self.parts} parts, {self.rows}{of} {self.unit}"
        more = len(self.failures) - MAX_FAILURES
        others = [f"{more} more failed parts"] if more > 0 else []
        return [f"{counts}: {self.speed}" if self.speed else counts, *self.failures[:MAX_FAILURES], *others]

    def __repr__(self) -> str:
        return "\n".join([self.title, *self.lines()])

    def _repr_html_(self) -> str:
        first, *failures = map(escape, self.lines())
        bar = f'<progress value="{self.done}" max="{self.parts}"></progress>'
        below = "".join(f"<br>{each}" for each in failures)
        return f"<div><strong>{escape(self.title)}</strong><br>{bar} {first}{below}</div>"


class NotebookProgress(Progress):
    """One output per assembly, which is replaced as the run goes on."""

    def started(self, assembly: Assembly, done: int, work: Work, counters: Counters) -> None:
        """Show the output, and keep it up to date."""
        from IPython.display import display

        from lakebatch.cli.progress import ThroughputMeter  # slow to import

        self._meter = ThroughputMeter(work)
        self._state = _State(assembly, done, work)
        self._state.speed = self._meter.describe(time.monotonic())
        show: Any = display  # it has no types
        self._handle = show(self._state, display_id=True)
        self._stop = threading.Event()
        # with the context of this thread, by which the kernel finds the cell of an output
        context = contextvars.copy_context()
        self._watcher = threading.Thread(target=context.run, args=(self._watch, counters), daemon=True)
        self._watcher.start()

    def part_committed(self, outcome: Outcome, rows: int) -> None:
        """Move the bar."""
        self._meter.version, self._meter.committed_at = outcome.version, time.monotonic()
        self._state.done += 1

    def part_failed(self, outcome: Outcome) -> None:
        """Name the part."""
        self._meter.failures += 1
        self._state.failures.append(f"failed {outcome.part.key}: {outcome.error}")

    def ended(self) -> None:
        """Show the output for the last time."""
        self._stop.set()
        self._watcher.join()
        self._state.speed = f"{self._meter.failures} failed"
        self._update()

    def _watch(self, counters: Counters) -> None:
        shown = ""
        while True:
            stopped = self._stop.wait(REFRESH_SECONDS)
            self._meter.read(counters)
            self._state.rows = self._meter.amount
            if stopped:
                return
            self._state.speed = self._meter.describe(time.monotonic())
            if (text := repr(self._state)) != shown:
                shown = text
                self._update()

    def _update(self) -> None:
        if self._handle is not None:
            self._handle.update(self._state)
