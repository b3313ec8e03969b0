"""The data dictionary as Markdown, for the appendix of a paper."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lakebatch.snapshot.dictionary import ColumnEntry, Dictionary, TableEntry

TITLES = ("column", "type", "unit", "NULL", "meaning")


def markdown(dictionary: Dictionary) -> str:
    """Return a heading, a sentence, a table of columns and a list of constraints for each table."""
    lines = [f"# Data dictionary: {dictionary.title}"]
    for table in dictionary:
        lines += ["", *_table(table)]
    return "\n".join(lines)


def notes(column: ColumnEntry) -> str:
    """Return the meaning of a column with its role, range and reference, as sentences."""
    also = [
        column.meaning,
        _sentence("Role", column.role_in_words) if column.role else _better(column),
        _sentence("Range", column.range),
        _sentence("Refers to", column.refers_to or "", ""),
    ]
    return " ".join(each for each in also if each)


def _better(column: ColumnEntry) -> str:
    return f"{column.better.capitalize()} is better." if column.better else ""


def _sentence(title: str, text: str, sign: str = ":") -> str:
    return f"{title}{sign} {text}." if text else ""


def _table(table: TableEntry) -> Iterator[str]:
    yield f"## {escape(table.name)}"
    yield ""
    yield escape(table.description)
    yield ""
    yield _line(TITLES)
    yield f"|{'---|' * len(TITLES)}"
    for each in table.columns:
        nullable = "yes" if each.nullable else "no"
        yield _line((f"`{each.name}`", each.type, each.unit or "", nullable, notes(each)))
    if table.constraints:
        yield ""
        yield "Constraints: " + "; ".join(escape(each.meaning) for each in table.constraints) + "."


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(escape, cells))} |"


def escape(text: str) -> str:
    """Return a text in one line, with Markdown's cell separators, HTML and links escaped."""
    plain = " ".join(text.split())
    return plain.replace("\\", "\\\\").replace("|", "\\|").replace("<", "\\<").replace("](", "]\\(")
