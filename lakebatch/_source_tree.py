"""Import of the packages that the source tree keeps beside lakebatch/ and that an installation holds inside."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

BESIDE = ("lakebatch.experiments", "lakebatch.queries", "lakebatch.schemas")


class SourceTreeFinder:
    """Finds those packages in the folder that holds lakebatch/."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return where a package beside lakebatch/ lies; None for every other module."""
        if name not in BESIDE or path is None:
            return None
        return PathFinder.find_spec(name, [os.path.dirname(folder) for folder in path])


def register() -> None:
    """Have Python look there first: an editable installation may name the packages of another source tree."""
    if SourceTreeFinder not in sys.meta_path:
        sys.meta_path.insert(0, SourceTreeFinder)
