"""The working directory and its settings file ``lakebatch.toml``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from lakebatch import _files
from lakebatch.errors import ConfigError, StorageError

SETTINGS_FILE = "lakebatch.toml"


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


def is_source_tree(folder: Path | None = None) -> bool:
    """Whether a folder, by default the working directory, is the source tree of lakebatch."""
    # unlike Path.is_file, this is False for a name that is too long
    return os.path.isfile((folder or Path()) / "lakebatch" / "errors.py")


def read_settings() -> dict[str, Any]:
    """Return the settings in the file; none without a file.

    Raises
    ------
    ConfigError
        If it is not TOML.
    StorageError
        If it cannot be read.
    """
    file = working_folder() / SETTINGS_FILE
    try:
        return _files.parse_toml(_files.read_text(file))
    except OSError as error:
        if isinstance(error, FileNotFoundError | NotADirectoryError) and not file.is_symlink():
            return {}
        raise StorageError(f"Cannot read {file}: {error.strerror}. Expected a readable file.") from error
    except ValueError as error:
        raise ConfigError(f"Cannot read {file}: {error}. Expected TOML.") from error
