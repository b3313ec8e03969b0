"""Live displays in a notebook: one output per call, replaced as the work goes on, that ends as one line."""

from __future__ import annotations

import contextvars
import threading
import time
from collections import Counter
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from lakebatch._text import excerpt, one_line
from lakebatch.runner.assembly_run import Work
from lakebatch.runner.sweep import SweepProgress
from lakebatch.snapshot.eta import duration

if TYPE_CHECKING:
    from lakebatch.assembly.record import Assembly
    from lakebatch.assembly.sweep_claims import Replicate
    from lakebatch.assembly.sweeps import Sweep
    from lakebatch.cli.progress import ThroughputMeter
    from lakebatch.executor.progress import Counters
    from lakebatch.executor.worker import Outcome

REFRESH_SECONDS = 0.5
MAX_FAILURES = 5
# failures that a display names
MAX_REASON = 300


class View:
    """What an output shows; a front end without HTML shows its text, and colours are those of the notebook."""

    def __init__(self, title: str, line: str, bar: tuple[int, int] | None = None, below: Sequence[str] = ()):
        self.title = title
        self.line = line
        self.bar = bar
        more = len(below) - MAX_FAILURES
        others = [f"{more} more failures"] if more > 0 else []
        self.below = [*(one_line(excerpt(each, MAX_REASON)) for each in below[:MAX_FAILURES]), *others]

    def __repr__(self) -> str:
        return "\n".join([f"{self.title}: {self.line}", *self.below])

    def _repr_html_(self) -> str:
        bar = f'<progress value="{self.bar[0]}" max="{self.bar[1]}"></progress> ' if self.bar else ""
        below = "".join(f"<br>{escape(each)}" for each in self.below)
        return f"<div>{bar}<strong>{escape(self.title)}</strong>: {escape(self.line)}{below}</div>"


class Output:
    """One output of the cell that runs."""

    def __init__(self) -> None:
        self._handle: Any = None
        self._text = ""

    def show(self, view: View) -> None:
        """Show a view in the place of the last one."""
        from IPython.display import display

        show: Any = display  # it has no types
        if self._handle is None:
            self._handle = show(view, display_id=True)
        elif repr(view) != self._text:
            self._handle.update(view)
        self._text = repr(view)


class AssemblyState:
    """State, parts, work and rate of one assembly."""

    def __init__(self, assembly: Assembly, done: int, work: Work, meter: ThroughputMeter, *, has_id: bool):
        place = f", {assembly.replicate}" if assembly.replicate else ""
        self.name = f", {assembly.assembly_id}{place}" if has_id else ""
        self.done, self.work, self.meter = done, work, meter
        self.failures: list[str] = []
        self.began = time.monotonic()

    @property
    def result(self) -> str:
        """How the computation ended."""
        if self.done == self.work.parts:
            return "completed"
        return "failed" if self.done + len(self.failures) == self.work.parts else "stopped"

    @property
    def counts(self) -> str:
        """The parts and the work that are done."""
        amount, planned = self.meter.amount, self.work.amount
        of = f" of {planned}" if planned >= amount else ""  # an experiment may announce too few
        return f"{self.done} of {self.work.parts} parts, {amount}{of} {self.work.unit}"

    def line(self) -> str:
        """Return what is said while it is computed."""
        return f"{self.counts}: {self.meter.describe(time.monotonic())}"

    def last_line(self) -> str:
        """Return what is said when it has ended."""
        return f"{self.result}, {self.counts} in {duration(time.monotonic() - self.began)}"


class NotebookProgress(SweepProgress):
    """The progress of one assembly, a set of replicates or a sweep, in one output."""

    def __init__(self, what: str, *, has_ids: bool = True) -> None:
        self._what = what
        self._has_ids = has_ids
        self._output = Output()
        self._ended: list[AssemblyState] = []
        self._total: int | None = None  # assemblies of a sweep
        self._states: Counter[str] = Counter()
        self._problems: list[str] = []
        self._began = time.monotonic()

    def sweep_started(self, experiment: str, sweep: Sweep, share: Sequence[Replicate], edit: str) -> None:
        """Show the sweep."""
        self._what, self._total = f"{experiment}, sweep {sweep.name}", len(share)
        self._show_all()

    def started(self, assembly: Assembly, done: int, work: Work, counters: Counters) -> None:
        """Show the assembly, and keep the output up to date."""
        from lakebatch.cli.progress import ThroughputMeter  # slow to import

        self._state = AssemblyState(assembly, done, work, ThroughputMeter(work), has_id=self._has_ids)
        self._show()
        self._stop = threading.Event()
        # with the context of this thread, by which the kernel finds the cell of an output
        context = contextvars.copy_context()
        self._watcher = threading.Thread(target=context.run, args=(self._watch, counters), daemon=True)
        self._watcher.start()

    def part_committed(self, outcome: Outcome, rows: int) -> None:
        """Move the bar."""
        meter = self._state.meter
        meter.version, meter.committed_at = outcome.version, time.monotonic()
        self._state.done += 1

    def part_failed(self, outcome: Outcome) -> None:
        """Name the part."""
        self._state.meter.failures += 1
        self._state.failures.append(f"failed {outcome.part.key}: {outcome.error}")

    def ended(self) -> None:
        """Show how the assembly ended, in one line and one for each failure."""
        self._stop.set()
        self._watcher.join()
        self._ended.append(self._state)
        if self._total is None:
            self._states[self._state.result] += 1
            self._problems += self._state.failures
        self._show_all()

    def replicate_ended(self, replicate: Replicate, ended: Assembly | None, reason: str = "") -> None:
        """Count an assembly of the sweep."""
        is_done = replicate.state == "done" and not reason
        state = ended.status if ended is not None else "failed" if reason else "left to other processes"
        self._states["done before" if is_done and ended is None else state] += 1
        if reason:
            where = ended.assembly_id if ended is not None else f"point {replicate.point.number}"
            self._problems.append(f"failed {where}: {reason}")
        self._show_all()

    def _show(self) -> None:
        before = f", {self._progress()}" if self._total is not None or self._ended else ""
        title = f"{self._what}{before}{self._state.name}"
        bar = (self._state.done, self._state.work.parts)
        self._output.show(View(title, self._state.line(), bar, [*self._problems, *self._state.failures]))

    def _show_all(self) -> None:
        """Show everything that has ended."""
        if self._total is None and len(self._ended) == 1:
            title, line = f"{self._what}{self._state.name}", self._state.last_line()
        else:
            work = sum(each.meter.amount for each in self._ended)
            units = f", {work} {self._ended[0].work.unit}" if self._ended else ""
            title = self._what
            line = f"{self._progress()}{units} in {duration(time.monotonic() - self._began)}"
        self._output.show(View(title, line, below=self._problems))

    def _progress(self) -> str:
        """Return how many assemblies have ended in which way."""
        ended = ", ".join(f"{count} {state}" for state, count in self._states.items()) or "0 completed"
        of = "" if self._total is None else f" of {self._total}"
        return f"{ended}{of} assemblies"

    def _watch(self, counters: Counters) -> None:
        while True:
            stopped = self._stop.wait(REFRESH_SECONDS)
            self._state.meter.read(counters)
            if stopped:
                return
            self._show()


class Checks:
    """Hooks of a check of an experiment; a subclass overrides those that it needs."""

    def begin(self, promise: str) -> None:
        """Called before a promise is checked."""

    def end(self, fault: str | None) -> None:
        """Called after it, with its fault if it is broken."""


class NotebookChecks(Checks):
    """The promises of an experiment that were checked, in one output."""

    def __init__(self, name: str, count: int) -> None:
        self._title = f"check of {name}"
        self._count = count
        self._output = Output()
        self._ended = 0
        self._faults: list[str] = []

    def begin(self, promise: str) -> None:
        """Show the promise that is checked."""
        line = f"{self._ended} of {self._count} promises checked; now: {promise}"
        self._output.show(View(self._title, line, (self._ended, self._count), self._faults))

    def end(self, fault: str | None) -> None:
        """Count the promise; after the last one, show how many are kept."""
        self._ended += 1
        self._faults += [fault] if fault else []
        if self._ended == self._count:
            line = f"{self._count - len(self._faults)} of {self._count} promises kept"
            self._output.show(View(self._title, line, below=self._faults))
