"""Commands and lines of Python that show what a page shows, and commands to do next."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from lakebatch.assembly.record import MADE_BY, Assembly
from lakebatch.lake.experiment import StoredExperiment
from lakebatch.ui.page_state import PageState

Step = tuple[str, str]
"""A command, and what it does."""


def command(*words: str, options: str = "") -> str:
    """Return a command of lakebatch, quoted for a shell."""
    return f"{shlex.join(['lakebatch', *words])} {options}".strip()


def python(reference: str, call: str) -> str:
    """Return a line of Python that calls a method of an experiment."""
    return f"lakebatch.open_lake()[{reference!r}].{call}"


def moment_options(state: PageState) -> str:
    """Return the options of the moment of a page alone."""
    return PageState().at(state.selection.moment).options


def moment_arguments(state: PageState) -> str:
    """Return the keyword arguments of the moment of a page alone."""
    return PageState().at(state.selection.moment).arguments


def assembly(stored: StoredExperiment, state: PageState, found: Assembly) -> str:
    """Return the command that shows an assembly; of a past moment, a query."""
    if not state.selection.moment.is_past:
        return command("status", stored.reference, found.assembly_id)
    query = f"SELECT * FROM lake.assemblies WHERE assembly_id = '{found.assembly_id}'"
    named = f"{query} AND experiment = '{stored.name}'"
    return command("sql", named, options=moment_options(state))


def assembly_in_python(stored: StoredExperiment, state: PageState, found: Assembly) -> str:
    """Return the line of Python that shows an assembly."""
    table = f"assemblies({moment_arguments(state)})"
    return python(stored.reference, f"{table}.filter(assembly_id={found.assembly_id!r})")


def source_in_python(stored: StoredExperiment, found: Assembly) -> str:
    """Return the line of Python that returns the source files of an assembly."""
    return python(stored.reference, f"source({found.assembly_id!r})")


def next_steps(reference: str, found: Assembly, state: str) -> list[Step]:
    """Return what can be done next with an assembly, by its state."""
    words = (reference, found.assembly_id)
    log = (command("logs", *words), "read the log")
    resume = (command("resume", *words), "compute the missing parts")
    verify = (command("verify", *words), "compute it again and compare every row")
    discard = (command("discard", *words, "--reason", "TEXT"), "leave it out of datasets; no row is removed")
    restore = (command("restore", *words, "--reason", "TEXT"), "take it back into datasets")
    follow = (command("logs", *words, "--follow"), "follow the log")
    watch = (command("watch", reference), "watch its progress")
    by_state: dict[str, Sequence[Step]] = {
        "completed": (verify, log, discard),
        "discarded": (log,) if found.purge else (restore, log),
        "started": (watch, follow),
        "running": (watch, follow),
    }
    steps = by_state.get(state, (resume, log, discard))
    return [each for each in steps if MADE_BY not in found.settings or each not in (resume, verify)]
