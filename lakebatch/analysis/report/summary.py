"""Summary of a report in a notebook: what is in it, its first finding, and how to save it."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from lakebatch import _html
from lakebatch._text import excerpt
from lakebatch.analysis.report.content import Content, Figure, Section
from lakebatch.analysis.report.tables import Table

FINDINGS = "results"
# the section whose first table is shown
MAX_SENTENCES, MAX_SENTENCE = 5, 400
WAYS = ('.save("report.html")', ".html()", ".markdown(folder)")


def one_line(content: Content) -> str:
    """Return a report in one line."""
    count = f"{len(content.sections)} sections, {len(content.warnings)} warnings"
    return _html.short(f"<Report {content.title}: {count}; write it with .save('report.html')>")


def summary(content: Content) -> str:
    """Return the summary as HTML."""
    head = _html.facts(content.title, dict(content.facts)) + _list(content.findings)
    inside = "; ".join(map(_inside, content.sections))
    return (
        f"{head}<p>{escape(content.state)}</p>{_list(content.warnings)}{_finding(content)}"
        f"<p>In it: {escape(inside)}.</p>{_html.ways('The whole report', WAYS)}"
    )


def _list(sentences: Sequence[str]) -> str:
    """Return the first sentences of findings or warnings."""
    left_out = len(sentences) - MAX_SENTENCES
    told = [excerpt(each, MAX_SENTENCE) for each in sentences[:MAX_SENTENCES]]
    told += [f"{left_out} more."] if left_out > 0 else []
    return f"<ul>{''.join(f'<li>{escape(each)}</li>' for each in told)}</ul>" if told else ""


def _finding(content: Content) -> str:
    """Return the first table of the findings; the first text of a section without a table."""
    for section in content.sections:
        if section.key == FINDINGS:
            return "".join(
                f"<p>{escape(part.caption)}</p>{_html.table(part.columns, part.rows, part.numeric)}"
                if isinstance(part, Table)
                else f"<p>{escape(part)}</p>"
                for part in section.parts[:1]
                if isinstance(part, Table | str)
            )
    return ""


def _inside(section: Section) -> str:
    tables = sum(isinstance(part, Table) for part in section.parts)
    pictures = sum(isinstance(part, Figure) for part in section.parts)
    counts = [
        f"{count} {noun}{'s' * (count > 1)}"
        for count, noun in ((tables, "table"), (pictures, "picture"))
        if count
    ]
    return f"{section.title} ({', '.join(counts)})" if counts else section.title
