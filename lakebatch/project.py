"""The file ``lakebatch.toml`` of the folder that is worked in."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from lakebatch.errors import ConfigError

PROJECT_FILE = "lakebatch.toml"


def read_project() -> dict[str, Any]:
    """Return what the file says; nothing where there is none.

    Raises
    ------
    ConfigError
        If it is not TOML.
    """
    file = Path(PROJECT_FILE)
    if not file.is_file():
        return {}
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"Cannot read {file.absolute()}: {error}. Expected TOML.") from error
