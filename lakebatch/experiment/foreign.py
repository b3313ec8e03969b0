"""Unusable files in a user's folder, which are skipped with one warning."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from lakebatch._files import decode_text, read_bytes
from lakebatch._text import one_line
from lakebatch.errors import ConfigError, StorageError
from lakebatch.ids import check_name

Result = TypeVar("Result")

MAX_LISTED = 3


@dataclass(frozen=True)
class Foreign:
    """A skipped file: its name, a short reason, and the error message if a user asks for it."""

    name: str
    why: str
    refusal: str

    def is_called(self, name: str) -> bool:
        """Whether a requested name refers to this file."""
        stem = self.name.rpartition(".")[0]
        return name in (self.name, stem, stem.replace("_", "-"))


class ForeignFileError(ConfigError):
    """A file that cannot be used; ``why`` is a short form of the message."""

    def __init__(self, message: str = "", why: str = "") -> None:
        super().__init__(message)
        self.why = why


def listing(folder: Path, ending: str) -> list[str]:
    """Return the file names in a folder with an ending, except those that begin with ``.`` or ``_``.

    Raises
    ------
    StorageError
        If the folder exists and cannot be read.
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
    """Return the name of the experiment or query in a file."""
    try:
        return check_name(file.stem.replace("_", "-"), f"{what} file name ({file})")
    except ConfigError as error:
        raise ForeignFileError(str(error), "its name") from None


def content(file: Path) -> bytes:
    """Return the content of a regular file of at most 4 MB; refuse others."""
    try:
        return read_bytes(file)
    except OSError as error:
        why = (
            "a link to nothing"
            if isinstance(error, FileNotFoundError) and file.is_symlink()
            else str(error.strerror)
        )
        raise ForeignFileError(f"Cannot read {file}: {why}. Expected a text file.", why) from error
    except ValueError as error:
        raise _refused(file, error) from error


def text(file: Path) -> str:
    """Return the text in a file, without a byte order mark."""
    try:
        return decode_text(content(file)).replace("\r\n", "\n")
    except ForeignFileError:
        raise
    except ValueError as error:
        raise _refused(file, error) from error


def _refused(file: Path, clause: ValueError) -> ForeignFileError:
    why = str(clause).partition(":")[0].removeprefix("it is ").removeprefix("it has ")
    return ForeignFileError(f"Cannot read {file}: {clause}. Expected a text file in UTF-8.", why)


def read_each(
    folder: Path, ending: str, read: Callable[[Path], Result], left_out: list[Foreign]
) -> Iterator[Result]:
    """Yield the result of reading each file with an ending in a folder; collect the files that cannot be used."""
    for name in listing(folder, ending):
        try:
            yield read(folder / name)
        except ForeignFileError as error:
            left_out.append(Foreign(name, error.why, str(error)))


def check_not_left_out(name: str, left_out: Iterable[Foreign]) -> None:
    """Raise `ConfigError` if a name means a file that is left out."""
    for each in left_out:
        if each.is_called(name):
            raise ConfigError(each.refusal)


def warn(folder: str, found: Sequence[Foreign]) -> None:
    """Warn, in one line, of the skipped files."""
    if found:
        named = ", ".join(f"{one_line(each.name)} ({one_line(each.why)})" for each in found[:MAX_LISTED])
        more = f" and {len(found) - MAX_LISTED} more" if len(found) > MAX_LISTED else ""
        warnings.warn(
            f"Left out of ./{folder}: {named}{more}. A file whose name begins with _ is passed over in silence.",
            stacklevel=1,
        )
