"""Experiments given as classes: their source, and the bytes that carry them to worker processes."""

from __future__ import annotations

import hashlib
import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from lakebatch.errors import ConfigError
from lakebatch.experiment.provenance import SourceState, state_of_text

_classes: dict[str, tuple[type, SourceState]] = {}
# class and source of each payload of this process, by its SHA-256


def check_class(kind: Any) -> None:
    """Raise if a value is no class of an experiment with a name.

    Raises
    ------
    ConfigError
        If it is not.
    """
    from lakebatch.experiment.contract import Experiment

    if not (inspect.isclass(kind) and issubclass(kind, Experiment)):
        raise ConfigError(f"{kind!r} is no experiment. Expected its name, or a subclass of Experiment.")
    if not isinstance(getattr(kind, "name", None), str):
        raise ConfigError(f"{kind.__name__} lacks name. Set it on the class.")


def is_of(kind: type, module: str, file: Path | None) -> bool:
    """Whether a class is that of a file of experiments, or of an installed module."""
    if file is None:
        return kind.__module__ == module
    own = getattr(sys.modules.get(kind.__module__), "__file__", None)
    return own is not None and Path(own).resolve() == file


def pack(kind: type, name: str) -> bytes:
    """Return the bytes from which `unpack` makes a class in another process, with its source.

    Raises
    ------
    ConfigError
        If its source cannot be had, or it refers to an object that cannot be sent to another process.
    """
    # imported here, since commands that only read do without
    import cloudpickle

    from lakebatch.experiment import written

    state = state_of_text(f"{name.replace('-', '_')}.py", written.source_text(kind))
    try:
        with _by_value(kind.__module__):
            payload = cloudpickle.dumps((kind, state))
    except Exception as error:  # any object may refuse
        raise ConfigError(
            f"The class {kind.__name__} cannot be sent to worker processes: {' '.join(str(error).split())}. "
            "Create such an object within prepare() or run()."
        ) from error
    _classes[_digest(payload)] = kind, state
    return bytes(payload)


def unpack(payload: bytes) -> tuple[type, SourceState]:
    """Return the class of some bytes, and its source; the same class every time."""
    digest = _digest(payload)
    if digest not in _classes:
        import cloudpickle  # as above

        _classes[digest] = cloudpickle.loads(payload)
    return _classes[digest]


def written_module(kind: type) -> str:
    """Return where a class was written, for people: this notebook or script, or a module."""
    if kind.__module__ != "__main__":
        return f"module {kind.__module__}"
    return "this script" if hasattr(sys.modules["__main__"], "__file__") else "this notebook"


@cache
def _digest(payload: bytes) -> str:
    return hashlib.sha256(payload).hexdigest()


@contextmanager
def _by_value(module_name: str) -> Iterator[None]:
    """Pickle the classes of a package with their code, since a worker may not find it, or find another one."""
    home = module_name.partition(".")[0]
    home = home if home in sys.modules else module_name
    import cloudpickle  # as above

    module: Any = sys.modules.get(home)
    if home == "__main__" or module is None or home in cloudpickle.list_registry_pickle_by_value():
        yield
        return
    cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        cloudpickle.unregister_pickle_by_value(module)
