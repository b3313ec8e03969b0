"""Pictures of pages: which there are, their captions, and their files."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from lakebatch._text import nearest, one_line
from lakebatch.assembly.record import EVERY_STATUS
from lakebatch.errors import LakebatchError, UnknownNameError
from lakebatch.lake.experiment import StoredExperiment
from lakebatch.lake.lake import Lake
from lakebatch.snapshot.selection import selection
from lakebatch.snapshot.snapshot import Snapshot
from lakebatch.ui import commands
from lakebatch.ui.file import NOTHING, SVG_POLICY, Cache, File
from lakebatch.ui.page_state import PageState

if TYPE_CHECKING:
    from lakebatch.analysis.data import AnalysisData
    from lakebatch.analysis.plots import Options, Picture
    from lakebatch.analysis.plots.chart import Chart
    from lakebatch.analysis.report.writing import Report

TYPES = {"svg": "image/svg+xml", "png": "image/png", "pdf": "application/pdf"}
OF_ASSEMBLY = ("levels", "boxes", "grid")
"""The kinds of pictures of one assembly."""
VIEW = ("metric", "by")
"""The options of pictures that an address has."""


@dataclass(frozen=True)
class Figure:
    """A picture on a page, or why it cannot be drawn.

    Attributes
    ----------
    steps : tuple of str
        The steps of the address of its SVG.
    view : list of pairs
        The parameters of this address.
    problem : str
        Why it cannot be drawn; empty if it can.
    is_wide : bool
        Whether it has several panels.
    """

    kind: str
    key: str
    steps: tuple[str, ...]
    view: list[tuple[str, str]]
    command: str
    title: str = ""
    caption: str = ""
    description: str = ""
    problem: str = ""
    is_wide: bool = False

    def save(self, form: str) -> tuple[str, ...]:
        """Return the steps of the address of the picture in another form."""
        return (*self.steps[:-1], f"{self.kind}.{form}")


@dataclass(frozen=True)
class Drawing:
    """What the pictures of one selection are drawn from.

    Attributes
    ----------
    key : tuple
        What it was read from: the lake, the experiment, the versions of its tables, the selection and the colours.
    by : str or None
        What colours show, see `lakebatch.analysis.plots.Options`.
    """

    key: tuple[object, ...]
    snapshot: Snapshot
    by: str | None

    @cached_property
    def data(self) -> AnalysisData:
        """The frames, read once."""
        from lakebatch.analysis.config_keys import config_key
        from lakebatch.analysis.data import read

        with _in_silence():
            return read(self.snapshot, key=config_key(self.by, self.snapshot))

    def chart(self, kind: str, options: Options) -> Chart:
        """Return a chart from the frames, which is quick."""
        from lakebatch.analysis.config_keys import CONFIG, config_key
        from lakebatch.analysis.plots.picture import draw

        by = options.by if config_key(options.by, self.snapshot) is None else CONFIG
        with _in_silence():
            return draw(self.snapshot, self.data, kind, replace(options, by=by)).chart

    @cached_property
    def reports(self) -> dict[Options, Report]:
        """The reports that were made, by metric and colours."""
        return {}

    def report(self, options: Options) -> Report:
        """Return the report, made once."""
        from lakebatch.analysis import report

        if options not in self.reports:
            with _in_silence():
                self.reports[options] = report.report(self.snapshot, options=options)
        return self.reports[options]

    def picture(self, kind: str, options: Options) -> Picture:
        """Return the picture that ``lakebatch plot`` draws."""
        from lakebatch.analysis import plots

        with _in_silence():
            return plots.picture(self.snapshot, kind, options=options)


@contextmanager
def _in_silence() -> Iterator[None]:
    """Leave out warnings of gaps and mixtures, which the page names itself."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


_read: Cache[Drawing] = Cache(8)
_drawn: Cache[bytes] = Cache(200)


def drawing(stored: StoredExperiment, state: PageState, by: str | None = None) -> Drawing:
    """Return what the pictures of a selection are drawn from; it is read again once something was committed."""
    key = (str(stored.storage.uri), stored.folder, _versions(stored), *state.of(None).pairs, by)
    found = _read.get(key)
    if found is None:
        found = _read.put(key, Drawing(key, stored.select(state.selection), by))
    return found


def _versions(stored: StoredExperiment) -> tuple[int | None, ...]:
    """Return the versions of the tables that datasets are made of."""
    tables = [stored.table(name) for name in ("assemblies", "results", "tags", "sweeps")]
    return tuple(each.version() if each.exists() else None for each in tables)


def options(state: PageState) -> Options:
    """Return the options of pictures that an address names: ``metric`` and ``by``."""
    from lakebatch.analysis.plots import Options

    given = dict(state.view)
    return Options(metric=given.get("metric"), by=given.get("by"))


def figures(
    stored: StoredExperiment, state: PageState, kinds: Sequence[str] | None = None
) -> Iterator[Figure]:
    """Yield a figure of each kind of picture of an experiment, those that cannot be drawn last."""
    from lakebatch.analysis import plots

    chosen = options(state)
    drawn = drawing(stored, state, chosen.by)
    view = [(key, value) for key, value in state.view if key in VIEW]
    made = [
        _figure(drawn, kind, chosen, ("picture", stored.folder, f"{kind}.svg"), view, stored.reference, state)
        for kind in kinds or plots.KINDS
    ]
    yield from sorted(made, key=lambda each: bool(each.problem))


def figures_of_assembly(stored: StoredExperiment, state: PageState, assembly_id: str) -> Iterator[Figure]:
    """Yield the pictures of one assembly alone."""
    alone = _alone(state, assembly_id)
    drawn = drawing(stored, alone)
    for kind in OF_ASSEMBLY:
        steps = ("assembly-picture", stored.folder, assembly_id, f"{kind}.svg")
        yield _figure(drawn, kind, options(PageState()), steps, [], stored.reference, alone)


def _alone(state: PageState, assembly_id: str) -> PageState:
    """Return the selection of one assembly, whatever its status."""
    chosen = selection(state.selection.moment, include=EVERY_STATUS, assembly=assembly_id, on_mix="ignore")
    return PageState(selection=chosen)


def _figure(
    drawn: Drawing,
    kind: str,
    chosen: Options,
    steps: tuple[str, ...],
    view: list[tuple[str, str]],
    reference: str,
    state: PageState,
) -> Figure:
    words = [word for key, value in view for word in (f"--{key}", value)]
    line = commands.command("plot", reference, "--kind", kind, *words, options=state.options)
    blank = Figure(kind, f"picture-{kind}", steps, view, line)
    try:
        chart = drawn.chart(kind, chosen)
    except LakebatchError as error:
        return replace(blank, problem=one_line(str(error)))
    return replace(
        blank,
        title=chart.title,
        caption=" ".join([chart.caption, *chart.notes]),
        description=one_line(chart.description()),
        is_wide=len(chart.panels) > 1,
    )


def picture(lake: Lake, state: PageState, folder: str, name: str) -> File | Callable[[], File]:
    """Return a picture of an experiment, ``KIND.svg``, ``.png`` or ``.pdf``."""
    chosen = options(state)
    return _file(drawing(lake[folder], state, chosen.by), name, chosen, folder)


def assembly_picture(
    lake: Lake, state: PageState, folder: str, assembly_id: str, name: str
) -> File | Callable[[], File]:
    """Return a picture of one assembly."""
    return _file(drawing(lake[folder], _alone(state, assembly_id)), name, options(PageState()), assembly_id)


def _file(drawn: Drawing, name: str, chosen: Options, prefix: str) -> File | Callable[[], File]:
    """Return a picture that was drawn before, or what draws it; what was drawn is kept."""
    kind, _, form = name.rpartition(".")
    if form not in TYPES:
        known = [f"{kind}.{each}" for each in TYPES]
        raise UnknownNameError(f"There is no picture {name!r}. {nearest(name, known)}")
    key = (drawn.key, name, chosen)
    policy, download = (SVG_POLICY, "") if form == "svg" else (NOTHING, f"{prefix}-{name}")
    if (made := _drawn.get(key)) is not None:
        return File(made, TYPES[form], download, policy)
    found = drawn.picture(kind, chosen)
    return lambda: File(_drawn.put(key, found.to_bytes(f".{form}")), TYPES[form], download, policy)
