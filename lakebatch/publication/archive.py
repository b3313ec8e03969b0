"""A folder as a zip file whose bytes depend on the files alone."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

TIME = (1980, 1, 1, 0, 0, 0)
"""The first time that the format knows: that of each file, so that the bytes do not depend on the clock."""
RIGHTS = 0o644 << 16
STORED = (".parquet", ".png")
"""Files that are compressed already."""


def write_zip(folder: Path, file: Path, name: str) -> None:
    """Write a folder into a zip file below one folder of a name, in the order of the paths."""
    paths = sorted(each.relative_to(folder).as_posix() for each in folder.rglob("*") if each.is_file())
    with zipfile.ZipFile(file, "w") as archive:
        for path in paths:
            with (
                (folder / path).open("rb") as source,
                archive.open(_entry(f"{name}/{path}"), "w", force_zip64=True) as to,
            ):
                shutil.copyfileobj(source, to, 1 << 20)


def _entry(path: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(path, TIME)
    entry.create_system = 3  # on every system the same
    entry.external_attr = RIGHTS
    entry.compress_type = zipfile.ZIP_STORED if path.endswith(STORED) else zipfile.ZIP_DEFLATED
    return entry
