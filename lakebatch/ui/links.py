"""Addresses of pages, of a server and of static files."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from lakebatch.ui.page_state import PageState


@dataclass(frozen=True)
class Links:
    """The addresses that one page links to.

    Attributes
    ----------
    root : str
        What stands before every address: ``/TOKEN/`` of a server, ``../`` for each folder of a static file.
    state : PageState
        The selection, which each address of a server keeps.
    is_static : bool
        Whether the pages are files.
    """

    root: str
    state: PageState
    is_static: bool = False

    def page(self, *steps: str, state: PageState | None = None, view: Iterable[tuple[str, str]] = ()) -> str:
        """Return the address of a page by its steps, such as ``assembly``, folder, id; without any, of the overview.

        Parameters
        ----------
        view : iterable of pairs
            Parameters of that page alone, see `lakebatch.ui.page_state.VIEW`.
        """
        if self.is_static:
            return f"{self.root}{'/'.join(map(quote_step, steps)) or 'index'}.html"
        return f"{self.root}{'/'.join(map(quote_step, steps))}{_query(state or self.state, view)}"

    def file(self, *steps: str, view: Iterable[tuple[str, str]] = ()) -> str:
        """Return the address of a file that has a name of its own, such as a picture."""
        address = f"{self.root}{'/'.join(map(quote_step, steps))}"
        return address if self.is_static else f"{address}{_query(self.state, view)}"

    def pattern(self, *steps: str) -> str:
        """Return the address of a page whose steps a script fills in, such as ``~folder``: no token has a tilde."""
        return self.page(*steps)

    def compare(self, assemblies: Iterable[tuple[str, str]]) -> str:
        """Return the address of a comparison of assemblies, each a folder and an id: ``compare?with=FOLDER/ID&with=...``.

        A form does the same: ``method="get"``, the pairs of the state as hidden inputs, and checkboxes of the name
        ``with`` and the value ``FOLDER/ID``. Static files have no comparisons.
        """
        return self.page("compare", view=[("with", f"{folder}/{each}") for folder, each in assemblies])

    def asset(self, name: str) -> str:
        """Return the address of a style sheet or script."""
        return f"{self.root}assets/{name}"


def _query(state: PageState, view: Iterable[tuple[str, str]]) -> str:
    pairs = [*state.pairs, *view]
    return f"?{urlencode(pairs)}" if pairs else ""


def quote_step(step: str) -> str:
    """Return one step of an address; a step of dots alone would climb, so its dots are spelled out."""
    return quote(step, safe="") if step.strip(".") else step.replace(".", "%2E")
