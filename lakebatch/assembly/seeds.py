"""Seeds of replicates, and the random streams that derive from them."""

from __future__ import annotations

import hashlib

import numpy as np

from lakebatch.ids import MAX_SEED

PREPARATION = "prepare"
"""The random stream of what all parts share; no part can claim it, their streams are prefixed."""


def replicate_seed(base_seed: int, run_number: int) -> int:
    """Return the seed of one replicate: independent for every running number, within a signed 64-bit column."""
    state = np.random.SeedSequence([base_seed, run_number]).generate_state(1, np.uint64)
    return int(state[0]) & MAX_SEED


def stream_generator(seed: int, stream: str) -> np.random.Generator:
    """Return the generator of a named random stream.

    It depends on the seed and the name alone, never on what was drawn before or elsewhere.
    """
    digest = hashlib.sha256(stream.encode()).digest()
    words = np.frombuffer(digest, dtype=np.dtype("<u4")).tolist()
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, *words])))
