"""The pages of the manual, as they are shipped in the package."""

from __future__ import annotations

TOPICS = (
    "configuring",
    "experiments",
    "sql",
    "python",
    "past-states",
    "plots",
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
"""The pages, in the order in which they are listed."""


def read(topic: str) -> str:
    """Return a page as Markdown.

    >>> read("sql").splitlines()[0]
    '# SQL'
    """
    from importlib import resources  # which only this command needs

    page = resources.files("lakebatch").joinpath("docs", f"{topic}.md")
    return page.read_text(encoding="utf-8")


def summary(topic: str) -> str:
    """Return what a page answers: the line below its title.

    >>> summary("changes")
    'What each release changed.'
    """
    return read(topic).split("\n", 3)[2]
