"""A picture in a notebook: an image with its caption."""

from __future__ import annotations

import base64
from html import escape
from typing import Any

from lakebatch import _html
from lakebatch._text import one_line
from lakebatch.analysis.plots import static
from lakebatch.analysis.plots.chart import Chart

DPI = 160
"""Pixels per inch in a notebook: sharp on a screen, and well below 100 kB."""


def bundle(chart: Chart, width_mm: float | None = None) -> dict[str, Any]:
    """Return the MIME bundle of a chart: image and caption as HTML, and each by itself for other front ends."""
    about = {"Software": None, "Title": one_line(chart.title)}
    image = static.to_bytes(chart, "png", about, width_mm, dpi=DPI)
    return {"text/plain": chart.description(), "text/html": figure(chart, image), "image/png": image}


def figure(chart: Chart, image: bytes) -> str:
    """Return an image with its title and caption as HTML, in the colours of the notebook."""
    source = f"data:image/png;base64,{base64.b64encode(image).decode()}"
    caption = " ".join(each for each in (chart.caption, *chart.notes) if each)
    return (
        f'<figure><img src="{source}" alt="{escape(chart.description())}" style="max-width: 100%">'
        f"<figcaption><strong>{escape(chart.title)}.</strong> {escape(caption)}</figcaption></figure>"
    )


def one_line_of(kind: str, chart: Chart) -> str:
    """Return a picture in one line."""
    return _html.short(f"<Picture {kind}: {chart.title}; write it with .save('{kind}.pdf')>")
