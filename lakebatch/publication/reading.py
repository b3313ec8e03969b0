"""The files of a publication on their way back: unpacked, and checked against their checksums."""

from __future__ import annotations

import re
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from lakebatch._folders import CHECKSUMS, sha256
from lakebatch.errors import StorageError

LINE = re.compile(r"([0-9a-f]{64})  (.+)")
MAX_BYTES = 100 << 30
"""Size of the largest publication that is unpacked."""
MAX_FILES = 100_000
MAX_RATIO = 1000
"""How many times as large as the zip file its content may be; deflate itself reaches about 1000."""


@contextmanager
def opened(path: Path) -> Iterator[Path]:
    """Yield the folder of a publication, unpacked if it is a zip file, after a check of every file.

    Raises
    ------
    StorageError
        If it is no publication, or a file is changed, missing or added.
    """
    try:
        if path.is_dir():
            check(path, path)
            yield path
            return
        if not zipfile.is_zipfile(path):
            raise _no_publication(path, "it is neither a folder nor a zip file")
        with tempfile.TemporaryDirectory(prefix="lakebatch-") as folder:
            found = _unpack(path, Path(folder))
            check(found, path)
            yield found
    except (zipfile.BadZipFile, EOFError) as error:
        raise StorageError(f"Cannot read {path}: the zip file is damaged ({error}). Get it again.") from error


def _unpack(path: Path, folder: Path) -> Path:
    """Unpack a zip file, and return the folder with the checksums."""
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        for each in entries:
            _check_name(path, each.filename)
        size = sum(each.file_size for each in entries)
        if len(entries) > MAX_FILES or size > min(MAX_BYTES, MAX_RATIO * path.stat().st_size):
            raise _no_publication(path, f"it would unpack to {len(entries)} files of {size} bytes")
        archive.extractall(folder)
    inside = [each for each in folder.iterdir() if each.is_dir()]
    return folder if (folder / CHECKSUMS).exists() or len(inside) != 1 else inside[0]


def _check_name(path: Path, name: str) -> None:
    if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts or "\\" in name or ":" in name:
        raise _no_publication(path, f"it has a file outside of its folder, {name!r}")


def check(folder: Path, shown: Path) -> None:
    """Raise `StorageError` unless the files of a folder are those of its checksums."""
    sums = folder / CHECKSUMS
    if not sums.is_file():
        raise _no_publication(shown, f"it has no file {CHECKSUMS}")
    matches = [LINE.fullmatch(line) for line in sums.read_text("utf-8", "replace").splitlines()]
    wanted = {match[2]: match[1] for match in matches if match}
    if len(wanted) < len(matches):
        raise _differs(shown, f"{CHECKSUMS} has a line that is no checksum")
    present = {each.relative_to(folder).as_posix() for each in folder.rglob("*") if not each.is_dir()} - {
        CHECKSUMS
    }
    if missing := sorted(wanted.keys() - present):
        raise _differs(shown, f"the file {missing[0]} is missing")
    if added := sorted(present - wanted.keys()):
        raise _differs(shown, f"the file {added[0]} is not in {CHECKSUMS}")
    for name, digest in sorted(wanted.items()):
        if sha256(folder / name) != digest:
            raise _differs(shown, f"the file {name} has changed")


def _differs(path: Path, why: str) -> StorageError:
    return StorageError(f"{path} is not as it was published: {why}. Get it again; nothing was imported.")


def _no_publication(path: Path, why: str) -> StorageError:
    return StorageError(
        f"{path} is no publication: {why}. Expected a folder or zip file that lakebatch publish wrote."
    )
