"""Pages as HTML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any

from lakebatch._text import redact
from lakebatch._version import __version__
from lakebatch.errors import MissingDependencyError
from lakebatch.ui.links import Links

BASE = resources.files("lakebatch.analysis") / "base.css"
FILES = resources.files("lakebatch.ui")
ASSETS = (
    "ui.css", "ui.js",
    "bar.css", "bar.js",
    "table.css", "rows.js", "table_data.js", "table_view.js", "table_file.js", "table.js", "live.js",
    "sweep.css",
    "detail.css",
    "export.css",
)  # fmt: skip
"""The style sheets and scripts: those of every page, and those of single ones."""
INSTALL = (
    "Pages in the browser need {0}, which is not installed. Install it with: pip install 'lakebatch[ui]'"
)


@dataclass(frozen=True)
class Page:
    """The content of one page.

    Attributes
    ----------
    template : str
        Name of the template, without its ending.
    title : str
        Title of the window.
    content : mapping
        The values of the template.
    command, python : str
        What shows the same on the command line, and in Python.
    notices : tuple of str
        Warnings of what was read: gaps, mixtures and damage.
    """

    template: str
    title: str
    content: Mapping[str, Any]
    command: str = ""
    python: str = ""
    notices: tuple[str, ...] = field(default=())


def render(page: Page, links: Links, bar: Mapping[str, Any]) -> str:
    """Return a page as HTML, without secrets.

    Parameters
    ----------
    bar : mapping
        What the selection bar offers, see `lakebatch.ui.bar`.
    """
    template = environment().get_template(f"{page.template}.html.j2")
    return redact(
        template.render(
            page=page, links=links, bar=bar, version=__version__, state=links.state, **page.content
        )
    )


def asset(name: str) -> bytes:
    """Return a style sheet or script; that of every page begins with the look that reports have too."""
    base = BASE.read_bytes() if name == "ui.css" else b""
    return base + FILES.joinpath("assets", name).read_bytes()


@cache
def environment() -> Any:
    """Return the environment of the templates; every value is escaped."""
    try:
        from jinja2 import Environment, FunctionLoader, StrictUndefined
    except ImportError as error:
        raise MissingDependencyError(INSTALL.format("Jinja")) from error

    def load(name: str) -> str:
        return FILES.joinpath("templates", name).read_text(encoding="utf-8")

    return Environment(
        loader=FunctionLoader(load),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
