"""Charts as web pages that need no network: they fill the window, fit a phone, and follow its dark mode."""

from __future__ import annotations

import html
import json
import math
import re
from collections.abc import Mapping
from importlib import resources
from typing import Any

from lakebatch._text import one_line
from lakebatch.analysis.plots import interactive, style
from lakebatch.analysis.plots.chart import Chart
from lakebatch.analysis.plots.origin import SOFTWARE
from lakebatch.analysis.plots.static import column_count

PLACE = re.compile(r"<!--(\w+)-->")
TEMPLATES = resources.files("lakebatch.analysis.plots") / "templates"


def page(chart: Chart, known: Mapping[str, str], library: str | None = None) -> str:
    """Return a chart as a web page.

    Parameters
    ----------
    known : mapping
        The origin of the picture, see `lakebatch.analysis.plots.origin.about`.
    library : str, optional
        The name of the file of the plotting library beside the page; by default the library is in the page.
    """
    wide = interactive.draw(chart)
    found = json.loads(str(wide.to_json()))
    narrow = json.loads(str(interactive.draw(chart, interactive.NARROW).to_json()))
    picture = {
        "data": found["data"],
        "layouts": [found["layout"], narrow["layout"]],
        "heights": _heights(chart),
        "dark": style.DARK,
    }
    values = {
        "title": html.escape(one_line(chart.title)),
        "caption": html.escape(one_line(" ".join([chart.caption, *chart.notes]))),
        "metas": "\n".join(_metas(chart, known)),
        "facts": "\n".join(_facts(known)),
        "style": _read("page.css"),
        "script": _read("page.js"),
        "picture": _in_script(picture),
        "library": f'<script src="{html.escape(library)}"></script>'
        if library
        else f"<script>{plotly()}</script>",
    }
    return PLACE.sub(lambda found: values[found[1]], _read("page.html"))


def plotly() -> str:
    """Return the plotting library of web pages."""
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())


def library_name() -> str:
    """Return the name of a file with the plotting library, with its version."""
    from plotly.offline import get_plotlyjs_version

    return f"plotly-{get_plotlyjs_version()}.min.js"


def _heights(chart: Chart) -> list[int]:
    """Return the least heights in pixels, side by side and stacked."""
    rows = math.ceil(len(chart.panels) / column_count(chart))
    return [interactive.height(chart, rows), interactive.height(chart, len(chart.panels))]


def _metas(chart: Chart, known: Mapping[str, str]) -> list[str]:
    named = {"description": one_line(chart.description()), "generator": SOFTWARE}
    named |= {f"lakebatch:{name.lower()}": value for name, value in known.items() if name != "Software"}
    return [f'<meta name="{name}" content="{html.escape(value)}">' for name, value in named.items()]


def _facts(known: Mapping[str, str]) -> list[str]:
    return [f"<dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd>" for name, value in known.items()]


def _in_script(tree: Any) -> str:
    """Return JSON for a script: no text in it can end the script."""
    return json.dumps(tree, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def _read(name: str) -> str:
    return TEMPLATES.joinpath(name).read_text(encoding="utf-8")
