"""Pages of the manual in the package."""

from __future__ import annotations

TOPICS = (
    "installing",
    "configuring",
    "experiments",
    "own-metrics",
    "replicates",
    "sweeps",
    "sql",
    "python",
    "datasets",
    "engines",
    "past-states",
    "plots",
    "ui",
    "publication",
    "sbml",
    "commands",
    "lake",
    "clusters",
    "guarantees",
    "troubleshooting",
    "scaling",
    "benchmarks",
    "legacy",
    "architecture",
    "changes",
)
"""Pages, in the order of the list."""


def read(topic: str) -> str:
    """Return a page as Markdown.

    >>> read("sql").splitlines()[0]
    '# SQL'
    """
    from importlib import resources  # only this command needs it

    page = resources.files("lakebatch").joinpath("docs", f"{topic}.md")
    return page.read_text(encoding="utf-8")


def summary(topic: str) -> str:
    """Return the summary of a page, the line below its title.

    >>> summary("changes")
    'What each release changed.'
    """
    return read(topic).split("\n", 3)[2]
