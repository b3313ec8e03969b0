"""The page of one assembly as text: a headline, and a section for each topic, no wider than the terminal."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from typing import Any

import polars as pl

from lakebatch._text import one_line, redact, to_second
from lakebatch.cli.cells import fill, fold, widest
from lakebatch.cli.colours import paint, shows_colour, state_word
from lakebatch.cli.output import MAX_ROWS
from lakebatch.cli.run_session import log_file
from lakebatch.cli.stderr import sanitize
from lakebatch.cli.table import draw, terminal_width
from lakebatch.experiment.config import DEFAULT_PRESET
from lakebatch.snapshot.assembly_page import AssemblyPage, Failure
from lakebatch.snapshot.config_origin import ConfigOrigin, ConfigRow
from lakebatch.snapshot.eta import long_duration

WIDTH = 80  # where there is no terminal
TRACEBACK_LINES = 6
MAX_LINES = 100  # of one text
HASH_CHARACTERS = 12
CARETS = re.compile(r"[\s^~]+")
# line of a traceback that underlines the one before it
INDENT = "  "
CHANGED = "* "  # beside the keys of a config that differ from the preset


def view(page: AssemblyPage, program: str) -> str:
    """Return the page of an assembly; ``program`` starts each command that it proposes."""
    sections = (
        ("", _facts(page)),
        ("Parts", _parts(page)),
        ("Failures", _failures(page)),
        (_config_title(page.config), _config(page.config)),
        ("Environment", _environment(page)),
        ("Look closer", _records(page, program)),
        ("Next", _commands(page.next_steps, program)),
    )
    texts = [_section(title, list(lines)) for title, lines in sections]
    return "\n\n".join([_headline(page), *filter(None, texts)])


def _section(title: str, lines: list[str]) -> str:
    if not lines:
        return ""
    head = [paint(title, "bold") if shows_colour(sys.stdout) else title] if title else []
    return "\n".join([*head, *lines])


def _headline(page: AssemblyPage) -> str:
    name = f" ({sanitize(page.assembly.name)})" if page.assembly.name else ""
    return f"{page.assembly.assembly_id}{name} of {page.experiment} is {state_word(page.state)}"


def _width() -> int:
    return terminal_width() or WIDTH


def _facts(page: AssemblyPage) -> Iterator[str]:
    """Yield progress, times, seed, origin and notes, each beside its name."""
    facts = {
        "progress": _progress(page),
        "started": _started(page),
        "took" if page.ended_at else "running for": _durations(page),
        "seed": str(page.assembly.seed),
        "place": page.place or "",
        "config from": page.assembly.started_from or "",
        "purged": str(page.assembly.purge or ""),
    }
    facts |= {
        f"note {number}".removesuffix(" 0"): f"{one_line(each.text)} ({_said(each.user, to_second(each.at))})"
        for number, each in enumerate(page.notes, 1 if len(page.notes) > 1 else 0)
    }
    yield from _pairs({name: text for name, text in facts.items() if text})


def _said(user: str | None, at: str) -> str:
    return f"{user}, {at}" if user else at


def _progress(page: AssemblyPage) -> str:
    others = [f"{count} {state}" for state, count in page.counts.items() if state != "completed"]
    done = f"{page.counts.get('completed', 0)} of {page.assembly.parts_planned} parts, {page.rows} rows"
    lacking = page.assembly.missing_metrics
    dropped = page.assembly.dropped_samples
    remarks = [str(lacking)] if lacking and lacking.rows else []
    return "; ".join([", ".join([done, *others]), *remarks, *([str(dropped)] if dropped else [])])


def _started(page: AssemblyPage) -> str:
    by = f" by {page.user}" if page.user else ""
    again = f", {page.attempts} times begun or resumed" if page.attempts > 1 else ""
    end = "last heard of" if page.state == "interrupted" else "ended"
    ended = f", {end} {to_second(page.ended_at)}" if page.ended_at else ""
    return f"{to_second(page.started_at)}{by} on {page.assembly.host}{ended}{again}"


def _durations(page: AssemblyPage) -> str:
    computing = page.computing_seconds
    summed = f", {long_duration(computing)} of computing in its parts" if computing is not None else ""
    left = f", about {long_duration(page.eta_seconds)} left" if page.eta_seconds is not None else ""
    return f"{long_duration(page.seconds)}{summed}{left}"


def _pairs(pairs: dict[str, str]) -> Iterator[str]:
    """Yield each text beside its name, folded."""
    left = widest(pairs)
    for name, text in pairs.items():
        lines = fold(sanitize(text), max(_width() - left - 2, 1), MAX_LINES)
        for number, line in enumerate(lines):
            yield f"{fill('' if number else name, left)}  {line}"


def _parts(page: AssemblyPage) -> list[str]:
    rows = [(each.part, each.state, each.rows, each.seconds, each.committed_at) for each in page.parts]
    columns: dict[str, Any] = {
        "part": pl.String, "state": pl.String, "rows": pl.Int64, "seconds": pl.Float64,
        "committed_at": pl.Datetime("us", "UTC"),
    }  # fmt: skip
    limit = MAX_ROWS if terminal_width() else None
    return draw(pl.DataFrame(rows, schema=columns, orient="row"), limit).splitlines()


def _failures(page: AssemblyPage) -> Iterator[str]:
    for each in page.failures:
        yield from fold(sanitize(f"{each.part}: {one_line(each.error)}"), _width(), MAX_LINES)
        yield from _traceback(each)


def _traceback(failure: Failure) -> Iterator[str]:
    """Yield the last lines of a traceback, of long ones both ends."""
    lines = [each for each in (failure.traceback or "").splitlines() if not CARETS.fullmatch(each)]
    for line in lines[-TRACEBACK_LINES:]:
        text = sanitize(line)
        indent = text[: len(text) - len(text.lstrip())]
        for folded in fold(text.strip(), max(_width() - len(indent) - 4, 1), MAX_LINES):
            yield f"{INDENT}{INDENT}{indent}{folded}"


def _config_title(config: ConfigOrigin) -> str:
    changed = sum(each.is_changed for each in config.rows)
    if config.preset is None:
        return "Config"
    if not changed:
        return f"Config (as {_named(config.preset)})"
    keys = "the key that differs" if changed == 1 else f"the {changed} keys that differ"
    return f"Config (closest to {_named(config.preset)}; {CHANGED}marks {keys})"


def _named(preset: str) -> str:
    return "the defaults" if preset == DEFAULT_PRESET else f"the preset {preset}"


def _config(config: ConfigOrigin) -> Iterator[str]:
    """Yield a config as a tree, as in YAML."""
    open_tables: list[str] = []
    for each in config.rows:
        *tables, name = each.key.split(".")
        shared = _shared(open_tables, tables)
        for depth in range(shared, len(tables)):
            yield f"{INDENT}{INDENT * depth}{sanitize(tables[depth])}:"
        open_tables = tables
        yield from _leaf(each, name, len(tables), config.preset)


def _shared(one: list[str], other: list[str]) -> int:
    """Return the number of first names that two lists share."""
    count = 0
    while count < min(len(one), len(other)) and one[count] == other[count]:
        count += 1
    return count


def _leaf(row: ConfigRow, name: str, depth: int, preset: str | None) -> Iterator[str]:
    """Yield a key with its value, a list of tables as one line for each item."""
    label = "default" if preset == DEFAULT_PRESET else preset
    there = f"  ({label}: {_value(row.preset_value)})" if row.is_changed else ""
    is_list = isinstance(row.value, list) and any(isinstance(each, dict) for each in row.value)
    texts = [f"{name}:{there}", *(f"- {_value(each)}" for each in row.value)] if is_list else []
    for number, text in enumerate(texts or [f"{name}: {_value(row.value)}{there}"]):
        mark = CHANGED if row.is_changed and not number else INDENT
        yield from _hanging(mark, depth + bool(number), text)


def _hanging(mark: str, depth: int, text: str) -> Iterator[str]:
    """Yield a text in lines, the first with a mark, the others further to the right."""
    lines = fold(sanitize(text), max(_width() - len(INDENT) * (depth + 2), 1), MAX_LINES)
    for number, line in enumerate(lines):
        yield f"{INDENT if number else mark}{INDENT * (depth + bool(number))}{line}"


def _value(value: Any) -> str:
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)


def _environment(page: AssemblyPage) -> Iterator[str]:
    packages = ", ".join(f"{name} {version}" for name, version in page.packages.items())
    facts = {
        "software": page.software,
        "commit": f"{page.assembly.commit}, of the experiment's repository" if page.assembly.commit else "",
        "packages": packages,
    }
    yield from _pairs({name: text for name, text in facts.items() if text})


def _records(page: AssemblyPage, program: str) -> Iterator[str]:
    """Yield where the log, the events and the code are."""
    which = f"{page.reference} {page.assembly.assembly_id}"
    level = " --level ERROR" if page.failures else ""
    steps = [(f"logs {which}{level}", "its log")]
    if page.source_hash:
        steps.append(
            (f"diff {which} now", f"changes since; its source is {page.source_hash[:HASH_CHARACTERS]}")
        )
    yield from _commands(tuple(steps), program)
    if page.state != "completed":
        yield from fold(
            f"The log file on {page.assembly.host}, if that is here: "
            f"{redact(str(log_file(page.folder, page.assembly.assembly_id)))}",
            _width(),
            MAX_LINES,
        )


def _commands(steps: tuple[tuple[str, str], ...], program: str) -> Iterator[str]:
    """Yield each command below or beside its purpose."""
    commands = [f"{program} {command}" for command, _ in steps]
    left = widest(commands)
    is_narrow = any(left + len(why) + 4 > _width() for _, why in steps)
    for command, (_, why) in zip(commands, steps, strict=True):
        if is_narrow:
            yield f"{INDENT}{sanitize(why)}:"
            yield from _broken(f"{INDENT}{INDENT}{sanitize(command)}")
        else:
            yield f"{INDENT}{fill(sanitize(command), left)}  {sanitize(why)}"


def _broken(command: str) -> Iterator[str]:
    """Yield a command, broken before its last option as a shell accepts it if it is too wide."""
    head, option, tail = command.rpartition(" -")
    if len(command) <= _width() or not head:
        yield command
        return
    yield f"{head} \\"
    yield f"{INDENT * 3}{option.lstrip()}{tail}"
