"""The working directory and its settings file ``lakebatch.toml``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from lakebatch import _parsing
from lakebatch.errors import ConfigError, StorageError

PROJECT_FILE = "lakebatch.toml"


def working_folder() -> Path:
    """Return the working directory; if it is gone, a path in which nothing is found."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        return Path()


def needed_working_folder() -> Path:
    """Return the working directory.

    Raises
    ------
    StorageError
        If it is gone.
    """
    try:
        return Path.cwd()
    except OSError as error:
        raise StorageError(
            f"The working directory is gone ({error.strerror}). Go to one that is there."
        ) from error


def is_source_tree(folder: Path | None = None) -> bool:
    """Whether a folder, the working directory by default, is the source of lakebatch."""
    return os.path.isfile(
        (folder or Path()) / "lakebatch" / "errors.py"
    )  # not so for a name too long to be one


def read_project() -> dict[str, Any]:
    """Return what the file says; nothing where there is none.

    Raises
    ------
    ConfigError
        If it is not TOML.
    StorageError
        If it cannot be read.
    """
    file = working_folder() / PROJECT_FILE
    try:
        return _parsing.parse_toml(_parsing.read_text(file))
    except OSError as error:
        if isinstance(error, FileNotFoundError | NotADirectoryError) and not file.is_symlink():
            return {}
        raise StorageError(f"Cannot read {file}: {error.strerror}. Expected a readable file.") from error
    except ValueError as error:
        raise ConfigError(f"Cannot read {file}: {error}. Expected TOML.") from error
