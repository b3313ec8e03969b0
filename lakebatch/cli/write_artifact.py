"""Contents of artifacts: files that replace others whole, folders of files, or standard output."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

from lakebatch._files import check_replaceable, replace_atomically
from lakebatch._text import CONTROLS
from lakebatch.artifacts import TakenNames, check_name
from lakebatch.cli import standard_streams
from lakebatch.errors import ConfigError, StorageError
from lakebatch.snapshot.artifacts import StoredArtifact

STANDARD_OUTPUT = "-"


def file_for(artifact: StoredArtifact, output: Path | None) -> Path:
    """Return the file for an artifact: ``output``, in it if it is a folder, by default a new one in the working directory.

    Raises
    ------
    ConfigError
        If no output is given and the default file exists.
    """
    last = check_name(artifact.name).rpartition("/")[2]
    if output is None:
        if Path(last).exists() or Path(last).is_symlink():
            raise ConfigError(
                f"There is {last} already. Name a file with -o FILE, or replace it with: -o {last}"
            )
        return Path(last)
    return output / last if str(output) != STANDARD_OUTPUT and output.is_dir() else output


def check_file(artifact: StoredArtifact, file: Path) -> None:
    """Raise `StorageError` for a file that cannot be written."""
    if str(file) != STANDARD_OUTPUT:
        check_replaceable(file)


def write(artifact: StoredArtifact, content: bytes, file: Path) -> None:
    """Write a content to a file, or to standard output.

    Raises
    ------
    ConfigError
        If standard output is a terminal, and the content is no text.
    StorageError
        If the file cannot be written.
    """
    if str(file) == STANDARD_OUTPUT:
        if sys.stdout.isatty() and not is_text(content):
            raise ConfigError(
                f"{artifact.name} is no text ({artifact.media_type}), and standard output is a terminal. "
                "Write it to a file with -o FILE, or into a pipe."
            )
        ends_line = content.endswith(b"\n") or not sys.stdout.isatty()
        standard_streams.write_bytes(content if ends_line else content + b"\n")
        return
    with replace_atomically(file) as partial:
        partial.write_bytes(content)


def write_all(artifacts: Iterable[tuple[StoredArtifact, bytes]], folder: Path) -> tuple[int, int]:
    """Write artifacts to files in a folder of their part, and return how many they are, and their bytes.

    Raises
    ------
    StorageError
        If a file cannot be written.
    ExperimentError, ConfigError
        If another tool wrote a name that is no path within the folder, or that is taken.
    """
    taken: dict[str, TakenNames] = {}
    count = size = 0
    for each, content in artifacts:
        name = check_name(each.name)
        if other := taken.setdefault(each.part, TakenNames()).take(name):
            raise ConfigError(
                f"{other!r} and {name!r} of part {each.part} would be one file. Get one with --get."
            )
        file = folder / part_folder(each.part) / name
        _make_folder(file.parent)
        write(each, content, file)
        count, size = count + 1, size + each.size
    return count, size


def part_folder(part: str) -> str:
    """Return the name of the folder for a part, with other characters than those of plain names in percent-encoding.

    >>> part_folder("level=0.1"), part_folder("../a b"), part_folder("..")
    ('level=0.1', '..%2Fa b', '%2E%2E')
    """
    name = quote(part, safe=" =,+@()")
    return name.replace(".", "%2E") if set(name) <= {"."} else name


def is_text(content: bytes) -> bool:
    """Whether some bytes are UTF-8 text that a terminal can show as it is."""
    try:
        return not CONTROLS.search(content.decode().replace("\t", " ").replace("\r\n", "\n"))
    except UnicodeDecodeError:
        return False


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"Cannot make the folder {folder}: {error.strerror}. Name another with -o."
        ) from error
