"""Loading of a file of experiments again after a change."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Mapping
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any


class UncachedLoader(SourceFileLoader):
    """Loads a file without Python's bytecode cache, which misses a change of equal size within a second."""

    def path_stats(self, path: str) -> Mapping[str, Any]:
        """Raise, as for a file without a time of change."""
        raise OSError  # then Python neither reads nor writes bytecode


def load_file(name: str, file: Path) -> ModuleType:
    """Load a file as a module of a name, which is not kept if that fails."""
    loader = UncachedLoader(name, str(file))
    spec = importlib.util.spec_from_file_location(name, file, loader=loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def unload(folder: Path) -> None:
    """Unload the modules of a folder of experiments, so that a notebook sees a change."""
    beneath = f"{folder}{os.sep}"
    for name, module in list(sys.modules.items()):
        if (getattr(module, "__file__", None) or "").startswith(beneath):
            del sys.modules[name]
            Path(importlib.util.cache_from_source(str(module.__file__))).unlink(missing_ok=True)
