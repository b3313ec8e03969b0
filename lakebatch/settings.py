"""The working directory and its settings file ``lakebatch.toml``."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lakebatch import _files
from lakebatch.errors import ConfigError, StorageError, warn

SETTINGS_FILE = "lakebatch.toml"
OWN = ("lake", "experiments")
"""Folders that make their parent a project of its own, also without a settings file."""


def working_folder() -> Path:
    """Return the working directory; if it was removed, a path in which nothing exists."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        return Path()


def require_working_folder() -> Path:
    """Return the working directory.

    Raises
    ------
    StorageError
        If it was removed.
    """
    try:
        return Path.cwd()
    except OSError as error:
        raise StorageError(
            f"The working directory is gone ({error.strerror}). Change to one that exists."
        ) from error


def project_folder() -> Path:
    """Return the folder of the project that the working directory is in.

    It is the working directory itself if it has a settings file, a lake or experiments; else the nearest folder above
    with a settings file, on the same disk and below the home folder; else the working directory. A folder above counts
    only if it belongs to this user or to root and not everybody may write to it, since its experiments are executed.
    """
    here = working_folder()
    if os.path.lexists(here / SETTINGS_FILE) or any(os.path.isdir(here / name) for name in OWN):
        return here
    found = (folder for folder in _folders_above(here) if os.path.isfile(folder / SETTINGS_FILE))
    return next(filter(_is_trusted, found), here)


def in_project(name: str) -> Path:
    """Return the path of a file or folder in the project's folder, relative where that is the working directory."""
    folder = project_folder()
    return Path(name) if folder == working_folder() else folder / name


def _folders_above(here: Path) -> Iterator[Path]:
    """Yield the folders above one that can hold its project, the nearest first."""
    home, disk = Path(os.path.expanduser("~")), _disk(here)
    if here == home:
        return
    for folder in here.parents:
        if folder == home or _disk(folder) != disk:
            return
        yield folder


def _disk(folder: Path) -> int | None:
    try:
        return folder.stat().st_dev
    except OSError:
        return None


def _is_trusted(folder: Path) -> bool:
    """Whether only this user and root decide about a folder and its settings file; warn if not."""
    why = _distrust(folder)
    if why:
        warn(f"{folder / SETTINGS_FILE} is not used, since {why}. To use it, change into its folder.")
    return not why


def _distrust(folder: Path) -> str:
    """Return why others can decide about a folder and its settings file, as a clause; empty if they cannot."""
    if not hasattr(os, "getuid"):  # Windows, where a mode says nothing of others' rights
        is_inside = folder.is_relative_to(os.path.expanduser("~"))
        return "" if is_inside else "its folder is not below your home folder"
    found = (folder.stat(), (folder / SETTINGS_FILE).stat())
    if found[0].st_mode & stat.S_IWOTH:
        return "everybody may write to its folder"
    is_own = all(each.st_uid in (os.getuid(), 0) for each in found)
    return "" if is_own else "it belongs to another user"


def is_source_tree(folder: Path | None = None) -> bool:
    """Whether a folder, by default the working directory, is the source tree of lakebatch."""
    # unlike Path.is_file, this is False for a name that is too long
    return os.path.isfile((folder or Path()) / "lakebatch" / "errors.py")


def read_settings() -> dict[str, Any]:
    """Return the settings in the file of the project; none without a file.

    Raises
    ------
    ConfigError
        If it is not TOML.
    StorageError
        If it cannot be read.
    """
    file = project_folder() / SETTINGS_FILE
    try:
        return _files.parse_toml(_files.read_text(file))
    except OSError as error:
        if isinstance(error, FileNotFoundError | NotADirectoryError) and not file.is_symlink():
            return {}
        raise StorageError(f"Cannot read {file}: {error.strerror}. Expected a readable file.") from error
    except ValueError as error:
        raise ConfigError(f"Cannot read {file}: {error}. Expected TOML.") from error
