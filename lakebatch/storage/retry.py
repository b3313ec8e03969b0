"""Repetition of failed calls, and the errors that no repetition mends."""

from __future__ import annotations

import logging
import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import TypeVar

from lakebatch.errors import LakebatchError
from lakebatch.storage import disk_errors, s3_errors

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class RetryPolicy:
    """How often a failed call is repeated, and for how long.

    Attributes
    ----------
    attempts : int or inf
        Number of calls, the first included.
    timeout : float, seconds
        A call that fails later than this after the first began is not repeated.
    first_backoff, max_backoff : float, seconds
        Longest pause after the first failure, doubled after each further one, and its upper bound.
    """

    attempts: float = math.inf
    timeout: float = math.inf
    first_backoff: float = 0.05
    max_backoff: float = 5.0

    def call(
        self,
        call: Callable[[], Answer],
        errors: tuple[type[Exception], ...],
        may_pass: Callable[[Exception], bool],
    ) -> Answer:
        """Return the answer of a call, repeated after each error that may pass.

        Parameters
        ----------
        errors : tuple of exception types
            Errors that are looked at; others, and those that are explained already, are raised at once.
        may_pass : callable
            Returns whether a repetition can mend an error.
        """
        deadline = time.monotonic() + self.timeout
        for attempt in count(1):
            try:
                return call()
            except errors as error:
                is_last = attempt >= self.attempts or time.monotonic() > deadline
                if is_last or isinstance(error, LakebatchError) or not may_pass(error):
                    raise
                logger.info("attempt %d: %s", attempt, error)
            self.pause(attempt)
        raise AssertionError("unreachable")

    def pause(self, attempt: int) -> None:
        """Wait after a failed attempt, for a random time so that processes that collided do not collide again."""
        longest = self.first_backoff * 2.0 ** min(attempt - 1, 60)
        time.sleep(random.uniform(0, min(self.max_backoff, longest)))


COMMITS = RetryPolicy(attempts=30)
"""Commits that other writers overtake."""
READS = RetryPolicy(timeout=300.0)
"""Reads while S3 cannot be reached: a run of days outlives a restart of the server."""
CHECKPOINTS = RetryPolicy(attempts=12, timeout=60.0)
"""Checkpoints: the log can be read without one, so a run does not wait for long."""
S3_CALLS = RetryPolicy(attempts=6, timeout=10.0, first_backoff=0.15)
"""Single requests to S3; a server that never answers is asked three times."""


def is_transient(error: Exception) -> bool:
    """Whether an engine could not reach S3, or lost the connection.

    >>> is_transient(OSError("Generic S3 error: error sending request"))
    True
    """
    return s3_errors.is_unreachable(str(error))


def is_final(error: Exception) -> bool:
    """Whether a disk or S3 refused a call for good.

    >>> is_final(OSError("No space left on device (os error 28)"))
    True
    """
    text = str(error)
    return (
        isinstance(error, LakebatchError | PermissionError)
        or "AccessDenied" in text
        or s3_errors.refusal(text) is not None
        or (s3_errors.ENGINE_ERROR not in text and disk_errors.refusal(text) is not None)
    )
