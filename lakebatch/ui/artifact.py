"""Artifacts as files: a download, and pictures that cannot hold a script."""

from __future__ import annotations

from lakebatch.errors import ConfigError, UnknownNameError
from lakebatch.lake.lake import Lake
from lakebatch.snapshot import artifacts
from lakebatch.snapshot.artifacts import StoredArtifact
from lakebatch.snapshot.snapshot import Snapshot
from lakebatch.ui.file import File
from lakebatch.ui.page_state import PageState

IMAGES = ("image/png", "image/jpeg", "image/gif", "image/webp")
"""Media types of artifacts that a page shows: none of them can hold a script."""
DOWNLOAD = "application/octet-stream"


def artifact(lake: Lake, state: PageState, folder: str, assembly_id: str) -> File:
    """Return an artifact, checked against its hash, for a browser to save; ``part`` and ``name`` say which."""
    snapshot, found = _find(lake, state, folder, assembly_id)
    return File(artifacts.read(snapshot, found), DOWNLOAD, download=found.name.rpartition("/")[2])


def image(lake: Lake, state: PageState, folder: str, assembly_id: str) -> File:
    """Return an artifact that a page shows as a picture."""
    snapshot, found = _find(lake, state, folder, assembly_id)
    if found.media_type not in IMAGES:
        raise ConfigError(
            f"The artifact {found.name!r} is {found.media_type}, which is not shown. Download it."
        )
    return File(artifacts.read(snapshot, found), found.media_type)


def _find(lake: Lake, state: PageState, folder: str, assembly_id: str) -> tuple[Snapshot, StoredArtifact]:
    """Return the artifact that an address names, as far as its part was committed at the moment."""
    snapshot = lake[folder].at(state.selection.moment)
    name, part = (next(iter(state.viewed(key)), None) for key in ("name", "part"))
    if name is None:
        raise ConfigError(
            "The address names no artifact. Expected name=FILE, and part=KEY if several have the name."
        )
    found = artifacts.find(snapshot, assembly_id, name, part)
    if found.part not in snapshot.parts_done(snapshot.assembly(assembly_id)):
        raise UnknownNameError(f"{assembly_id} has no artifact {name!r}, {snapshot.moment}.")
    return snapshot, found
