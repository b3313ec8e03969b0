"""Batch experiments as ACID commits into Delta tables, so that re-assembly is a read.

>>> import lakebatch
>>> "response-noise" in lakebatch.open_lake("no-such-lake")
False
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import TYPE_CHECKING, Any

from lakebatch._version import __version__ as __version__

if TYPE_CHECKING:
    from lakebatch.lake.experiment import StoredExperiment as StoredExperiment
    from lakebatch.lake.lake import Lake as Lake
    from lakebatch.lake.lake import open_lake as open_lake
    from lakebatch.legacy.importer import import_legacy as import_legacy
    from lakebatch.legacy.scripts.executor import create_batch_executor as create_batch_executor
    from lakebatch.runner.entry import resume as resume
    from lakebatch.runner.entry import run as run
    from lakebatch.runner.verify import verify as verify

HOME = {
    "Lake": "lakebatch.lake.lake",
    "StoredExperiment": "lakebatch.lake.experiment",
    "create_batch_executor": "lakebatch.legacy.scripts.executor",
    "import_legacy": "lakebatch.legacy.importer",
    "open_lake": "lakebatch.lake.lake",
    "resume": "lakebatch.runner.entry",
    "run": "lakebatch.runner.entry",
    "verify": "lakebatch.runner.verify",
}
"""The module of each public name; it is imported when the name is first used, so that ``--help`` is quick."""

__all__ = [
    "Lake",
    "StoredExperiment",
    "__version__",
    "create_batch_executor",
    "import_legacy",
    "open_lake",
    "resume",
    "run",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name not in HOME:
        raise AttributeError(f"module 'lakebatch' has no attribute {name!r}")
    return getattr(import_module(HOME[name]), name)


def __dir__() -> list[str]:
    return __all__


class SourceTreeFinder:
    """Finds the packages that the source tree keeps beside lakebatch/ and that an installation holds inside."""

    BESIDE = ("lakebatch.experiments", "lakebatch.queries", "lakebatch.schemas")

    @classmethod
    def find_spec(
        cls, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return where a package beside lakebatch/ lies; None for every other module."""
        if name not in cls.BESIDE or path is None:
            return None
        return PathFinder.find_spec(name, [os.path.dirname(folder) for folder in path])


if not os.path.isdir(os.path.join(__path__[0], "experiments")):  # the source tree, not an installation
    # first, since an editable installation may name the packages of another source tree
    sys.meta_path.insert(0, SourceTreeFinder)
