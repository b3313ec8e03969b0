"""Finds an experiment by name: built in, in ``./experiments``, or brought by an installed package."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeAlias

from lakebatch.errors import ConfigError, NameClashError, UnknownNameError
from lakebatch.hints import nearest
from lakebatch.ids import NUMBER, VERSION, check_name
from lakebatch.provenance import source_hash

if TYPE_CHECKING:  # at run time only where one is loaded: whoever reads does without pydantic
    from lakebatch.experiment import Experiment

GROUP = "lakebatch.experiments"
BUILT_IN = "lakebatch.experiments"
FOLDER = "experiments"

AnyExperiment: TypeAlias = "Experiment[Any, Any]"
_loaded: dict[str, str] = {}
"""What the source of each experiment's module was, as a hash, when this process loaded it."""


@dataclass(frozen=True)
class Source:
    """Where an experiment comes from; enough for a worker process to load it."""

    name: str
    origin: str
    module: str
    file: Path | None = None


def find() -> dict[str, Source]:
    """Return the source of every experiment by name, without loading any.

    Raises
    ------
    NameClashError
        If two sources claim one name.
    """
    found: dict[str, Source] = {}
    for source in [*_built_in(), *_in_working_directory(Path.cwd()), *_entry_points()]:
        if source.name in found:
            raise NameClashError(
                f"Two experiments are called {source.name!r}: {found[source.name].origin} and {source.origin}. "
                "Rename one of them."
            )
        found[source.name] = source
    return dict(sorted(found.items()))


def get(name: str) -> Source:
    """Return the source of an experiment by name."""
    sources = find()
    if name not in sources:
        raise UnknownNameError(f"Unknown experiment {name!r}. {nearest(name, sources)}")
    return sources[name]


def load(source: Source) -> AnyExperiment:
    """Return the experiment that a source defines.

    Raises
    ------
    ConfigError
        If the file does not define exactly one experiment, or one under another name.
    """
    from lakebatch.experiment import Experiment

    module = _module(source)
    classes = [
        value
        for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, Experiment) and value.__module__ == module.__name__
    ]
    if len(classes) != 1:
        names = ", ".join(each.__name__ for each in classes) or "none"
        raise ConfigError(f"{source.origin} must define one subclass of Experiment. Found: {names}.")
    _check(classes[0], source)
    return classes[0]()


def source_file(experiment: AnyExperiment) -> Path:
    """Return the file that defines an experiment."""
    return Path(inspect.getfile(type(experiment)))


def _built_in() -> list[Source]:
    package = importlib.util.find_spec(BUILT_IN)
    folders = list(package.submodule_search_locations or []) if package else []
    return [
        Source(_name(file), "built in", f"{BUILT_IN}.{file.stem}")
        for folder in folders
        for file in _files(Path(folder))
    ]


def _in_working_directory(directory: Path) -> list[Source]:
    folder = directory / FOLDER
    if (directory / "lakebatch" / "registry.py").is_file():  # the source tree of lakebatch: built in already
        return []
    return [
        Source(_name(file), f"{FOLDER}/{file.name}", f"_{FOLDER}_{file.stem}", file.resolve())
        for file in _files(folder)
    ]


def _entry_points() -> list[Source]:
    return [
        Source(check_name(point.name), f"package {point.dist.name if point.dist else '?'}", point.module)
        for point in metadata.entry_points(group=GROUP)
    ]


def _files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.glob("*.py") if not file.name.startswith("_"))


def _name(file: Path) -> str:
    return check_name(file.stem.replace("_", "-"), f"experiment file name ({file})")


def is_stale(source: Source) -> bool:
    """Whether the file of an experiment, or one in a folder beside it, has changed since this process loaded it."""
    module = _module(source)
    return _loaded[source.module] != source_hash(Path(str(module.__file__)))


def _module(source: Source) -> ModuleType:
    if source.file is None:
        module = importlib.import_module(source.module)
        if source.module not in _loaded:
            _loaded[source.module] = source_hash(Path(str(module.__file__)))
        return module
    loaded, found = sys.modules.get(source.module), source_hash(source.file)
    if loaded is not None and loaded.__file__ == str(source.file) and _loaded.get(source.module) == found:
        return loaded
    if loaded is not None:
        _forget(source.file.parent)
    _loaded[source.module] = found
    loader = _AsItIs(source.module, str(source.file))
    spec = importlib.util.spec_from_file_location(source.module, source.file, loader=loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[source.module] = module
    try:
        loader.exec_module(module)
    except BaseException:
        del sys.modules[source.module]
        raise
    return module


class _AsItIs(SourceFileLoader):
    """Loads a file as it is now: what Python keeps compiled passes for that of a later one of equal size and second."""

    def path_stats(
        self, path: str
    ) -> Mapping[str, Any]:  # without which no compiled code is looked for or kept
        raise OSError


def _forget(folder: Path) -> None:
    """Have what was loaded from a folder of experiments loaded anew, as a notebook expects after a change."""
    beneath = f"{folder}{os.sep}"
    for name, module in list(sys.modules.items()):
        if (getattr(module, "__file__", None) or "").startswith(beneath):
            del sys.modules[name]
            Path(importlib.util.cache_from_source(str(module.__file__))).unlink(missing_ok=True)


def _check(kind: type[AnyExperiment], source: Source) -> None:
    from lakebatch.experiment import ConfigModel

    missing = [name for name in ("name", "number", "version", "config_model") if not hasattr(kind, name)]
    if missing:
        raise ConfigError(
            f"{kind.__name__} in {source.origin} lacks {', '.join(missing)}. Set them on the class."
        )
    if kind.name != source.name:
        raise ConfigError(
            f"{kind.__name__} in {source.origin} is called {kind.name!r}. Expected {source.name!r}, after its file."
        )
    if not NUMBER.fullmatch(kind.number):
        raise ConfigError(
            f"{kind.__name__}.number is {kind.number!r}. Expected two digits or more, e.g. '04'."
        )
    if not VERSION.fullmatch(kind.version):
        raise ConfigError(f"{kind.__name__}.version is {kind.version!r}. Expected e.g. 'v1'.")
    if not issubclass(kind.config_model, ConfigModel):
        raise ConfigError(f"{kind.__name__}.config_model must be a subclass of ConfigModel.")
