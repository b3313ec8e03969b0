"""A log file per assembly, on this machine: steps, durations and tracebacks of failed parts."""

from __future__ import annotations

import logging
import os
from io import TextIOWrapper
from pathlib import Path

from platformdirs import user_state_path

from lakebatch._text import RedactingFormatter

LOGS = "logs"
FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
PACKAGE_LOGGER = logging.getLogger("lakebatch")


class LogFile:
    """Log file of lakebatch for one run."""

    def __init__(self) -> None:
        self.file: Path | None = None
        self._handler: logging.Handler | None = None
        self._level = logging.NOTSET

    def open(self, folder: str, assembly_id: str) -> None:
        """Open the file of an assembly for appending; a run continues without a file that cannot be written."""
        file = log_file(folder, assembly_id)
        try:
            _make_private(file.parent)
            self._handler = _PrivateFile(file, encoding="utf-8")
        except OSError as error:
            PACKAGE_LOGGER.warning("There is no log file: cannot write %s: %s.", file, error.strerror)
            return
        self._handler.setFormatter(RedactingFormatter(FORMAT))
        PACKAGE_LOGGER.addHandler(self._handler)
        self._level = PACKAGE_LOGGER.level
        PACKAGE_LOGGER.setLevel(logging.DEBUG)
        self.file = file
        PACKAGE_LOGGER.info("log file of %s: %s", assembly_id, file)

    def close(self) -> None:
        """Close the file."""
        if self._handler is not None:
            PACKAGE_LOGGER.removeHandler(self._handler)
            PACKAGE_LOGGER.setLevel(self._level)
            self._handler.close()
            self._handler = None


class _PrivateFile(logging.FileHandler):
    """Handler that appends to a file with mode 0600."""

    def _open(self) -> TextIOWrapper:
        return open(self.baseFilename, "a", encoding=self.encoding, opener=_open_private)


def log_file(folder: str, assembly_id: str) -> Path:
    """Return the path of an assembly's log file, below the system's folder for state files.

    The lake is no place for it: a lake can be on S3, and holds only tables.
    """
    return user_state_path("lakebatch") / LOGS / folder / f"{assembly_id}.log"


def _make_private(folder: Path) -> None:
    """Create the folder of an experiment's logs and our folders above it with mode 0700."""
    folder.parents[1].mkdir(parents=True, exist_ok=True)
    for each in (folder.parents[1], folder.parents[0], folder):
        each.mkdir(exist_ok=True)
        each.chmod(0o700)


def _open_private(path: str, flags: int) -> int:
    """Open a file with mode 0600; refuse a symbolic link, and never block on a pipe."""
    opened = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    os.fchmod(opened, 0o600)
    return opened
