"""Suggested next commands for a lake: the output of `lakebatch` without a command."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

from lakebatch._version import __version__
from lakebatch.cli.stderr import sanitize

if TYPE_CHECKING:
    from lakebatch.assembly.record import Assembly
    from lakebatch.lake.experiment import StoredExperiment
    from lakebatch.lake.lake import Lake

Step = tuple[str, str]
"""A command without the program's name, and its purpose."""

FIRST: tuple[Step, ...] = (
    ("run response-noise --preset demo", "a small study in seconds, to try it"),
    ("run response-noise", "the default run, a minute on two cores"),
    ("init study", "a working folder with examples and a notebook"),
    ("list", "all experiments"),
)
MAX_UNFINISHED = 5
MAX_OWN = 3
MAX_WIDTH = 1000


def next_steps(lake: Lake, program: str) -> str:
    """Return the next commands for a lake, as text."""
    found = {each: _assemblies(each) for each in lake.experiments()}
    steps = list(_steps(found)) if any(found.values()) else list(_first_steps())
    return sanitize(
        "\n".join(
            [
                f"lakebatch {__version__}, lake {lake.storage.uri}: {_state(found)}",
                "",
                "What you can do next:",
                *_lines(steps, program),
                "",
                f"All commands: {program} --help    One of them: {program} run --help",
            ]
        )
    )


def _first_steps() -> Iterator[Step]:
    """Yield the first commands for an empty lake; in a working folder, its own experiments too."""
    from lakebatch.experiment import registry

    own = [source for source in registry.find().values() if source.file is not None]
    for step in FIRST:
        if not (own and step[0].startswith("init")):
            yield step
    for source in own[:MAX_OWN]:
        yield f"run {source.name} --preset demo", f"your own experiment, {source.origin}"


def _lines(steps: list[Step], program: str) -> list[str]:
    """Return each step beside its purpose, or below it on a narrow terminal."""
    width = max(len(command) for command, _ in steps)
    wide = [f"  {program} {command:<{width}}   {why}" for command, why in steps]
    if max(map(len, wide)) <= shutil.get_terminal_size((MAX_WIDTH, 0)).columns:
        return wide
    return [line for command, why in steps for line in (f"  {why}:", f"    {program} {command}")]


def _assemblies(stored: StoredExperiment) -> list[Assembly]:
    """Return the assemblies of an experiment; none, with a warning, if they cannot be read."""
    from lakebatch.storage.delta.omissions import warn_and_skip

    found: list[Assembly] = []
    with warn_and_skip(stored.name):
        found += stored.log.latest()
    return found


def _state(found: dict[StoredExperiment, list[Assembly]]) -> str:
    states = [each.state for assemblies in found.values() for each in assemblies]
    if not states:
        return "empty"
    names = {"started": "running"}
    counts = [f"{states.count(state)} {names.get(state, state)}" for state in dict.fromkeys(sorted(states))]
    return ", ".join(counts)


def _steps(found: dict[StoredExperiment, list[Assembly]]) -> Iterator[Step]:
    states = {each.state for assemblies in found.values() for each in assemblies}
    if "started" in states:
        yield "watch", "watch the running assemblies"
    yield from list(_unfinished(found))[-MAX_UNFINISHED:]
    whole = [stored for stored, assemblies in found.items() if _has_completed(assemblies)]
    if whole:
        yield from _reading_steps(whole[-1])
    yield "status", "progress of every assembly"


def _unfinished(found: dict[StoredExperiment, list[Assembly]]) -> Iterator[Step]:
    from lakebatch.assembly.record import is_resumable

    for stored, assemblies in found.items():
        for each in filter(is_resumable, assemblies):
            why = f"{each.state}: compute the missing parts"
            yield f"resume {stored.name} {each.assembly_id}", why


def _has_completed(assemblies: list[Assembly]) -> bool:
    return any(each.state == "completed" for each in assemblies)


def _reading_steps(stored: StoredExperiment) -> Iterator[Step]:
    name = stored.name
    yield f"reassemble {name} -o {name}.parquet", "all completed assemblies in one file"
    yield f"sql --query summary --param experiment={name}", "a query in SQL"
    yield f"plot {name} -o {name}.png", "a picture"
    yield f"report {name}", "tables, pictures and statistics on one page"
    yield f"run {name}", "one more independent replicate"
