"""Seeds of replicates, and the random streams that derive from them."""

from __future__ import annotations

import hashlib

import numpy as np

from lakebatch.ids import MAX_SEED

PREPARATION = "prepare"
"""Name of the random stream of `prepare`; the streams of parts have a prefix, so no part can have this name."""


def replicate_seed(base_seed: int, run_number: int) -> int:
    """Return the seed of one replicate, independent of those of other running numbers; it fits a signed 64-bit column."""
    state = np.random.SeedSequence([base_seed, run_number]).generate_state(1, np.uint64)
    return int(state[0]) & MAX_SEED


def stream_generator(seed: int, stream: str) -> np.random.Generator:
    """Return the generator of a named random stream.

    It depends on the seed and the name alone, never on draws before or elsewhere.
    """
    digest = hashlib.sha256(stream.encode()).digest()
    words = np.frombuffer(digest, dtype=np.dtype("<u4")).tolist()
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, *words])))
