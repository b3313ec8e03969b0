"""A sweep in the terminal: display, Ctrl-C, log files, notifications and closing message."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import click

from lakebatch.cli.context import group_options, program
from lakebatch.cli.exit_codes import FAILED_PARTS
from lakebatch.cli.notify import Notification, Notifier
from lakebatch.cli.output import file_name
from lakebatch.cli.run_session import PACKAGE_LOGGER, InterruptHandler, LogFile, handled_interrupts
from lakebatch.cli.stderr import print_stderr
from lakebatch.cli.sweep_display import sweep_display
from lakebatch.runner.assembly_run import Progress, Work
from lakebatch.runner.sweep import SweepProgress, SweepRun

if TYPE_CHECKING:
    from lakebatch.assembly.record import Assembly
    from lakebatch.assembly.sweep_claims import Replicate
    from lakebatch.assembly.sweeps import Sweep
    from lakebatch.executor.progress import Counters
    from lakebatch.executor.worker import Outcome
    from lakebatch.lake.lake import Lake

MAX_FAILURES = 5
# failed assemblies that the closing message names


class SweepSession(SweepProgress):
    """Progress of a sweep, for the display, the log file of each assembly, and notifications."""

    def __init__(self, lake: Lake, interrupts: InterruptHandler) -> None:
        self._lake = lake
        self._display = sweep_display()
        self._interrupts = interrupts
        interrupts.announce = self._display.print_line
        self._log = LogFile()
        self._title = ""
        self._fields: dict[str, str | int | None] = {}
        self.notifier = Notifier()

    def sweep_started(self, experiment: str, sweep: Sweep, share: Sequence[Replicate], edit: str) -> None:
        """Show the display and send a notification."""
        self._folder = self._lake[experiment].folder
        self._title = f"{experiment} sweep {sweep.name}"
        self._fields = {"experiment": experiment, "sweep": sweep.name}
        self._display.sweep_started(experiment, sweep, share, edit)
        to_do = sum(each.may_begin for each in share)
        self.notify("started", f"{to_do} of {len(share)} assemblies to do")

    def started(self, assembly: Assembly, done: int, work: Work, counters: Counters) -> None:
        """Open the log file of the assembly."""
        self._log.close()
        self._log = LogFile()
        self._log.open(self._folder, assembly.assembly_id)
        self._display.started(assembly, done, work, counters)
        self._interrupts.is_computing = True

    def part_committed(self, outcome: Outcome, rows: int) -> None:
        """Show the part."""
        self._display.part_committed(outcome, rows)

    def part_failed(self, outcome: Outcome) -> None:
        """Log the part; the display names the failure of the assembly."""
        PACKAGE_LOGGER.debug("part %s failed: %s", outcome.part.key, outcome.error)

    def wants_to_stop(self) -> bool:
        """Whether Ctrl-C was pressed."""
        return self._interrupts.wants_to_stop()

    def ended(self) -> None:
        """Let Ctrl-C stop at once again, since no part is computed."""
        self._interrupts.is_computing = False

    def replicate_ended(self, replicate: Replicate, ended: Assembly | None, reason: str = "") -> None:
        """Show the assembly."""
        self._display.replicate_ended(replicate, ended, reason)

    def notify(self, event: str, text: str) -> None:
        """Send a notification about the sweep, once it has begun."""
        if self._title:
            self.notifier.send(Notification(f"{self._title} {event}", text, {"event": event, **self._fields}))

    def stopped(self, error: BaseException) -> None:
        """Close the display, log an interrupt or an error, and send a notification."""
        self._display.close()
        is_interrupted = isinstance(error, KeyboardInterrupt)
        PACKAGE_LOGGER.debug("the sweep ended with %s: %s", type(error).__name__, error)
        self.notify("interrupted" if is_interrupted else "failed", str(error) or type(error).__name__)

    def close(self) -> None:
        """Close the display and the log file."""
        self._display.close()
        self._log.close()


def run_with_sweep_session(lake: Lake, work: Callable[[Progress], SweepRun]) -> SweepRun:
    """Return the outcome of a sweep with Ctrl-C, display, log files and notifications."""
    with handled_interrupts() as interrupts:
        session = SweepSession(lake, interrupts)
        try:
            outcome = work(session)
            session.close()
            session.notify("failed" if outcome.failures else "completed", _states(outcome))
        except BaseException as error:
            session.stopped(error)
            raise
        finally:
            session.close()
            session.notifier.finish()
    return outcome


def _states(outcome: SweepRun) -> str:
    total = sum(outcome.counts.values())
    others = [f"{count} {state}" for state, count in outcome.counts.items() if count and state != "done"]
    return ", ".join([f"{outcome.counts['done']} of {total} assemblies done", *others])


def report_sweep(outcome: SweepRun, *, fail_on_missing: bool) -> None:
    """Print the outcome of a sweep and the next commands.

    Exit with code 3 after failures and, with ``fail_on_missing``, if rows of its assemblies have no metric.
    """
    context = click.get_current_context()
    command, name, sweep = program(context), outcome.experiment, outcome.sweep.name
    missing = sum(each.missing_metrics.rows for each in outcome.computed if each.missing_metrics)
    if not group_options(context).quiet:
        click.echo(f"sweep {sweep}: {_states(outcome)}")
        if outcome.is_done:
            click.echo(_next(command, name, outcome))
    sys.stdout.flush()
    if missing:
        print_stderr(
            f"Warning: {missing} rows have no metric.\nList them with: {command} sql --query failures "
            f"--param experiment={name}"
        )
    _report_failures(outcome, command)
    if outcome.failures or (fail_on_missing and missing):
        sys.exit(FAILED_PARTS)


def _report_failures(outcome: SweepRun, command: str) -> None:
    for which, why in list(outcome.failures.items())[:MAX_FAILURES]:
        print_stderr(f"failed {which}: {why}")
    more = len(outcome.failures) - MAX_FAILURES
    if more > 0:
        print_stderr(f"and {more} more")
    if outcome.failures:
        again = f"{command} resume {outcome.experiment} {outcome.sweep.name}"
        print_stderr(f"Try the failed ones again with: {again}")
    elif not outcome.is_done:
        listed = f"{command} sweeps {outcome.experiment} {outcome.sweep.name}"
        print_stderr(f"What this process has left to others is listed by: {listed}")


def _next(command: str, name: str, outcome: SweepRun) -> str:
    sweep, keys = outcome.sweep.name, outcome.sweep.keys
    lines = [f"{command} sweeps {name} {sweep}"]
    if len(keys) == 2:
        lines.append(f"{command} plot {name} --sweep {sweep} --kind heatmap -o {file_name(name, '.png')}")
    elif keys:
        lines.append(f"{command} plot {name} --sweep {sweep} --by {keys[0]} -o {file_name(name, '.png')}")
    lines.append(f"{command} reassemble {name} --sweep {sweep} -o {file_name(name, '.parquet')}")
    return "\n  ".join(["Look at it with:", *lines])
