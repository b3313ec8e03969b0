"""Functions that numba compiles, with the machine code kept for later processes."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numba
from numba.core import event

from lakebatch.experiment import report_phase


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function with numba and keep the machine code on disk for the next process.

    Numba keeps it beside the file of the function, else in the user's cache folder. Where neither can be written it
    refuses to cache at all; then every process compiles for itself. Machine code is used again as long as no file of the
    function's folder has changed: it contains the functions and constants of other files, which numba does not look at.
    """
    options = {"nogil": True, "error_model": "numpy"}
    try:
        dispatcher = numba.njit(cache=True, **options)(function)
        dispatcher._cache._cache_file._source_stamp = sources(Path(function.__code__.co_filename).parent)
    except (
        RuntimeError,
        AttributeError,
    ) as error:  # no folder, or another mechanism in that release of numba
        logging.getLogger(__name__).info("Compiled code is not kept: %s", error)
        return numba.njit(**options)(function)
    return dispatcher


@cache
def sources(folder: Path) -> str:
    """Return a hash of all Python files of a folder."""
    files = sorted(folder.glob("*.py"))
    return sha256(b"".join(sha256(each.read_bytes()).digest() for each in files)).hexdigest()


@contextmanager
def reported(what: str, phase: str, *counts: int) -> Iterator[None]:
    """Report a phase of a block, and in its place the compilation of something whose machine code is not kept yet."""

    class Compilation(event.Listener):  # type: ignore[misc]  # numba has no types
        depth = 0  # of functions that are compiled for one another

        def on_start(self, _: object) -> None:
            self.depth += 1
            report_phase(f"compiling {what} (only once)")

        def on_end(self, _: object) -> None:
            self.depth -= 1
            if not self.depth:
                report_phase(phase, *counts)

    report_phase(phase, *counts)
    with event.install_listener("numba:compile", Compilation()):
        yield


def begins_with_models() -> bool:
    """Return whether this process should compile what models need before what the simulation needs.

    That is so in every other process: of two that start at once, each then finds half of the machine code kept.
    """
    return os.getpid() % 2 == 1
