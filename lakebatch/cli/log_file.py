"""A log file per assembly, on this machine: what was done, how long it took, and why parts failed."""

from __future__ import annotations

import logging
import os
from io import TextIOWrapper
from pathlib import Path

from platformdirs import user_state_path

from lakebatch._text import RedactingFormatter

LOGS = "logs"
FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
OWN = logging.getLogger("lakebatch")


class LogFile:
    """Writes what lakebatch logs into a file, from when it is opened on."""

    def __init__(self) -> None:
        self.file: Path | None = None
        self._handler: logging.Handler | None = None
        self._level = logging.NOTSET

    def open(self, folder: str, assembly_id: str) -> None:
        """Begin, or go on with, the file of an assembly; a run goes on without one that cannot be written."""
        file = log_file(folder, assembly_id)
        try:
            _make_private(file.parent)
            self._handler = _PrivateFile(file, encoding="utf-8")
        except OSError as error:
            OWN.warning("There is no log file: cannot write %s: %s.", file, error.strerror)
            return
        self._handler.setFormatter(RedactingFormatter(FORMAT))
        OWN.addHandler(self._handler)
        self._level = OWN.level
        OWN.setLevel(logging.DEBUG)
        self.file = file
        OWN.info("log file of %s: %s", assembly_id, file)

    def close(self) -> None:
        """End the file."""
        if self._handler is not None:
            OWN.removeHandler(self._handler)
            OWN.setLevel(self._level)
            self._handler.close()
            self._handler = None


class _PrivateFile(logging.FileHandler):
    """Appends to a file that this user alone can read."""

    def _open(self) -> TextIOWrapper:
        return open(self.baseFilename, "a", encoding=self.encoding, opener=_open_private)


def log_file(folder: str, assembly_id: str) -> Path:
    """Return where the log of an assembly is, below the folder that the system has for such files.

    Not in the lake: that can be on S3, and holds nothing but tables.
    """
    return user_state_path("lakebatch") / LOGS / folder / f"{assembly_id}.log"


def _make_private(folder: Path) -> None:
    """Make the folder of an experiment's logs and those above it that are ours, for this user alone."""
    folder.parents[1].mkdir(parents=True, exist_ok=True)
    for each in (folder.parents[1], folder.parents[0], folder):
        each.mkdir(exist_ok=True)
        each.chmod(0o700)


def _open_private(path: str, flags: int) -> int:
    """Open a file that this user alone can read; never one that a link leads to, or that would block."""
    opened = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    os.fchmod(opened, 0o600)
    return opened
