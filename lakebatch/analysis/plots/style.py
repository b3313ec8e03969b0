"""The style of charts: colour-blind safe colours, markers, and sizes for journals."""

from __future__ import annotations

from typing import Any

SINGLE_MM, DOUBLE_MM = 89.0, 183.0
"""Width of one and of two columns of a journal."""

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C8C00")
"""Okabe and Ito (2008), its yellow darkened so that it shows on white."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
WEB_MARKERS = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "x", "star")
GREY, GREY_POINT = "#595959", "#A6A6A6"
THREAD: Any = {"color": GREY, "linewidth": 0.4, "alpha": 0.45}
# matplotlib's look of one sample among many
INTERVAL: Any = {
    "fmt": "none", "elinewidth": 0.7, "capsize": 2.4, "capthick": 0.7, "zorder": 2.6,
}  # fmt: skip
# above all markers, which are narrower than its caps, so that none hides an end
CELL_COLOURS = "cividis"
# from dark blue to yellow; equal to readers with and without colour blindness

RC: Any = {
    "axes.edgecolor": "#333333",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.labelsize": 8,
    "axes.linewidth": 0.6,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 8,
    "axes.titleweight": "bold",
    "figure.dpi": 150,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Arial", "Helvetica"],
    "font.size": 7,
    "grid.color": "#E5E5E5",
    "grid.linewidth": 0.5,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "legend.handlelength": 3.0,
    "lines.linewidth": 1.2,
    "lines.markersize": 4,
    "pdf.fonttype": 42,
    "savefig.dpi": 300,
    "svg.fonttype": "none",
    "svg.hashsalt": "lakebatch",
    "text.parse_math": False,
    "xtick.labelsize": 7,
    "xtick.major.width": 0.6,
    "ytick.labelsize": 7,
    "ytick.major.width": 0.6,
}
"""Settings of matplotlib; text stays text in PDF and SVG."""


def colour(slot: int) -> str:
    """Return the colour of a slot."""
    return COLOURS[slot % len(COLOURS)]


def marker(slot: int) -> str:
    """Return matplotlib's marker of a slot; after the last colour, colours pair with other markers."""
    return MARKERS[(slot + slot // len(COLOURS)) % len(MARKERS)]


def web_marker(slot: int) -> str:
    """Return plotly's marker of a slot."""
    return WEB_MARKERS[(slot + slot // len(COLOURS)) % len(WEB_MARKERS)]
