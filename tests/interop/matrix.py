"""The matrix of engines as a table of the manual, and the queries below it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from engines import ENGINES, KNOWN, Engine

PAGE = Path(__file__).parents[2] / "lakebatch" / "docs" / "engines.md"
COLUMNS = {
    "published": ("published: means", "published: one assembly"),
    "its tags": ("published: first tag", "published: second tag"),
    "results": ("results: count", "results: means", "results: one partition"),
    "their tags": ("results: tag before a checkpoint", "results: tag after it"),
    "lists": ("lists",),
    "events": ("assemblies", "tags"),
    "frames": ("frames",),
}
"""The questions behind each column of the table."""
VERSIONS = "| engine | versions tried |"
MARKERS = {name: (f"<!-- {name} -->\n", f"<!-- end of {name} -->") for name in ("matrix", "queries")}


def is_right(answer: Mapping[str, Any], expected: Any) -> bool:
    """Whether an answer equals the expected one, floats up to rounding, rows in any order."""
    found = answer.get("answer")
    return found is not None and _same(_sorted(found), _sorted(expected))


def table(answers: Mapping[str, Mapping[str, Any]], expected: Mapping[str, Any]) -> str:
    """Return the matrix as Markdown: a row per engine, what each cannot do, and the versions that were tried."""
    notes = list(dict.fromkeys(KNOWN.values()))
    lines = [f"| engine | {' | '.join(COLUMNS)} |", "|---" * (len(COLUMNS) + 1) + "|"]
    lines += [_row(engine, answers[engine.name], expected, notes) for engine in ENGINES]
    lines += ["", *(f"{number}. {text}" for number, text in enumerate(notes, 1))]
    return "\n".join([*lines, "", *_tried(answers)])


def queries() -> str:
    """Return the query of each engine, as its script has it."""
    return "\n\n".join(f"{engine.name}:\n\n```text\n{engine.query}\n```" for engine in ENGINES)


def without_versions(text: str) -> str:
    """Return a matrix without the table of versions, which change by themselves."""
    return text.partition(VERSIONS)[0]


def written(name: str) -> str:
    """Return what the page has between two markers."""
    begin, end = MARKERS[name]
    return PAGE.read_text(encoding="utf-8").partition(begin)[2].partition(end)[0].strip("\n")


def write(name: str, text: str) -> None:
    """Replace what the page has between two markers."""
    begin, end = MARKERS[name]
    head, _, rest = PAGE.read_text(encoding="utf-8").partition(begin)
    PAGE.write_text(f"{head}{begin}\n{text}\n\n{end}{rest.partition(end)[2]}", encoding="utf-8")


def _row(engine: Engine, found: Mapping[str, Any], expected: Mapping[str, Any], notes: list[str]) -> str:
    cells = [_cell(engine, questions, found["answers"], expected, notes) for questions in COLUMNS.values()]
    return f"| {engine.name} | {' | '.join(cells)} |"


def _tried(answers: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    yield from (VERSIONS, "|---|---|")
    for engine in ENGINES:
        versions = answers[engine.name]["versions"].items()
        yield f"| {engine.name} | {', '.join(' '.join(each) for each in versions)} |"


def _cell(
    engine: Engine,
    questions: tuple[str, ...],
    answers: Mapping[str, Any],
    expected: Mapping[str, Any],
    notes: list[str],
) -> str:
    wrong = [each for each in questions if not is_right(answers[each], expected[each])]
    if not wrong:
        return "yes"
    known = sorted(
        {notes.index(KNOWN[engine.name, each]) + 1 for each in wrong if (engine.name, each) in KNOWN}
    )
    which = ", ".join(map(str, known)) or "?"
    return f"{'no' if len(wrong) == len(questions) else 'part'} ({which})"


def _sorted(value: Any) -> Any:
    return sorted(value) if isinstance(value, list) else value


def _same(found: Any, expected: Any) -> bool:
    if isinstance(expected, list):
        return (
            isinstance(found, list)
            and len(found) == len(expected)
            and all(_same(*each) for each in zip(found, expected, strict=True))
        )
    if isinstance(expected, float):
        return isinstance(found, int | float) and math.isclose(found, expected, rel_tol=1e-9, abs_tol=1e-12)
    return bool(found == expected)
