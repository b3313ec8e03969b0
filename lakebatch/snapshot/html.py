"""Tables of lakes, snapshots and differences in notebooks."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

import polars as pl

MAX_ROWS = 50


def section(title: str, frame: pl.DataFrame, width: int = 60) -> str:
    """Return a titled HTML table of the first rows of a frame; every string is escaped, and cut to a width."""
    shown = frame.head(MAX_ROWS)
    with pl.Config(tbl_rows=MAX_ROWS, tbl_cols=-1, tbl_hide_dataframe_shape=True, fmt_str_lengths=width):
        table = shown._repr_html_()
    left_out = frame.height - shown.height
    more = f"<p>{left_out} more rows.</p>" if left_out else ""
    return f"<p><strong>{escape(title)}</strong></p>{table}{more}"


def sections(frames: Mapping[str, pl.DataFrame]) -> str:
    """Return titled tables, one below the other; an empty one is one line."""
    return "".join(
        f"<p><strong>{escape(title)}</strong>: nothing.</p>" if frame.is_empty() else section(title, frame)
        for title, frame in frames.items()
    )
