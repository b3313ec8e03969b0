"""Links to folders in a lake, which lead what removes files to somewhere else."""

from __future__ import annotations

import os
from pathlib import Path

from lakebatch.storage import Storage


def linked(storage: Storage, folder: str) -> Path | None:
    """Return a link to a folder that is on the way to a folder of the lake, or below it; None where there is none."""
    if storage.is_s3:
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
