"""What is installed; looked up again once a folder of Python's path has changed, as after an installation."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from functools import lru_cache
from importlib import metadata

Folders = tuple[tuple[str, int], ...]
"""The folders of Python's path, each with the time of its last change in ns; 0 if there is none."""


def version(package: str) -> str | None:
    """Return the version of an installed package; None if it is not installed."""
    return _version(package, _folders())


def entry_points(group: str) -> tuple[metadata.EntryPoint, ...]:
    """Return what installed packages offer to a group."""
    return _entry_points(group, _folders())


def packages_by_module() -> Mapping[str, list[str]]:
    """Return the packages that each installed top-level module is from."""
    return _packages_by_module(_folders())


def _folders() -> Folders:
    return tuple((path, _changed(path)) for path in sys.path)


def _changed(path: str) -> int:
    try:
        return os.stat(path or os.curdir).st_mtime_ns
    except OSError:
        return 0


@lru_cache(256)
def _version(package: str, folders: Folders) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


@lru_cache(4)
def _entry_points(group: str, folders: Folders) -> tuple[metadata.EntryPoint, ...]:
    return tuple(metadata.entry_points(group=group))


@lru_cache(1)
def _packages_by_module(folders: Folders) -> Mapping[str, list[str]]:
    return metadata.packages_distributions()
