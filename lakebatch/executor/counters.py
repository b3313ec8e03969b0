"""Counters of the rows of each part, which worker processes share in a small file."""

from __future__ import annotations

import mmap
import struct
from pathlib import Path
from types import TracebackType

from lakebatch.executor import phases
from lakebatch.experiment.phases import Phase

FILE = "counters"
SLOT = struct.Struct("<q")


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
        return phases.current(self._folder)

    def close(self) -> None:
        """Close the file."""
        self._memory.close()

    def __enter__(self) -> Counters:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
