"""Suggested next commands for a lake: the output of `lakebatch` without a command."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from lakebatch._version import __version__
from lakebatch.cli.output import file_name
from lakebatch.cli.stderr import sanitize

if TYPE_CHECKING:
    from pathlib import Path

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
    found = {each: _assemblies(each) for each in lake.begun()}
    steps = list(_steps(found)) if any(found.values()) else list(_first_steps())
    return sanitize(
        "\n".join(
            [
                f"lakebatch {__version__}, lake {lake.storage.uri}: {_state(found) or _emptiness(lake)}",
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
        yield f"run {source.name}{_demo(source.file)}", f"your own experiment, {source.origin}"


def _demo(file: Path | None) -> str:
    """Return the option for the demo preset if an experiment builds on a built-in one, whose presets it has.

    The text of the file says so at once; loading it can take seconds.
    """
    with suppress(OSError, UnicodeDecodeError):
        if file is not None and "lakebatch.experiments" in file.read_text(encoding="utf-8"):
            return " --preset demo"
    return ""


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
    with warn_and_skip(stored.reference):
        found += stored.log.latest()
    return found


def _state(found: dict[StoredExperiment, list[Assembly]]) -> str:
    states = [each.state for assemblies in found.values() for each in assemblies]
    return ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(sorted(states)))


def _emptiness(lake: Lake) -> str:
    return "empty" if lake.absence() is None else "no lake there yet"


def _steps(found: dict[StoredExperiment, list[Assembly]]) -> Iterator[Step]:
    states = {each.state for assemblies in found.values() for each in assemblies}
    if "running" in states:
        yield "watch", "watch the assemblies that are being computed"
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
            yield f"resume {stored.reference} {each.assembly_id}", why


def _has_completed(assemblies: list[Assembly]) -> bool:
    return any(each.state == "completed" for each in assemblies)


def _reading_steps(stored: StoredExperiment) -> Iterator[Step]:
    name = stored.reference
    yield f"reassemble {name} -o {file_name(name, '.parquet')}", "all completed assemblies in one file"
    yield f"sql --query summary --param experiment={name}", "a query in SQL"
    yield f"plot {name} -o {file_name(name, '.png')}", "a picture"
    yield f"report {name}", "tables, pictures and statistics on one page"
    yield f"run {stored.name}", "one more independent replicate"
