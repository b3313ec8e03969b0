"""Choice of the display of a run: one output of a notebook's cell, or the lines and bars of the command line."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from lakebatch.errors import ConfigError
from lakebatch.runner.assembly_run import Progress, Work
from lakebatch.session.notebook import Checks, NotebookChecks, NotebookProgress

if TYPE_CHECKING:
    from lakebatch.assembly.record import Assembly
    from lakebatch.executor.progress import Counters
    from lakebatch.executor.worker import Outcome


def progress_of(progress: bool | Progress | None, what: str, *, has_ids: bool = True) -> Progress:
    """Return the display that an argument asks for; without one, a notebook shows the progress and a script is silent.

    Parameters
    ----------
    what : str
        What is computed, such as the name of the experiment: the title of the display.
    has_ids : bool
        Whether the ids of the assemblies are those of the lake.

    Raises
    ------
    ConfigError
        If it is neither a truth value nor a `Progress`.
    """
    if isinstance(progress, Progress):
        return progress
    if not is_shown(progress):
        return Progress()
    return NotebookProgress(what, has_ids=has_ids) if is_notebook() else TerminalProgress()


def checks_of(progress: bool | None, name: str, count: int) -> Checks:
    """Return the display of the promises of an experiment that an argument asks for, as `progress_of` does."""
    if not is_shown(progress):
        return Checks()
    return NotebookChecks(name, count) if is_notebook() else TerminalChecks()


def is_shown(progress: object) -> bool:
    """Whether an argument asks for a display: a notebook shows one by default.

    Raises
    ------
    ConfigError
        If it is no truth value.
    """
    if progress is None:
        return is_notebook()
    if not isinstance(progress, bool):
        raise ConfigError(f"progress is {progress!r}. Expected True or False.")
    return progress


def is_notebook() -> bool:
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


class TerminalChecks(Checks):
    """A line per promise on standard error."""

    def begin(self, promise: str) -> None:
        """Remember the promise."""
        self._promise = promise

    def end(self, fault: str | None) -> None:
        """Print whether the promise is kept."""
        from lakebatch.cli.stderr import print_stderr  # slow to import

        print_stderr(f"broken  {self._promise}\n        {fault}" if fault else f"kept    {self._promise}")
