"""Environment variables that an optional library reads once, when it creates something."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager


@contextmanager
def environment_defaults(defaults: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables within a block, unless they are set.

    >>> with environment_defaults({"LAKEBATCH_EXAMPLE": "1"}):
    ...     os.environ["LAKEBATCH_EXAMPLE"]
    '1'
    >>> "LAKEBATCH_EXAMPLE" in os.environ
    False
    """
    added = {name: value for name, value in defaults.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)
