"""Ctrl-C while parts are computed: gentle once, firm twice."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from lakebatch.cli.terminal import say

TIMEOUT_SECONDS = 30.0
"""How long parts that are being computed may still take after the first Ctrl-C."""
GENTLE = (
    f"Stopping: the parts that are being computed are finished and committed, for {TIMEOUT_SECONDS:.0f} s at most. "
    "Ctrl-C again stops at once."
)


class InterruptHandler:
    """Hears Ctrl-C; the first one, while parts are computed, asks for no more parts."""

    def __init__(self) -> None:
        self.computing = False
        self.announce: Callable[[str], None] = say
        self._asked_at: float | None = None

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Note the first Ctrl-C; raise at the second, and at once where no part would be lost."""
        if self._asked_at is not None or not self.computing:
            raise KeyboardInterrupt
        self._asked_at = time.monotonic()
        # in a thread: what is broken off here may hold the display's lock
        threading.Thread(target=self.announce, args=(GENTLE,), daemon=True).start()

    def is_pulled(self) -> bool:
        """Whether no more parts are to be begun; raises when those that had begun have taken too long."""
        if self._asked_at is None:
            return False
        if time.monotonic() - self._asked_at > TIMEOUT_SECONDS:
            raise KeyboardInterrupt
        return True


@contextmanager
def brake() -> Iterator[InterruptHandler]:
    """Hear Ctrl-C in a gentler way for a while."""
    pulled = InterruptHandler()
    before = signal.signal(signal.SIGINT, pulled)
    try:
        yield pulled
    finally:
        signal.signal(signal.SIGINT, before)
