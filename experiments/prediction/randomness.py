"""The random generators that all code of a process shares."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np


@contextmanager
def shared_generators(seed: int) -> Iterator[None]:
    """Seed the generators of `random` and `numpy.random` for a block, and restore their states after it.

    An estimator that draws from them would depend on every fit before it.

    Parameters
    ----------
    seed : int, 0 <= seed < 2**32

    Examples
    --------
    >>> def draw():
    ...     with shared_generators(1):
    ...         return random.random()
    >>> draw() == draw()
    True
    """
    states = random.getstate(), np.random.get_state()
    random.seed(seed)
    np.random.seed(seed)
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
