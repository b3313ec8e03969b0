"""The content of a report, independent of HTML and Markdown: sections of paragraphs, tables, pictures and commands."""

from __future__ import annotations

from dataclasses import dataclass
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


SectionPart: TypeAlias = str | Table | Figure | Code


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
    facts : pairs of name and value
        The key numbers at the top.
    warnings : tuple of str
        Gaps and failures, shown first.
    """

    title: str
    state: str
    facts: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]
    sections: tuple[Section, ...]
