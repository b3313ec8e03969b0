"""Progress of a sweep on standard error: a live display on a terminal, else one line per assembly."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

import click
from rich.console import Console
from rich.live import Live
from rich.progress import TextColumn

from lakebatch.assembly.record import Assembly
from lakebatch.assembly.sweep_claims import Replicate
from lakebatch.assembly.sweeps import Sweep
from lakebatch.cli.context import group_options
from lakebatch.cli.progress import REFRESH_SECONDS, labelled, make_bars
from lakebatch.cli.stderr import print_stderr
from lakebatch.executor.progress import Counters
from lakebatch.executor.worker import Outcome
from lakebatch.experiment.sweep_design import shown
from lakebatch.runner.assembly_run import Work
from lakebatch.runner.sweep import SweepProgress
from lakebatch.snapshot.eta import duration


class QuietSweep(SweepProgress):
    """A sweep that is not shown, but for its failures."""

    def print_line(self, line: str) -> None:
        """Print a line."""
        print_stderr(line)

    def close(self) -> None:
        """End the display."""


def sweep_display() -> QuietSweep:
    """Return the display that suits standard error and ``--quiet``."""
    if group_options(click.get_current_context()).quiet:
        return QuietSweep()
    return LiveSweep() if sys.stderr.isatty() else LineSweep()


class LineSweep(QuietSweep):
    """One line per assembly."""

    def sweep_started(self, experiment: str, sweep: Sweep, share: Sequence[Replicate], edit: str) -> None:
        """Print the sweep, and how much of it is done."""
        self._total, self._seen = len(share), 0
        self._done = sum(each.state == "done" for each in share)
        already = f", {self._done} of them done before" if self._done else ""
        if edit:
            self.print_line(f"sweep {sweep.name} is edited: {edit}")
        self.print_line(
            f"sweep {sweep.name}: {len(sweep.planned)} points, {self._total} assemblies to see to{already}"
        )
        self._began = time.monotonic()

    def started(self, assembly: Assembly, done: int, work: Work, counters: Counters) -> None:
        """Remember when the assembly began."""
        self._began_at = time.monotonic()

    def replicate_ended(self, replicate: Replicate, ended: Assembly | None, reason: str = "") -> None:
        """Print the assembly; those that were done before are only counted."""
        self._seen += 1
        if line := self._line(replicate, ended, reason):
            self.print_line(f"{self._seen}/{self._total} {line}")

    def _line(self, replicate: Replicate, ended: Assembly | None, reason: str) -> str:
        where = f"point {replicate.point.number} ({shown(replicate.point.values)})"
        if replicate.claim.replicate > 1:
            where += f" replicate {replicate.claim.replicate}"
        if ended is not None:
            result = f"failed: {reason}" if reason else f"{ended.rows} rows"
            seconds = f", {time.monotonic() - self._began_at:.1f} s" if hasattr(self, "_began_at") else ""
            return f"{where}: {ended.assembly_id} {result}{seconds}"
        if reason:
            return f"{where}: {reason}"
        return "" if replicate.state == "done" else f"{where}: left to another process"


class LiveSweep(LineSweep):
    """Bars of assemblies and of the parts of the present one; finished assemblies are listed above them."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._bars = make_bars(self._console, TextColumn("{task.fields[left]}", markup=False))
        self._live = Live(
            self._bars, console=self._console, transient=True, refresh_per_second=1 / REFRESH_SECONDS
        )

    def sweep_started(self, experiment: str, sweep: Sweep, share: Sequence[Replicate], edit: str) -> None:
        """Open the display."""
        super().sweep_started(experiment, sweep, share, edit)
        self._ended = 0
        self._assemblies = self._bars.add_task("assemblies", total=self._total, left="")
        self._parts = self._bars.add_task("parts", total=None, left="")
        self._live.start()

    def started(self, assembly: Assembly, done: int, work: Work, counters: Counters) -> None:
        """Show the parts of the assembly."""
        super().started(assembly, done, work, counters)
        self._bars.reset(self._parts, total=work.parts, completed=done)

    def part_committed(self, outcome: Outcome, rows: int) -> None:
        """Move the bar of parts."""
        self._bars.advance(self._parts)

    def replicate_ended(self, replicate: Replicate, ended: Assembly | None, reason: str = "") -> None:
        """List the assembly and move the bar of assemblies."""
        super().replicate_ended(replicate, ended, reason)
        self._ended += ended is not None
        self._bars.update(self._assemblies, completed=self._seen, left=self._left())

    def print_line(self, line: str) -> None:
        """Print a line above the display."""
        self._console.print(labelled(line), highlight=False)

    def close(self) -> None:
        """Close the display."""
        self._live.stop()

    def _left(self) -> str:
        """Return the time that the other assemblies take at the pace of this process so far."""
        to_do = self._total - self._seen
        if not self._ended or not to_do:
            return ""
        return f"{duration((time.monotonic() - self._began) / self._ended * to_do)} left"
