"""Files in a user's folder that are not what lakebatch looks for there: left out with one warning."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from lakebatch._parsing import decode_text, read_bytes
from lakebatch._text import one_line
from lakebatch.errors import ConfigError, StorageError
from lakebatch.ids import check_name

Result = TypeVar("Result")

NAMED = 3


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
    """Return the content of a regular file of at most 4 MB; refuse others."""
    try:
        return read_bytes(file)
    except OSError as error:
        why = "a link to nothing" if file.is_symlink() and not file.exists() else str(error.strerror)
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
    """Warn, in one line, of the files that are left out."""
    if found:
        named = ", ".join(f"{one_line(each.name)} ({one_line(each.why)})" for each in found[:NAMED])
        more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
        warnings.warn(
            f"Left out of ./{folder}: {named}{more}. A file whose name begins with _ is passed over in silence.",
            stacklevel=1,
        )
