"""Symbolic links to folders in a lake, through which no file is removed."""

from __future__ import annotations

import os
from pathlib import Path

from lakebatch.errors import DamageWarning, warn
from lakebatch.storage import Storage


def is_free_of_links(storage: Storage, folder: str) -> bool:
    """Whether a folder and all folders below it lie in the lake itself; warn of a link, which may lead elsewhere."""
    link = find_link(storage, folder)
    if link:
        warn(
            f"{link} is a link, and nothing is removed through one: the files of {storage.join(folder)} stay. "
            "Put the folder itself in its place to have them looked after.",
            DamageWarning,
        )
    return link is None


def find_link(storage: Storage, folder: str) -> Path | None:
    """Return a link to a folder on the path to a folder of the lake, or below that; None without one."""
    if not storage.is_local:
        return None
    place = Path(storage.uri)
    for step in folder.split("/"):
        place = place / step
        if place.is_symlink():
            return place
    for inner, folders, _ in os.walk(place):
        for name in folders:
            if os.path.islink(os.path.join(inner, name)):
                return Path(inner, name)
    return None
