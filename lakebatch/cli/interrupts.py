"""Ctrl-C during a run: the first finishes the running parts, the second stops at once."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from lakebatch.cli.stderr import print_stderr

TIMEOUT_SECONDS = 30.0  # for the running parts, after the first Ctrl-C
NOTICE = (
    "Stopping: Ctrl-C again stops at once. The running parts get up to "
    f"{TIMEOUT_SECONDS:.0f} s to finish, and are committed."
)


class InterruptHandler:
    """Signal handler: the first Ctrl-C, while parts are computed, prevents further parts."""

    def __init__(self) -> None:
        self.is_computing = False
        self.announce: Callable[[str], None] = print_stderr
        self._asked_at: float | None = None

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Record the first Ctrl-C; raise at the second, and at once where no part would be lost."""
        if self._asked_at is not None or not self.is_computing:
            raise KeyboardInterrupt
        self._asked_at = time.monotonic()
        # in a thread, since the interrupted code may hold the lock of the display
        threading.Thread(target=self.announce, args=(NOTICE,), daemon=True).start()

    def wants_to_stop(self) -> bool:
        """Whether no further part may begin; raise when the running parts exceed their time limit."""
        if self._asked_at is None:
            return False
        if time.monotonic() - self._asked_at > TIMEOUT_SECONDS:
            raise KeyboardInterrupt
        return True


@contextmanager
def handled_interrupts() -> Iterator[InterruptHandler]:
    """Handle Ctrl-C with an `InterruptHandler` within the block."""
    handler = InterruptHandler()
    before = signal.signal(signal.SIGINT, handler)
    try:
        yield handler
    finally:
        signal.signal(signal.SIGINT, before)
