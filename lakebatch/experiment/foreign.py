"""Files in a user's folder that are not what lakebatch looks for there: left out with one warning."""

from __future__ import annotations

import os
import stat
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lakebatch._text import one_line
from lakebatch.errors import ConfigError, StorageError
from lakebatch.ids import check_name

NAMED = 3
MAX_BYTES = 4_000_000


@dataclass(frozen=True)
class Foreign:
    """A file that is left out: its name, why in a few words, and in the sentence that refuses it when asked for."""

    name: str
    why: str
    refusal: str

    def is_called(self, name: str) -> bool:
        """Whether somebody who asks for a name means this file."""
        stem = self.name.rpartition(".")[0]
        return name in (self.name, stem, stem.replace("_", "-"))


class ForeignFileError(ConfigError):
    """A file that cannot be used; the message says why, and ``why`` says it in a few words."""

    def __init__(self, message: str = "", why: str = "") -> None:
        super().__init__(message)
        self.why = why


def listing(folder: Path, ending: str) -> list[str]:
    """Return the names in a folder that have an ending; without those that begin with ``.`` or ``_``.

    Raises
    ------
    StorageError
        If there is such a folder that cannot be read.
    """
    try:
        names = os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise StorageError(
            f"Cannot read the folder {folder}: {error.strerror}. Make it readable, or work in another folder."
        ) from error
    return sorted(name for name in names if name.endswith(ending) and not name.startswith((".", "_")))


def name_of(file: Path, what: str) -> str:
    """Return the name that a file gives to what is in it."""
    try:
        return check_name(file.stem.replace("_", "-"), f"{what} file name ({file})")
    except ConfigError as error:
        raise ForeignFileError(str(error), "its name") from None


def content(file: Path) -> bytes:
    """Return what is in a file; refuse what is not a file of a size that a person writes, without waiting for it."""
    try:
        mode = file.stat()
        if not stat.S_ISREG(mode.st_mode):
            raise ForeignFileError(
                f"Cannot read {file}: it is not a file. Expected a text file.", "not a file"
            )
        if mode.st_size > MAX_BYTES:
            size = f"{mode.st_size / 1e6:.0f} MB"
            raise ForeignFileError(f"Cannot read {file}: it has {size}. Expected a text of up to 4 MB.", size)
        return file.read_bytes()
    except OSError as error:
        if isinstance(error, ForeignFileError):
            raise
        why = "a link to nothing" if file.is_symlink() and not file.exists() else str(error.strerror)
        raise ForeignFileError(f"Cannot read {file}: {why}. Expected a text file.", why) from error


def text(file: Path) -> str:
    """Return the text that is in a file; a mark of the byte order at its beginning is no part of it."""
    try:
        return content(file).decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise ForeignFileError(
            f"Cannot read {file}: byte {error.start} is not UTF-8. Save it as UTF-8 text.", "not UTF-8"
        ) from error


def warn(folder: str, found: Sequence[Foreign]) -> None:
    """Warn, in one line, of the files that are left out."""
    if found:
        named = ", ".join(f"{one_line(each.name)} ({one_line(each.why)})" for each in found[:NAMED])
        more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
        warnings.warn(
            f"Left out of ./{folder}: {named}{more}. A file whose name begins with _ is passed over in silence.",
            stacklevel=1,
        )
