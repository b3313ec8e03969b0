"""What a page shows of a lake: a selection, kept in the address of the page."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from lakebatch._text import nearest
from lakebatch.errors import ConfigError
from lakebatch.snapshot.moment import Moment, moment
from lakebatch.snapshot.selection import Selection, selection

MOMENT = ("version", "as_of", "tag")
CONFIGS = ("preset", "config", "sweep")
ONCE = ("experiment", *MOMENT, *CONFIGS)
REPEATED = ("include", "assembly", "where")
VIEW = ("with", "metric", "by", "level", "part", "name", "page")
"""Parameters of single pages, which links to other pages leave out."""
KNOWN = (*ONCE, *REPEATED, *VIEW)


@dataclass(frozen=True)
class PageState:
    """The experiment and the selection that a page shows.

    Attributes
    ----------
    experiment : str, optional
        NAME or NAME@v1; all experiments without it.
    selection : Selection
        The moment and the assemblies. Its statuses say whose rows are in metrics and pictures; tables of assemblies
        list every status.
    view : tuple of pairs
        The parameters of this page alone, such as the assemblies of a comparison (``with``).
    """

    experiment: str | None = None
    selection: Selection = field(default_factory=Selection)
    view: tuple[tuple[str, str], ...] = ()

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The parameters of an address that `parse` reads as this state; none for the default."""
        at = self.selection.moment
        once = {
            "experiment": self.experiment,
            "version": at.version,
            "as_of": None if at.time is None else as_text(at.time),
            "tag": at.tag,
        }
        chosen = self.selection.arguments
        once |= {key: chosen.get(key) for key in CONFIGS}
        return [
            *((key, str(value)) for key, value in once.items() if value is not None),
            *((key, value) for key in REPEATED for value in chosen.get(key, ())),
        ]

    def viewed(self, key: str) -> list[str]:
        """Return the values of a parameter of this page alone."""
        return [value for name, value in self.view if name == key]

    def viewing(self, *keys: str) -> PageState:
        """Return the same state with only these parameters of the page alone."""
        return replace(self, view=tuple(each for each in self.view if each[0] in keys))

    @property
    def query(self) -> str:
        """The end of an address, such as ``?tag=paper-v1``; empty for the default."""
        return f"?{urlencode(self.pairs)}" if self.pairs else ""

    @property
    def options(self) -> str:
        """The words on a command line that select the same rows, quoted for a shell."""
        moment = [(key, value) for key, value in self.pairs if key in MOMENT]
        words = [word for key, value in moment for word in (f"--{key.replace('_', '-')}", value)]
        return shlex.join([*words, *self.selection.options])

    @property
    def arguments(self) -> str:
        """The keyword arguments in Python that select the same rows, such as ``tag='paper-v1', config='2'``."""
        given: dict[str, Any] = {}
        for key, value in self.pairs:
            if key in REPEATED:
                given.setdefault(key, []).append(value)
            elif key != "experiment":
                given[key] = int(value) if key == "version" else value
        return ", ".join(f"{key}={value!r}" for key, value in given.items())

    def at(self, moment: Moment) -> PageState:
        """Return the same selection at another moment."""
        return replace(self, selection=replace(self.selection, moment=moment))

    def of(self, experiment: str | None) -> PageState:
        """Return the same selection of another experiment."""
        return replace(self, experiment=experiment)


def as_text(time: datetime) -> str:
    """Return a time in UTC as `lakebatch.snapshot.times.to_time` reads it: to the second if it is the end of one.

    >>> from lakebatch.snapshot.times import to_time
    >>> as_text(to_time("2026-11-20 12:00:00Z"))
    '2026-11-20T12:00:00Z'
    """
    precision = "seconds" if time.microsecond == 999_999 else "microseconds"
    return time.isoformat(timespec=precision).replace("+00:00", "Z")


def parse(pairs: Iterable[tuple[str, str]]) -> PageState:
    """Return the state that the parameters of an address name; empty ones count as not given.

    >>> parse([("experiment", "response-noise"), ("tag", "paper-v1")]).query
    '?experiment=response-noise&tag=paper-v1'

    Raises
    ------
    ConfigError
        If a parameter is unknown, given twice or malformed.
    """
    once: dict[str, str] = {}
    repeated: dict[str, list[str]] = {}
    view: list[tuple[str, str]] = []
    for key, value in ((key, value.strip()) for key, value in pairs):
        if key not in KNOWN:
            raise ConfigError(f"Unknown parameter {key!r} in the address. {nearest(key, KNOWN)}")
        if not value:
            continue
        if key in VIEW:
            view.append((key, value))
        elif key in REPEATED:
            repeated.setdefault(key, []).append(value)
        elif once.setdefault(key, value) != value:
            raise ConfigError(f"The address gives {key} more than once. Expected it once.")
    at = moment(_version(once.pop("version", None)), once.pop("as_of", None), once.pop("tag", None))
    experiment = once.pop("experiment", None)
    chosen: dict[str, Any] = {**once, **repeated}
    return PageState(experiment, selection(at, on_mix="warn", **chosen), tuple(view))


def _version(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isdecimal():
        raise ConfigError(f"The version {text!r} is not an integer.")
    return int(text)
