"""Environments of the engines: made once by pip and npm, and kept in the cache folder of this user."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
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
    text = (HERE / requirements).read_text()
    folder = _folder("python", f"{sys.version}{text}")
    with _locked(folder):
        if not (folder / MADE).exists():
            _make_python(folder, HERE / requirements)
    return folder / "bin" / "python"


def node() -> Path:
    """Return a folder with the packages of npm, which are installed where they are missing."""
    if not shutil.which("npm"):
        raise NotToBeHadError("no Node here")
    text = (HERE / "package.json").read_text()
    folder = _folder("node", text)
    with _locked(folder):
        if not (folder / MADE).exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            (folder / "package.json").write_text(text)
            _call(["npm", "install", "--silent", "--ignore-scripts", "--prefix", str(folder)])
            (folder / MADE).touch()
    return folder


def _make_python(folder: Path, requirements: Path) -> None:
    """Install with uv, which needs a fifth of pip's time."""
    shutil.rmtree(folder, ignore_errors=True)
    _call([sys.executable, "-m", "venv", str(folder)])
    interpreter = str(folder / "bin" / "python")
    _call([interpreter, "-m", "pip", "install", "--quiet", "uv>=0.5"])
    install = [interpreter, "-m", "uv", "pip", "install", "--quiet", "--no-cache", "--python", interpreter]
    _call([*install, "--requirements", str(requirements)])
    (folder / MADE).touch()


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


def _folder(kind: str, content: str) -> Path:
    name = hashlib.sha256(content.encode()).hexdigest()[:12]
    return platformdirs.user_cache_path("lakebatch") / "interop" / f"{kind}-{name}"


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Let one process make an environment at a time."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
