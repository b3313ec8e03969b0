"""Provenance of an assembly: source files, commit, packages, machine."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lakebatch import _process as process
from lakebatch._version import __version__
from lakebatch.experiment import installed

COMPUTING = ("antimony", "libroadrunner", "llvmlite", "numba", "numpy", "polars", "scikit-learn", "scipy")
"""Packages that rows depend on, beside those that the experiment's source imports."""
STORING = ("deltalake", "duckdb", "joblib", "pyarrow")
"""Other recorded packages: they store, read or distribute rows, and change none."""
SOURCE_HASH = "source_hash"
"""Key of an environment for the hash of the experiment's source."""
SOURCES = (".py", ".ant", ".toml")
MAX_TEXT_BYTES = 4_000_000
"""Upper bound of the source text of one experiment that is kept; later files are kept as hashes alone."""
GIT_SECONDS = 10
COMMIT_CHARACTERS = 12
IMPORT = re.compile(
    rb"^[ \t]*(?:from[ \t]+(\w+)[\w.]*[ \t]+import\b|import[ \t]+(\w[\w.]*(?:[ \t]*,[ \t]*\w[\w.]*)*))",
    re.MULTILINE,
)
# Modules of every experiment that change no row
NEUTRAL = {"lakebatch", "pydantic", "threadpoolctl"}
# Packages of modules with another name, which Python looks up slowly
PACKAGE_OF = {"roadrunner": "libroadrunner", "sklearn": "scikit-learn"}


@dataclass(frozen=True)
class SourceFile:
    """One file of an experiment's source.

    Attributes
    ----------
    file : str
        Path from the folder of the experiment's file, with slashes.
    text : str or None
        Content; None if the files are too large to keep. Bytes that are not UTF-8 are written as escapes.
    """

    file: str
    sha256: str
    bytes: int
    text: str | None


@dataclass(frozen=True)
class SourceState:
    """The files of an experiment's source at one moment.

    Attributes
    ----------
    sha256 : str
        The hash of all files, see `source_hash`.
    imported : tuple of str
        The top-level modules that the files import.
    """

    sha256: str
    files: tuple[SourceFile, ...]
    imported: tuple[str, ...]


def read_source(source: Path) -> SourceState:
    """Return an experiment's file and every source file in the folders beside it, each read once."""
    digest, files, kept, imported = hashlib.sha256(), [], 0, set()
    for name, content in _contents(source):
        _add(digest, name, content)
        kept += len(content)
        text = content.decode(errors="backslashreplace") if kept <= MAX_TEXT_BYTES else None
        files.append(SourceFile(name, hashlib.sha256(content).hexdigest(), len(content), text))
        if name.endswith(".py"):
            imported |= _imports(content)
    return SourceState(digest.hexdigest(), tuple(files), tuple(sorted(imported)))


def source_hash(source: Path) -> str:
    """Return the SHA-256 of an experiment's file and every source file in the folders beside it."""
    digest = hashlib.sha256()
    for name, content in _contents(source):
        _add(digest, name, content)
    return digest.hexdigest()


def state_of_text(name: str, text: str) -> SourceState:
    """Return the source that one file with a text would be."""
    content, digest = text.encode(), hashlib.sha256()
    _add(digest, name, content)
    file = SourceFile(name, hashlib.sha256(content).hexdigest(), len(content), text)
    return SourceState(digest.hexdigest(), (file,), tuple(sorted(_imports(content))))


def environment(
    source: Path | None, experiment_version: str, state: SourceState | None = None
) -> dict[str, Any]:
    """Return what results depend on apart from the config: Python, platform, packages, the experiment's source.

    It never includes environment variables, which can hold secrets.

    Parameters
    ----------
    source : Path, optional
        The experiment's file; an experiment without one needs its ``state``.
    state : SourceState, optional
        The source as it was read before; by default it is read now.
    """
    known = state
    if known is None:
        assert source is not None
        known = read_source(source)
    return {
        "lakebatch": __version__,
        "experiment_version": experiment_version,
        SOURCE_HASH: known.sha256,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "packages": _packages(_foreign(known.imported, None if source is None else source.parent)),
        "process_started": process.start_token(os.getpid()),
        "namespace": process.namespace(),
    }


def row_versions(environment: Mapping[str, Any]) -> dict[str, str]:
    """Return the versions in an environment that rows depend on: source hash, minor version of Python, packages.

    Other packages in it store or distribute rows, and lakebatch computes the same rows in all of its versions.

    >>> row_versions({"python": "3.11.2", "packages": {"numpy": "2.1.0", "duckdb": "1.4.0"}, "cpus": 2})
    {'python': '3.11', 'numpy': '2.1.0'}
    """
    known = {}
    if SOURCE_HASH in environment:
        known[SOURCE_HASH] = str(environment[SOURCE_HASH])
    if "python" in environment:
        known["python"] = ".".join(str(environment["python"]).split(".")[:2])
    packages = environment.get("packages", {})
    return known | {name: str(packages[name]) for name in sorted(packages) if name not in STORING}


def commit(source: Path) -> str | None:
    """Return the commit of the git repository that tracks an experiment's file; None if none does.

    ``1a2b3c4d5e6f`` or, with uncommitted changes, ``1a2b3c4d5e6f.dirty``.
    """
    found = _git(source.parent, "rev-parse", "HEAD")
    if found is None or _git(source.parent, "ls-files", "--error-unmatch", source.name) is None:
        return None
    changes = _git(source.parent, "status", "--porcelain", "--untracked-files=no")
    return f"{found[:COMMIT_CHARACTERS]}{'.dirty' if changes else ''}"


def _contents(source: Path) -> Iterator[tuple[str, bytes]]:
    beside = [path for path in source.parent.glob("*/**/*") if path.suffix in SOURCES and path.is_file()]
    for path in [source, *sorted(beside)]:
        yield path.relative_to(source.parent).as_posix(), path.read_bytes()


def _imports(content: bytes) -> set[str]:
    """Return the top-level modules that a file of Python imports, also inside of functions.

    >>> sorted(_imports(b"import scipy.stats, torch as t\\nfrom numpy.linalg import norm\\nfrom each cohort"))
    ['numpy', 'scipy', 'torch']
    """
    named = [each for one, several in IMPORT.findall(content) for each in (one or several).split(b",")]
    return {each.strip().partition(b".")[0].decode() for each in named}


def _add(digest: Any, name: str, content: bytes) -> None:
    digest.update(name.encode() + b"\0" + content + b"\0")


def _foreign(imported: Iterable[str], folder: Path | None) -> list[str]:
    """Return the imported modules that are neither of Python, nor of lakebatch, nor in the folder."""
    beside = set() if folder is None else {path.stem for path in folder.iterdir()}
    known = beside | sys.stdlib_module_names | NEUTRAL
    return [each for each in imported if each not in known and _is_installed(each)]


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ValueError:  # a module without a specification, such as __main__
        return False


def _packages(imported: Iterable[str]) -> dict[str, str]:
    """Return the versions of the recorded packages that are installed, by name."""
    names = {*STORING, *COMPUTING, *(package for module in imported for package in _distributions(module))}
    return {name: version for name in sorted(names) if (version := installed.version(name))}


def _distributions(module: str) -> list[str]:
    """Return the packages that an installed top-level module is from."""
    if module in PACKAGE_OF:
        return [PACKAGE_OF[module]]
    if installed.version(module):
        return [metadata.distribution(module).name]
    return list(dict.fromkeys(installed.packages_by_module().get(module, [])))


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
