"""The pages of a lake: from the steps of an address and a selection to HTML."""

from __future__ import annotations

import shlex
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from threading import Lock

from lakebatch.errors import LakebatchError, UnknownNameError
from lakebatch.lake.lake import Lake
from lakebatch.storage import locate
from lakebatch.ui import page as pages
from lakebatch.ui.artifact import artifact, image
from lakebatch.ui.assembly import assembly
from lakebatch.ui.bar import bar
from lakebatch.ui.code import source
from lakebatch.ui.compare import compare
from lakebatch.ui.experiment import experiment
from lakebatch.ui.experiment_files import levels, report
from lakebatch.ui.file import File
from lakebatch.ui.links import Links
from lakebatch.ui.overview import metrics_file, moments_file, overview, rows_file
from lakebatch.ui.page import Page
from lakebatch.ui.page_state import PageState
from lakebatch.ui.pictures import assembly_picture, picture
from lakebatch.ui.sweep import points_file, sweep
from lakebatch.ui.watcher import Row, Watcher

Build = Callable[..., Page]
BuildFile = Callable[..., "File | Callable[[], File]"]
"""Makes a file; or reads the lake, and returns a function that makes the file without it, so that no page waits."""

PAGES: dict[str, tuple[Build, int]] = {
    "": (overview, 0),
    "sweep": (sweep, 2),
    "assembly": (assembly, 2),
    "source": (source, 2),
    "compare": (compare, 0),
    "experiment": (experiment, 1),
}
"""What makes each page, by the first step of its address, and how many more steps it has."""
FILES: dict[str, tuple[BuildFile, int]] = {
    "rows.json": (rows_file, 0),
    "metrics.json": (metrics_file, 1),
    "moments.json": (moments_file, 0),
    "points.csv": (points_file, 2),
    "picture": (picture, 2),
    "report": (report, 1),
    "levels": (levels, 1),
    "assembly-picture": (assembly_picture, 3),
    "artifact": (artifact, 2),
    "image": (image, 2),
}
"""What makes each file, by the first step of its address, and how many more steps it has."""


class Site:
    """The pages of one lake. They are made one at a time, so that the warnings of each are its own.

    Pictures are drawn one at a time, too, beside the pages.

    Parameters
    ----------
    name : str, optional
        What commands and lines of Python on pages call the lake; by default its place, where they need it.
    """

    def __init__(self, lake: Lake, name: str | None = None) -> None:
        self.lake = lake
        self._name = name if name is not None else _place(lake)
        self._reading = Lock()
        self._drawing = Lock()
        self._watcher = Watcher(lake)

    def look(self) -> tuple[str, list[Row]]:
        """Return what has changed in the lake, see `lakebatch.ui.watcher.Watcher.look`."""
        with self._reading, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return self._watcher.look()

    def html(self, steps: Sequence[str], links: Links) -> str:
        """Return a page as HTML.

        Raises
        ------
        LakebatchError
            If there is no such page, or it cannot be read.
        """
        with self._reading:
            page = self.page(steps, links.state)
            with warnings.catch_warnings():  # the page has said the same
                warnings.simplefilter("ignore")
                shown = bar(self.lake, links.state)
            return pages.render(page, links, shown)

    def file(self, steps: Sequence[str], state: PageState) -> File | None:
        """Return a file; None if the address is not that of a file.

        Raises
        ------
        LakebatchError
            If there is no such file, or it cannot be made.
        """
        build, count = FILES.get(steps[0] if steps else "", (None, 0))
        if build is None:
            return None
        if len(steps) != count + 1:
            raise UnknownNameError(f"There is no file {'/'.join(steps)!r}.")
        with self._reading, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = build(self.lake, state, *steps[1:])
        if isinstance(made, File):
            return made
        with self._drawing:
            return made()

    def page(self, steps: Sequence[str], state: PageState) -> Page:
        """Return the content of a page, with the warnings of what was read."""
        first, *others = steps or ("",)
        build, count = PAGES.get(first, (None, 0))
        if build is None or len(others) != count:
            raise UnknownNameError(f"There is no page {'/'.join(steps)!r}.")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            page = build(self.lake, state, *others)
        said = tuple(dict.fromkeys(str(each.message) for each in caught))
        return replace(_of_lake(page, self._name), notices=(*page.notices, *said))


def _place(lake: Lake) -> str | None:
    """Return the place of a lake; None if commands open it by default."""
    uri = str(lake.storage.uri)
    try:
        return None if str(locate(None).uri) == uri else uri
    except LakebatchError:  # settings that name no lake: the lake was named
        return uri


def _of_lake(page: Page, name: str | None) -> Page:
    """Return a page whose command and line of Python name the lake, if it has to be named."""
    if name is None:
        return page
    words = page.command.replace("lakebatch ", f"lakebatch --lake {shlex.quote(name)} ", 1)
    return replace(page, command=words, python=page.python.replace("open_lake()", f"open_lake({name!r})", 1))
