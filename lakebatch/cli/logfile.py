"""A log file per assembly, on this machine: what was done, how long it took, and why parts failed."""

from __future__ import annotations

import logging
from pathlib import Path

from platformdirs import user_state_path

from lakebatch.redact import RedactingFormatter

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
OWN = logging.getLogger("lakebatch")


class LogFile:
    """Writes what lakebatch logs into a file, from when it is opened on."""

    def __init__(self) -> None:
        self.file: Path | None = None
        self._handler: logging.Handler | None = None

    def open(self, folder: str, assembly_id: str) -> None:
        """Begin, or go on with, the file of an assembly; a run goes on without one that cannot be written."""
        file = log_file(folder, assembly_id)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            self._handler = logging.FileHandler(file, encoding="utf-8")
        except OSError as error:
            OWN.warning("There is no log file: cannot write %s: %s.", file, error.strerror)
            return
        self._handler.setFormatter(RedactingFormatter(FORMAT))
        OWN.addHandler(self._handler)
        OWN.setLevel(logging.DEBUG)
        self.file = file
        OWN.info("log file of %s: %s", assembly_id, file)

    def close(self) -> None:
        """End the file."""
        if self._handler is not None:
            OWN.removeHandler(self._handler)
            self._handler.close()
            self._handler = None


def log_file(folder: str, assembly_id: str) -> Path:
    """Return where the log of an assembly is, below the folder that the system has for such files.

    Not in the lake: that can be on S3, and holds nothing but tables.
    """
    return user_state_path("lakebatch") / "logs" / folder / f"{assembly_id}.log"
