"""The origin of a picture: lake, state and assemblies, and the command and the Python line that draw it again."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from lakebatch._text import one_line, redact, to_second
from lakebatch._version import __version__
from lakebatch.analysis.plots.options import Options
from lakebatch.snapshot.gaps import OnGap
from lakebatch.snapshot.snapshot import Snapshot
from lakebatch.storage.uris import is_local

MAX_IDS = 12
"""Assemblies that are listed; of more, the number, the first and the last."""
SOFTWARE = f"lakebatch {__version__}"


@dataclass(frozen=True)
class Origin:
    """What a picture was drawn from.

    Attributes
    ----------
    by : str, optional
        What colours show, as it was asked for.
    """

    snapshot: Snapshot
    kind: str
    options: Options
    by: str | None = None
    against: Snapshot | None = None
    on_gap: OnGap = "warn"

    @cached_property
    def facts(self) -> dict[str, str]:
        """The dataset by what is known of it: lake, experiment, state, dataset, assemblies."""
        snapshot = self.snapshot
        facts = {
            "Lake": self.lake,
            "Experiment": f"{snapshot.qualified_name} (folder {snapshot.folder})",
            "State": f"{snapshot.state_read}{_last_change(snapshot)}",
            "Dataset": snapshot.describe(),
            "Assemblies": _listed(snapshot.ids()),
        }
        if self.against is not None:
            facts["Against"] = self.against.describe()
        return {name: one_line(redact(value)) for name, value in facts.items()}

    @property
    def lake(self) -> str:
        """Where the lake lies; a folder below the home folder begins with ``~``."""
        uri, home = self.snapshot.lake_uri, Path.home().as_posix()
        inside = is_local(uri) and home != "/" and uri.startswith(f"{home}/")
        return redact(f"~{uri[len(home) :]}" if inside else uri)

    def command(self, form: str, width_mm: float | None = None) -> str:
        """Return the command that draws the picture from the same state."""
        words = ["lakebatch", "--lake", self.lake, "plot", self.snapshot.qualified_name, "--kind", self.kind]
        for name, value in self._drawn.items():
            values = value if isinstance(value, tuple) else (value,)
            words += [f"--{name}", *(_number(each) for each in values)]
        words += self.snapshot.selection.options
        words += [
            word
            for name, value in self._moment.items()
            for word in (f"--{name.replace('_', '-')}", str(value))
        ]
        words += ["--against", self._other] if self._other else []
        words += ["--width", _number(width_mm)] if width_mm else []
        words += ["--on-gap", self.on_gap] if self.on_gap != "warn" else []
        return one_line(shlex.join([*words, "-o", self.file_name(form)]))

    def python(self, form: str, width_mm: float | None = None) -> str:
        """Return the line of Python that draws the picture from the same state."""
        chosen = {**self._drawn, **self.snapshot.selection.arguments, **self._moment}
        chosen |= {"against": self._other} if self._other else {}
        chosen |= {"on_gap": self.on_gap} if self.on_gap != "warn" else {}
        arguments = ", ".join([repr(self.kind), *(f"{name}={value!r}" for name, value in chosen.items())])
        saved = ", ".join([repr(self.file_name(form)), *([_number(width_mm)] if width_mm else [])])
        name = self.snapshot.qualified_name
        return one_line(f"lakebatch.open_lake({self.lake!r})[{name!r}].plot({arguments}).save({saved})")

    def file_name(self, form: str) -> str:
        """Return the usual name of the file."""
        return f"{self.snapshot.name}-{self.kind}.{form}"

    @property
    def _drawn(self) -> dict[str, Any]:
        """The options that differ from their defaults."""
        given = {each.name: getattr(self.options, each.name) for each in fields(Options)} | {"by": self.by}
        return {
            name: tuple(map(float, value)) if name == "zoom" else value
            for name, value in given.items()
            if value is not None and (name, value) != ("unit", "split")
        }

    @property
    def _moment(self) -> dict[str, Any]:
        """The state: its tag or time if it was named so, else the version of the results."""
        moment = self.snapshot.moment
        if moment.tag is not None:
            return {"tag": moment.tag}
        return (
            {"version": self.snapshot.version} if moment.time is None else {"as_of": moment.time.isoformat()}
        )

    @property
    def _other(self) -> str | None:
        """The state in the background."""
        if self.against is None:
            return None
        if self.against.folder != self.snapshot.folder:
            return self.against.qualified_name
        return self.against.moment.tag or str(self.against.version)


def about(origin: Origin | None, form: str, width_mm: float | None = None) -> Mapping[str, str]:
    """Return everything that is known of the origin of a picture, with how to draw it again, by name."""
    if origin is None:
        return {}
    again = {"Command": origin.command(form, width_mm), "Python": origin.python(form, width_mm)}
    return {**origin.facts, **again, "Software": SOFTWARE}


def _last_change(snapshot: Snapshot) -> str:
    at = snapshot.events["at"].max() if snapshot.events.height else None
    return f", last change {to_second(at)}" if isinstance(at, datetime) else ""


def _listed(ids: list[str]) -> str:
    if len(ids) <= MAX_IDS:
        return ", ".join(ids) or "none"
    return f"{len(ids)}, from {ids[0]} to {ids[-1]}"


def _number(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
