"""Addresses of the pages and files of an export, and what is still to be made."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import urlencode

from lakebatch.ui.links import Links
from lakebatch.ui.page_state import PageState

SAFE = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9_.=-]{0,119}")
"""Steps of an address that are names of files as they are."""
MAX_SLUG = 40
DIGEST = 10

Target = tuple[tuple[str, ...], PageState]
MakeFile = Callable[[Sequence[str], PageState], bytes]


class StaticFiles:
    """The pages and files of an export: pages are collected when a page links to them, files are made at once.

    Parameters
    ----------
    state : PageState
        The selection of the export.
    make_file : callable
        Returns the content of a file, such as a picture.
    write : callable
        Writes a content to a path.
    """

    def __init__(self, state: PageState, make_file: MakeFile, write: Callable[[str, bytes], None]) -> None:
        self.state = state
        self._make_file = make_file
        self._write = write
        self._paths: dict[str, Target] = {}
        self._begun = 0
        self._file_paths: dict[Target, str] = {}
        self._path_of_content: dict[bytes, str] = {}

    def page(self, steps: Sequence[str], state: PageState) -> str:
        """Return the path of a page, which is to be made from now on."""
        path = f"{self._stem(steps, state)}.html"
        self._paths.setdefault(path, (tuple(steps), state))
        return path

    def file(self, steps: Sequence[str], state: PageState) -> str:
        """Return the path of a file; one with a known content is that of the other."""
        target = (tuple(steps), state)
        if target not in self._file_paths:
            *folders, name = steps
            stem, dot, ending = name.rpartition(".")
            path = f"{self._stem([*folders, stem], state)}{dot}{file_step(ending)}"
            self._file_paths[target] = self.add(path, self._make_file(steps, state))
        return self._file_paths[target]

    def add(self, path: str, content: bytes) -> str:
        """Write a content, and return its path: that of the first file with this content."""
        digest = hashlib.sha256(content).digest()
        if digest not in self._path_of_content:
            self._path_of_content[digest] = path
            self._write(path, content)
        return self._path_of_content[digest]

    def next(self) -> tuple[str, Target] | None:
        """Return the next page to make, by path; None after the last."""
        if self._begun == len(self._paths):
            return None
        self._begun += 1
        return list(self._paths.items())[self._begun - 1]

    @property
    def progress(self) -> tuple[int, int]:
        """The number of pages that were begun, and of all that are known."""
        return self._begun, len(self._paths)

    def links(self, path: str, state: PageState) -> StaticLinks:
        """Return the links of the page at a path."""
        return StaticLinks("../" * path.count("/"), state, is_static=True, files=self)

    def _stem(self, steps: Sequence[str], state: PageState) -> str:
        stem = "/".join(map(file_step, steps)) or "index"
        if state == self.state:
            return stem
        if state == self.state.of(state.experiment) and state.experiment:
            return f"{stem}-{file_step(state.experiment.replace('@', '-'))}"
        return f"{stem}-{_digest(_text(state))}"


@dataclass(frozen=True)
class StaticLinks(Links):
    """The addresses that a page of an export links to; each becomes a page or a file of the export."""

    files: StaticFiles = field(kw_only=True)

    def page(self, *steps: str, state: PageState | None = None, view: Iterable[tuple[str, str]] = ()) -> str:
        """Return the address of a page, relative to this one.

        Raises
        ------
        ValueError
            If it shows another moment than the export.
        """
        base = self.files.state
        target = replace(state or base, view=tuple(view))
        if steps:  # only the overview depends on the experiment that was chosen
            target = target.of(base.experiment)
        if target.selection.moment != self.state.selection.moment:
            raise ValueError(f"An export has no pages of other moments: {steps}, {target.selection.moment}.")
        return self.root + self.files.page(steps, target)

    def pattern(self, *steps: str) -> str:
        """Return the address of pages whose steps a script fills in; they are made for another reason."""
        return f"{self.root}{'/'.join(steps)}.html"

    def file(self, *steps: str, view: Iterable[tuple[str, str]] = ()) -> str:
        """Return the address of a file, relative to this page."""
        return self.root + self.files.file(steps, replace(self.files.state, view=tuple(view)))


def file_step(step: str) -> str:
    """Return a name of a file or folder for a step of an address.

    >>> file_step("91_v1_study"), file_step("../a b")
    ('91_v1_study', 'a-b-2c2c791a06')
    """
    if SAFE.fullmatch(step):
        return step
    slug = re.sub(r"[^a-zA-Z0-9]+", "-", step)[:MAX_SLUG].strip("-")
    return f"{slug or 'x'}-{_digest(step)}"


def _text(state: PageState) -> str:
    return urlencode([*state.pairs, *state.view])


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:DIGEST]
