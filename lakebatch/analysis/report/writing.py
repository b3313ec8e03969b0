"""Reports as files: one self-contained HTML file, and Markdown with a folder of pictures."""

from __future__ import annotations

import base64
import hashlib
import os
import re
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import quote

from lakebatch._files import check_replaceable, replace_atomically
from lakebatch._version import __version__
from lakebatch.analysis.config_keys import CONFIG, config_key
from lakebatch.analysis.data import read
from lakebatch.analysis.plots import Options, Picture
from lakebatch.analysis.plots.options import check
from lakebatch.analysis.plots.picture import draw
from lakebatch.analysis.report import markdown, summary
from lakebatch.analysis.report.composing import compose
from lakebatch.analysis.report.content import Content, Figure, Section
from lakebatch.analysis.report.tables import Table
from lakebatch.errors import ConfigError, MissingDependencyError, StorageError
from lakebatch.snapshot.gaps import OnGap
from lakebatch.snapshot.snapshot import Snapshot

BASE = resources.files("lakebatch.analysis") / "base.css"
"""The look that reports share with the pages in the browser."""
TEMPLATES = resources.files("lakebatch.analysis.report") / "templates"
WIDTH = re.compile(rb'<svg[^>]*?\swidth="([\d.]+)pt"')
PIXELS_PER_POINT = 96 / 72
SCREEN = 1.5
"""Maximum enlargement of pictures on a screen, relative to print."""


@dataclass(frozen=True, repr=False)
class Report:
    """A report, as HTML and as Markdown."""

    content: Content

    def __repr__(self) -> str:
        return summary.one_line(self.content)

    def _repr_html_(self) -> str:
        return summary.summary(self.content)

    @property
    def findings(self) -> list[str]:
        """The findings in sentences, the most important first."""
        return list(self.content.findings)

    @cached_property
    def pictures(self) -> dict[str, bytes]:
        """The pictures as SVG, by name."""
        parts = [part for section in self.content.sections for part in section.parts]
        return {part.name: part.picture.to_bytes(".svg") for part in parts if isinstance(part, Figure)}

    def html(self) -> str:
        """Return the report as one page that needs no other file and no network."""
        environment, script = _environment(autoescape=True), _read("report.js")
        environment.filters["entries"] = entries
        template = environment.get_template("report.html.j2")
        return str(
            template.render(
                content=self.content,
                version=__version__,
                style=_markup(BASE.read_text(encoding="utf-8") + _read("report.css")),
                script=_markup(script),
                script_hash=_hash(script),
                images={name: base64.b64encode(data).decode() for name, data in self.pictures.items()},
                widths={name: _pixels(data) for name, data in self.pictures.items()},
            )
        )

    def markdown(self, folder: str) -> str:
        """Return the report as Markdown with its pictures in a folder."""
        environment = _environment(autoescape=False)
        environment.filters |= {"md": markdown.escape, "fence": markdown.fence}
        template = environment.get_template("report.md.j2")
        text = template.render(content=self.content, version=__version__, folder=quote(folder))
        return re.sub(r"\n{3,}", "\n\n", str(text))

    def save(self, file: str | os.PathLike[str]) -> list[Path]:
        """Write FILE.html, FILE.md and its pictures in the folder FILE; return the paths."""
        page = check_file(Path(file))
        folder = page.with_suffix("")
        text = page.with_suffix(".md")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"Cannot write {folder}: {error.strerror or error}.") from error
        for name, data in self.pictures.items():
            _write(folder / f"{name}.svg", data)
        _write(text, self.markdown(folder.name).encode())
        _write(page, self.html().encode())
        return [page, text, folder]


def report(
    snapshot: Snapshot,
    *,
    on_gap: OnGap = "warn",
    options: Options | None = None,
    written_at: datetime | None = None,
) -> Report:
    """Return a report of an experiment at one moment.

    Parameters
    ----------
    options : Options, optional
        The metric, and the unit of intervals and tests.
    written_at : datetime, optional
        The time to name as that of writing; without it the same state always gives the same report, byte for byte.

    Raises
    ------
    MissingDependencyError
        If matplotlib or Jinja is not installed.
    """
    _environment(autoescape=True)  # raises for missing packages before anything is drawn
    asked = chosen = options or Options()
    key = config_key(chosen.by, snapshot)
    chosen = chosen if key is None else replace(chosen, by=CONFIG)
    check(chosen, snapshot.roles)
    data = read(snapshot, on_gap=on_gap, key=key)

    def draw_kind(kind: str, asked: Options) -> Picture:
        return draw(snapshot, data, kind, asked, on_gap)

    return Report(compose(data, draw_kind, chosen, asked, written_at))


def check_file(file: Path) -> Path:
    """Return a file's path; raise unless its name ends in ``.html`` and it can be written."""
    if file.suffix != ".html":
        raise ConfigError(f"Cannot write the report to {file}. Expected a name that ends in .html.")
    if file.parent.exists():  # `save` creates it otherwise
        check_replaceable(file)
    return file


def _environment(*, autoescape: bool) -> Any:
    try:
        from jinja2 import DictLoader, Environment, StrictUndefined
    except ImportError as error:
        raise MissingDependencyError(
            "Reports need Jinja, which is not installed. Install it with: pip install 'lakebatch[plots]'"
        ) from error
    templates = {name: _read(name) for name in ("report.html.j2", "report.md.j2")}
    return Environment(
        loader=DictLoader(templates),
        autoescape=autoescape,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )


def _read(name: str) -> str:
    return TEMPLATES.joinpath(name).read_text(encoding="utf-8")


def _markup(text: str) -> Any:
    """Return trusted text as HTML."""
    from markupsafe import Markup

    return Markup(text)


def entries(section: Section, experiment: str) -> list[tuple[str, str]]:
    """Return the id and the short name of each table and picture of a section, for the contents of a page."""
    # the name of the experiment stands above the contents
    names = {
        place: part.caption.partition(". ")[0]
        if isinstance(part, Table)
        else part.title.replace(f", {experiment}", "")
        for place, part in enumerate(section.parts, 1)
        if isinstance(part, Table | Figure)
    }
    return [(f"{section.key}-{place}", name) for place, name in names.items()]


def _hash(script: str) -> str:
    """Return the source of a script for a content security policy."""
    return f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}"


def _pixels(data: bytes) -> int:
    match = WIDTH.search(data)
    points = float(match[1]) if match else 500.0
    return round(points * PIXELS_PER_POINT * SCREEN)


def _write(file: Path, data: bytes) -> None:
    with replace_atomically(file) as partial:
        partial.write_bytes(data)
