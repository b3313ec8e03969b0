"""Batch experiments that take hours to days, each run a set of ACID commits into Delta tables.

A lake is a folder, or a prefix on S3, that holds all runs; to read them all as one dataset is one call::

    import lakebatch

    lake = lakebatch.open_lake("lake")
    lakebatch.run(lake, "response-noise", preset="demo")  # one more replicate
    noise = lake["response-noise"]
    noise.reassemble()  # all completed runs as one frame; version=8 or tag="paper" is a past state
    noise.plot("levels").save("levels.pdf")
    noise.report().save("report.html")
    lake.sql("SELECT level, avg(r2) AS r2 FROM lake.results GROUP BY level")

=============  ==========================================================
function       what it does
=============  ==========================================================
`open_lake`    opens a lake; nothing is created before the first run
`run`          runs an experiment: one assembly, replicates, or a sweep
`resume`       computes what is missing after an interruption
`verify`       runs an assembly again and compares row by row
`check`        checks the contract of an experiment of your own
=============  ==========================================================

Then see ``help(lakebatch.Lake)``, ``help(lakebatch.StoredExperiment)`` and, in a terminal, ``lakebatch help python``.
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
    from lakebatch import errors as errors
    from lakebatch import experiment as experiment
    from lakebatch.lake.experiment import StoredExperiment as StoredExperiment
    from lakebatch.lake.lake import Lake as Lake
    from lakebatch.lake.lake import open_lake as open_lake
    from lakebatch.legacy.importer import import_legacy as import_legacy
    from lakebatch.legacy.scripts.executor import create_batch_executor as create_batch_executor
    from lakebatch.session.runs import check as check
    from lakebatch.session.runs import resume as resume
    from lakebatch.session.runs import run as run
    from lakebatch.session.runs import verify as verify

HOME = {
    "Lake": "lakebatch.lake.lake",
    "StoredExperiment": "lakebatch.lake.experiment",
    "check": "lakebatch.session.runs",
    "create_batch_executor": "lakebatch.legacy.scripts.executor",
    "import_legacy": "lakebatch.legacy.importer",
    "open_lake": "lakebatch.lake.lake",
    "resume": "lakebatch.session.runs",
    "run": "lakebatch.session.runs",
    "verify": "lakebatch.session.runs",
}
"""The module of each public name; it is imported when the name is first used, so that ``--help`` is quick."""

__all__ = [
    "Lake",
    "StoredExperiment",
    "__version__",
    "check",
    "create_batch_executor",
    "import_legacy",
    "open_lake",
    "resume",
    "run",
    "verify",
]


MODULES = ("errors", "experiment")
"""The public modules."""


def __getattr__(name: str) -> Any:
    if name in MODULES:
        return import_module(f"lakebatch.{name}")
    if name not in HOME:
        raise AttributeError(f"module 'lakebatch' has no attribute {name!r}")
    return getattr(import_module(HOME[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, *MODULES])


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
