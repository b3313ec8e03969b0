"""Provenance of an assembly: code version, packages, machine."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

from lakebatch import _process as process
from lakebatch._version import __version__

PACKAGES = (
    "antimony", "deltalake", "duckdb", "joblib", "libroadrunner", "llvmlite", "numba", "numpy", "polars", "pyarrow",
    "scikit-learn", "scipy",
)  # fmt: skip
SOURCES = (".py", ".ant", ".toml")
GIT_SECONDS = 10


def code_version(source: Path) -> str:
    """Return the version of lakebatch and, if the experiment's source is in a git repository, its commit.

    ``0.1.0``, ``0.1.0+g1a2b3c4d5e6f`` or, with uncommitted changes, ``0.1.0+g1a2b3c4d5e6f.dirty``.
    """
    commit = _git(source.parent, "rev-parse", "HEAD")
    if commit is None:
        return __version__
    tracked = _git(source.parent, "ls-files", "--error-unmatch", source.name)
    if tracked is None:
        return __version__
    changes = _git(source.parent, "status", "--porcelain", "--untracked-files=no")
    return f"{__version__}+g{commit[:12]}{'.dirty' if changes else ''}"


def environment(source: Path, experiment_version: str) -> dict[str, Any]:
    """Return what results depend on apart from the config: Python, platform, packages, the experiment's source.

    It never includes environment variables, which can hold secrets.
    """
    return {
        "lakebatch": __version__,
        "experiment_version": experiment_version,
        "source_hash": source_hash(source),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "packages": {name: version for name in PACKAGES if (version := _version(name))},
        "process_started": process.start_token(os.getpid()),
        "namespace": process.namespace(),
    }


def source_hash(source: Path) -> str:
    """Return the SHA-256 of an experiment's file and every source file in the folders beside it."""
    digest = hashlib.sha256()
    beside = [path for path in source.parent.glob("*/**/*") if path.suffix in SOURCES and path.is_file()]
    for path in [source, *sorted(beside)]:
        digest.update(path.relative_to(source.parent).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _git(folder: Path, *arguments: str) -> str | None:
    """Return the output of git; None without git, without a repository, or after an error."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            timeout=GIT_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
