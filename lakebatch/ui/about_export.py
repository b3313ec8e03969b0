"""What an export says of itself: on each of its pages, and in its README."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lakebatch._folders import CHECKSUMS, Kind
from lakebatch._text import one_line, redact, to_second
from lakebatch._version import __version__
from lakebatch.lake.lake import Lake
from lakebatch.lake.snapshot import LakeSnapshot
from lakebatch.snapshot.moment import NEWEST
from lakebatch.snapshot.selection import Selection
from lakebatch.snapshot.snapshot import Snapshot
from lakebatch.snapshot.times import describe
from lakebatch.ui.page_state import PageState

KIND = Kind("export", "README.txt", "Pages of a lakebatch lake, frozen")
WIDTH = 78
MAX_COMPARED = 12
MAX_DRAWN = 30
"""Assemblies of an export up to which each has a picture of its own; more would make it too large."""
HOW = f"""\
Open index.html in a browser. The pages need no server and no network: they load nothing but the files of this folder,
and can be put on any web server as they are. The tables are also there as CSV files, in the folder tables.

To check that no file was changed:    sha256sum --check {CHECKSUMS}"""


@dataclass(frozen=True)
class AboutExport:
    """Where the pages of an export come from.

    Attributes
    ----------
    lake : str
        The lake: the last step of a local path, which says nothing of the machine, or the whole address on S3.
    state : str
        The state, such as ``tag paper-v1``.
    datasets : tuple of str
        The dataset of each experiment in one line.
    tags : tuple of str
        When and why each experiment got the tag.
    newest : datetime, optional
        The time of the newest event in it. The time of the export is left out, so that two exports of one state are the
        same.
    command : str
        The command that makes the export again.
    """

    lake: str
    state: str
    datasets: tuple[str, ...]
    tags: tuple[str, ...]
    newest: datetime | None
    command: str

    @property
    def lines(self) -> list[tuple[str, str]]:
        """Label and text of each line."""
        return [
            ("Lake", self.lake),
            ("State", self.state),
            *(("Tag", each) for each in self.tags),
            *(("Dataset", each) for each in self.datasets),
            *([("Newest event", describe(self.newest))] if self.newest else []),
            ("Made by", f"lakebatch {__version__}: {self.command}"),
        ]

    @property
    def summary(self) -> str:
        """The state in one line."""
        until = f", newest event {to_second(self.newest)}" if self.newest else ""
        return f"{self.lake}, {self.state}{until}"

    @property
    def readme(self) -> bytes:
        """The content of README.txt."""
        lines = [
            textwrap.fill(f"{label}: {text}", WIDTH, subsequent_indent="  ") for label, text in self.lines
        ]
        how = "\n\n".join(
            textwrap.fill(each, WIDTH) if "  " not in each else each for each in HOW.split("\n\n")
        )
        return "\n".join([KIND.first_line, "", *lines, "", how, ""]).encode()


def about(lake: Lake, state: PageState, snapshots: LakeSnapshot) -> AboutExport:
    """Return where the pages of an export come from."""
    newest = [each.events["at"].max() for each in snapshots.values() if each.events.height]
    words = ["lakebatch ui", state.experiment or "", state.options, "--export FOLDER"]
    return AboutExport(
        lake_name(lake),
        _state(state.selection),
        tuple(each.describe() for each in snapshots.values()),
        tuple(_tags(lake, state, snapshots)),
        max((at for at in newest if isinstance(at, datetime)), default=None),
        " ".join(filter(None, words)),
    )


def _state(chosen: Selection) -> str:
    """Return the state in words; the newest one is not that of now any more."""
    return str(chosen) if chosen.moment.is_past else str(chosen).removesuffix(str(NEWEST)) + "newest state"


def export_bar(origin: AboutExport, snapshots: LakeSnapshot, tables: Sequence[str]) -> dict[str, Any]:
    """Return what stands above and below each page of an export, in place of the selection bar.

    Each experiment has a comparison of its configs: of the first completed assembly of each, at most a dozen.
    """
    experiments = [
        {"name": name, "folder": each.folder, "compared": _one_of_each_config(each)}
        for name, each in snapshots.items()
    ]
    count = sum(len(each.assemblies) for each in snapshots.values())
    about = {
        "summary": origin.summary,
        "lines": origin.lines,
        "draws_each": count <= MAX_DRAWN,
        "experiments": experiments,
        "tables": tables,
    }
    return {"lake": origin.lake, "export": about}


def _one_of_each_config(snapshot: Snapshot) -> list[tuple[str, str]]:
    """Return folder and id of the first assembly of each config, of at most a dozen; none if there is only one."""
    completed = [each for each in snapshot.assemblies if each.status == "completed"]
    firsts = {each.config_hash: each.assembly_id for each in reversed(completed)}
    chosen = sorted(firsts.values())[:MAX_COMPARED]
    return [(snapshot.folder, each) for each in chosen] if len(chosen) > 1 else []


def lake_name(lake: Lake) -> str:
    """Return the name of a lake for others: the last step of a local path, or the address on S3."""
    uri = str(lake.storage.uri)
    return redact(uri.rstrip("/").rpartition("/")[2] if lake.storage.is_local else uri)


def _tags(lake: Lake, state: PageState, snapshots: LakeSnapshot) -> list[str]:
    """Return when and why each experiment got the tag, in one line each."""
    tag = state.selection.moment.tag
    stored: Mapping[str, Any] = {each.folder: each for each in lake.begun()}
    found = [
        (each.qualified_name, known)
        for each in snapshots.values()
        for known in stored[each.folder].tag_log.all()
        if known.tag == tag
    ]
    return [
        f"{known.tag} of {name}, {describe(known.at)}" + (f": {one_line(known.note)}" if known.note else "")
        for name, known in found
    ]
