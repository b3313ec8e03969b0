"""Environments of the engines: made once by pip and npm, and kept in the cache folder of this user."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import host
import platformdirs

HERE = Path(__file__).parent
MADE = "made"
"""Empty file in an environment that is whole."""
LIMIT_SECONDS = 600


class NotToBeHadError(Exception):
    """An environment cannot be made here: without Node, or without the registries."""


def python(requirements: str = "requirements.txt") -> Path:
    """Return the interpreter of an environment with some packages, which is made where there is none."""
    return _made(_python, requirements) / "bin" / "python"


def node() -> Path:
    """Return a folder with the packages of npm, which are installed where they are missing."""
    return _made(_node, "package.json")


def _made(make: Callable[[Path, Path], None], listed: str) -> Path:
    folder = _make_once(make, HERE / listed)
    if isinstance(folder, NotToBeHadError):
        raise folder
    return folder


@cache
def _make_once(make: Callable[[Path, Path], None], listed: Path) -> Path | NotToBeHadError:
    """Return the folder of an environment, or why there is none: a second try would take as long as the first."""
    name = hashlib.sha256(f"{sys.version}{listed.read_text()}".encode()).hexdigest()[:12]
    folder = platformdirs.user_cache_path("lakebatch") / "interop" / f"{listed.stem}-{name}"
    with _locked(folder):
        if (folder / MADE).exists():
            return folder
        shutil.rmtree(folder, ignore_errors=True)
        try:
            make(folder, listed)
        except NotToBeHadError as error:
            return error
        (folder / MADE).touch()
    return folder


def _node(folder: Path, listed: Path) -> None:
    if not shutil.which("npm"):
        raise NotToBeHadError("there is no Node here")
    folder.mkdir(parents=True)
    shutil.copy(listed, folder)
    _call(["npm", "install", "--loglevel=error", "--ignore-scripts", "--prefix", str(folder)])


def _python(folder: Path, listed: Path) -> None:
    """Install with uv, which needs less time than pip."""
    _call([sys.executable, "-m", "venv", str(folder)])
    interpreter = str(folder / "bin" / "python")
    _call([interpreter, "-m", "pip", "install", "--quiet", "uv>=0.5"])
    install = [interpreter, "-m", "uv", "pip", "install", "--quiet", "--no-cache", "--python", interpreter]
    _call([*install, "--requirements", str(listed)])


def _call(command: list[str]) -> None:
    try:
        subprocess.run(
            command,
            check=True,
            env={**os.environ, **host.network},
            capture_output=True,
            text=True,
            timeout=LIMIT_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise NotToBeHadError(f"{command[0]} took more than {LIMIT_SECONDS} s") from None
    except subprocess.CalledProcessError as error:
        last = (error.stderr.strip().splitlines() or ["no message"])[-1]
        raise NotToBeHadError(f"{Path(command[0]).name}: {last}") from None


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Let one process make an environment at a time."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
