"""Export: the pages of one state as files that need no server."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from lakebatch._folders import NewFolder, check_folder, replaced
from lakebatch._text import redact
from lakebatch.errors import LakebatchError, UnknownNameError
from lakebatch.lake.lake import Lake
from lakebatch.lake.snapshot import LakeSnapshot
from lakebatch.snapshot.gaps import OnGap, check_on_gap
from lakebatch.ui import page as pages
from lakebatch.ui.about_export import KIND, about, export_bar, lake_name
from lakebatch.ui.export_tables import tables
from lakebatch.ui.overview import snapshots
from lakebatch.ui.page import Page
from lakebatch.ui.page_state import PageState
from lakebatch.ui.site import Site
from lakebatch.ui.static_links import StaticFiles

PLACEHOLDER = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="900" height="40"><text x="5" y="25">{}</text></svg>'
)
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Exported:
    """A finished export.

    Attributes
    ----------
    pages, size : int
        The number of its pages, and its bytes.
    broken : tuple of str
        The pages that cannot be read, with the reason.
    changed : bool
        Whether the lake changed meanwhile, so that some pages are newer than others.
    """

    folder: Path
    pages: int
    size: int
    broken: tuple[str, ...]
    changed: bool


def export(
    lake: Lake,
    state: PageState,
    folder: Path,
    *,
    on_gap: OnGap = "warn",
    progress: Progress = lambda done, known, path: None,
) -> Exported:
    """Write the pages of a selection into a folder, which is new, empty, or an older export.

    Parameters
    ----------
    on_gap : {"warn", "refuse", "ignore"}
        What to do about gaps in the datasets; "refuse" also ends at a page that cannot be read.
    progress : callable
        Called for each page with the number of finished and of known pages, and its path.

    Raises
    ------
    StorageError
        If the folder has files of somebody else, or cannot be written.
    LakebatchError
        If the selection is empty or cannot be read.
    """
    check_on_gap(on_gap)
    check_folder(folder, KIND)
    chosen = snapshots(lake, state)
    chosen.report_gaps(on_gap)
    pages.environment()  # an error if Jinja is missing, before anything is made
    with replaced(folder, KIND) as new:
        work = _Export(Site(lake, lake_name(lake)), state, chosen, new, on_gap)
        work.make(progress)
    return Exported(folder, work.files.progress[0], new.size, tuple(work.broken), work.has_changed())


class _Export:
    """The pages of one export while they are made."""

    def __init__(
        self, site: Site, state: PageState, chosen: LakeSnapshot, new: NewFolder, on_gap: OnGap
    ) -> None:
        self._site = site
        self._state = state
        self._chosen = chosen
        self._new = new
        self._on_gap = on_gap
        self.files = StaticFiles(state, self._file, new.write)
        self.broken: list[str] = []

    def make(self, progress: Progress) -> None:
        """Write every page, file and table."""
        for name in pages.ASSETS:
            self._new.write(f"assets/{name}", pages.asset(name))
        named = [self._table(path, content) for path, content in tables(self._chosen)]
        origin = about(self._site.lake, self._state, self._chosen)
        self._new.write(KIND.readme, origin.readme)
        bar = export_bar(origin, self._chosen, named)
        self.files.page((), self._state)
        for each in self._chosen.values():
            for assembly in each.assemblies:  # the table of the overview links to them by its script
                self.files.page(("assembly", each.folder, assembly.assembly_id), self._state)
        while following := self.files.next():
            path, (steps, state) = following
            progress(*self.files.progress, path)
            self._new.write(path, self._cleaned(self._page(path, steps, state, bar)))

    def has_changed(self) -> bool:
        """Whether the lake has other versions than at the beginning."""
        return _versions(snapshots(self._site.lake, self._state)) != _versions(self._chosen)

    def _table(self, path: str, content: bytes) -> str:
        self._new.write(path, self._cleaned(content.decode()))
        return path

    def _page(self, path: str, steps: Sequence[str], state: PageState, bar: Mapping[str, Any]) -> str:
        links = self.files.links(path, state)
        try:
            return pages.render(self._site.page(steps, state), links, bar)
        except LakebatchError as error:
            if self._on_gap == "refuse":
                raise
            self.broken.append(f"{path}: {error}")
            return pages.render(Page("error", "Error", {"message": str(error)}), links, bar)

    def _file(self, steps: Sequence[str], state: PageState) -> bytes:
        """Return the content of a file; of one that cannot be made, the reason as a picture."""
        try:
            file = self._site.file(steps, state)
        except LakebatchError as error:
            if self._on_gap == "refuse":
                raise
            self.broken.append(f"{'/'.join(steps)}: {error}")
            return PLACEHOLDER.format(escape(redact(str(error)))).encode()
        if file is None:
            raise UnknownNameError(f"There is no file {'/'.join(steps)!r}.")
        is_text = file.media_type.startswith(("image/svg", "text/"))
        return self._cleaned(file.content.decode()) if is_text else file.content

    def _cleaned(self, text: str) -> bytes:
        """Return a text without secrets, and with the name of the lake in place of its path on this machine."""
        lake = self._site.lake
        for place in {str(lake.storage.uri), escape(str(lake.storage.uri))}:
            text = text.replace(place, lake_name(lake))
        return redact(text).encode()


def _versions(chosen: LakeSnapshot) -> dict[str, tuple[int | None, int]]:
    return {name: (each.version, each.events.height) for name, each in chosen.items()}
