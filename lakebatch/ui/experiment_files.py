"""Files of an experiment's page: its report, and its means as CSV."""

from __future__ import annotations

import re
from collections.abc import Callable

from lakebatch.errors import UnknownNameError
from lakebatch.lake.lake import Lake
from lakebatch.ui import pictures
from lakebatch.ui.file import NOTHING, Cache, File
from lakebatch.ui.page_state import PageState

POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy" content="([^"]+)">')
EMBEDDED = "; base-uri 'none'; form-action 'none'"
_reports: Cache[bytes] = Cache(8)


def report(lake: Lake, state: PageState, name: str) -> File | Callable[[], File]:
    """Return the report of an experiment, ``FOLDER.html``, with the content security policy that it has as a file."""
    stored, chosen = lake[_stem(name, ".html")], pictures.options(state)
    drawn = pictures.drawing(stored, state, chosen.by)
    key = (drawn.key, chosen)
    if (page := _reports.get(key)) is not None:
        return _report(page)
    found = drawn.report(chosen)
    return lambda: _report(_reports.put(key, found.html().encode()))


def _report(page: bytes) -> File:
    return File(page, "text/html", policy=_policy(page))


def _policy(page: bytes) -> str:
    """Return the policy that a page has of itself, from its head, which no value of a lake comes before."""
    found = POLICY.search(page.partition(b"</head>")[0].decode())
    return f"{found[1]}{EMBEDDED}".replace("&#39;", "'") if found else NOTHING


def levels(lake: Lake, state: PageState, name: str) -> File:
    """Return the means of a metric by axis and groups, ``FOLDER.csv``, with intervals, unrounded."""
    from lakebatch.analysis import statistics
    from lakebatch.analysis.plots.options import choose

    folder = _stem(name, ".csv")
    drawn = pictures.drawing(lake[folder], state)
    data = drawn.data
    metric = choose(pictures.options(state.viewing("metric")), data).metric
    by = [data.roles.axis.name, *data.roles.groups]
    found = statistics.intervals(data.rows.drop_nulls(by), metric, by, roles=data.roles)
    return File(found.write_csv().encode(), "text/csv", download=f"{folder}-{metric}.csv")


def _stem(name: str, ending: str) -> str:
    if not name.endswith(ending):
        raise UnknownNameError(f"There is no file {name!r}. Expected FOLDER{ending}.")
    return name.removesuffix(ending)
