"""The metadata of picture files: title, caption and origin in the fields of each format."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lakebatch._text import one_line
from lakebatch.analysis.plots.chart import Chart
from lakebatch.analysis.plots.origin import SOFTWARE

AGAIN = ("Command", "Python")


def metadata(chart: Chart, form: str, known: Mapping[str, str]) -> dict[str, Any]:
    """Return the metadata of a PNG, SVG or PDF file.

    There is no date among it, so that the same picture is the same file.

    Parameters
    ----------
    known : mapping
        The origin of the picture, see `lakebatch.analysis.plots.origin.about`.
    """
    title, caption = one_line(chart.title), one_line(chart.description())
    facts = [f"{name}: {value}" for name, value in known.items() if name not in (*AGAIN, "Software")]
    again = [f"{name}: {known[name]}" for name in AGAIN if name in known]
    if form == "png":
        of_origin = {"Source": "\n".join(facts), "Comment": "\n".join(again)} if known else {}
        return {"Title": title, "Description": caption, "Software": SOFTWARE, **of_origin}
    if form == "pdf":
        keywords = {"Keywords": "; ".join([*facts, *again])} if known else {}
        return {"Title": title, "Subject": caption, "Creator": SOFTWARE, "CreationDate": None, **keywords}
    of_origin = {"Source": "; ".join(facts), "Relation": "; ".join(again)} if known else {}
    return {"Title": title, "Description": caption, "Creator": SOFTWARE, "Date": None, **of_origin}
