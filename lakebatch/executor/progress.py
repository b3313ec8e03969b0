"""How far worker processes are, in small files that they share: counters of rows, and phases."""

from __future__ import annotations

import json
import mmap
import os
import struct
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from lakebatch import _process as process
from lakebatch._text import one_line, redact
from lakebatch.experiment.phases import Phase

FILE = "counters"
SLOT = struct.Struct("<q")
PREFIX = "phase-"
SIZE = 512
MAX_TEXT = 80


class Counters:
    """One number per part: only the process that computes the part changes it, every process may read it."""

    def __init__(self, memory: mmap.mmap, folder: Path) -> None:
        self._memory = memory
        self._folder = folder

    @classmethod
    def create(cls, folder: Path, parts: int) -> Counters:
        """Create counters at 0 in a folder and open them."""
        (folder / FILE).write_bytes(bytes(SLOT.size * max(parts, 1)))
        return cls.open(folder)

    @classmethod
    def open(cls, folder: Path) -> Counters:
        """Open the counters in a folder."""
        with (folder / FILE).open("r+b") as file:
            return cls(mmap.mmap(file.fileno(), 0), folder)

    def add(self, part: int, count: int) -> None:
        """Add to the number of one part."""
        offset = part * SLOT.size
        SLOT.pack_into(self._memory, offset, SLOT.unpack_from(self._memory, offset)[0] + count)

    def total(self) -> int:
        """Return the sum over all parts."""
        return sum(value for (value,) in SLOT.iter_unpack(self._memory[:]))

    def phase(self) -> Phase | None:
        """Return what the process that is furthest is doing."""
        return current(self._folder)

    def close(self) -> None:
        """Close the file."""
        self._memory.close()

    def __enter__(self) -> Counters:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class PhaseFile:
    """The phase of this process."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / f"{PREFIX}{os.getpid()}"
        self._number = 0
        self._text = ""

    def write(self, phase: Phase) -> None:
        """Replace the phase; without the file, nobody sees it."""
        if phase.text != self._text:
            self._number, self._text = self._number + 1, phase.text
        text = one_line(redact(phase.text))[:MAX_TEXT]
        record = json.dumps([self._number, text, phase.done, phase.total], ensure_ascii=False).encode()
        with suppress(OSError):
            descriptor = os.open(self._file, os.O_WRONLY | os.O_CREAT, 0o600)
            try:
                os.write(descriptor, record.ljust(SIZE))  # in one piece, so that no reader sees half of it
            finally:
                os.close(descriptor)


def current(folder: Path) -> Phase | None:
    """Return the phase of the process that is furthest; None if no living process has one."""
    found = [record for file in _files(folder) if (record := _read(file)) is not None]
    if not found:
        return None
    _, text, done, total = max(found, key=lambda each: (each[0], each[2] or 0))
    return Phase(text, done, total)


def _files(folder: Path) -> list[Path]:
    with suppress(OSError):
        return [
            file
            for file in folder.glob(f"{PREFIX}*")
            if process.is_alive(int(file.name.removeprefix(PREFIX)), None)
        ]
    return []


def _read(file: Path) -> Any:
    with suppress(OSError, ValueError):  # it is being written for the first time
        return json.loads(file.read_bytes())
    return None
