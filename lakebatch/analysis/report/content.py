"""The content of a report, independent of HTML and Markdown: sections of paragraphs, lists, tables, pictures and
commands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from lakebatch.analysis.plots import Picture
from lakebatch.analysis.report.tables import Table


@dataclass(frozen=True)
class Figure:
    """A picture in a report."""

    name: str
    title: str
    caption: str
    description: str
    picture: Picture


@dataclass(frozen=True)
class Code:
    """A block of text to copy."""

    title: str
    text: str
    language: str
    folded: bool = False


@dataclass(frozen=True)
class Points:
    """A list of sentences."""

    sentences: tuple[str, ...]


SectionPart: TypeAlias = str | Table | Figure | Code | Points


@dataclass(frozen=True)
class Section:
    """A chapter of a report."""

    key: str
    title: str
    parts: tuple[SectionPart, ...]


@dataclass(frozen=True)
class Content:
    """A whole report.

    Attributes
    ----------
    lead : str
        The experiment in one sentence; empty if its code says nothing.
    findings : tuple of str
        The findings in sentences, the most important first.
    facts : pairs of name and value
        The key numbers at the top.
    warnings : tuple of str
        Gaps and failures, shown first.
    meanings : mapping
        The meaning of columns of tables, by name.
    """

    experiment: str
    title: str
    state: str
    facts: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]
    sections: tuple[Section, ...]
    lead: str = ""
    findings: tuple[str, ...] = ()
    meanings: Mapping[str, str] = field(default_factory=dict)
