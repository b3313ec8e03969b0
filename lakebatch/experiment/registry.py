"""Experiments by name: built in, in ``./experiments``, or from an installed package."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

from lakebatch._text import nearest
from lakebatch.errors import ConfigError, ExperimentError, LakebatchError, NameClashError, UnknownNameError
from lakebatch.experiment import foreign, given, installed, outline
from lakebatch.experiment.foreign import Foreign
from lakebatch.experiment.provenance import source_hash
from lakebatch.experiment.uncached import load_file, unload
from lakebatch.ids import NAME, NUMBER, VERSION, ExperimentName
from lakebatch.settings import in_project, is_source_tree, project_folder

if TYPE_CHECKING:  # at run time only in load(), so that reading commands do not import pydantic
    from lakebatch.experiment.contract import Experiment

GROUP = "lakebatch.experiments"
BUILT_IN = "lakebatch.experiments"
FOLDER = "experiments"
SCHEMAS = "schemas"

AnyExperiment: TypeAlias = "Experiment[Any, Any]"
_loaded: dict[str, str] = {}
# source hash of each experiment's module when this process loaded it
_loading = threading.RLock()
# held while a module is loaded, which another thread would find without its classes
_given: dict[str, Source] = {}
# experiments that were given as classes to this process, by name; a later class replaces an earlier one


@dataclass(frozen=True)
class Source:
    """Origin of an experiment, from which a worker process can load it.

    Attributes
    ----------
    schemas : Path, optional
        The folder of files that declare columns and tables of the project's experiments.
    payload : bytes
        The class itself, for one that was given, see `lakebatch.experiment.given`.
    """

    name: str
    origin: str
    module: str
    file: Path | None = None
    schemas: Path | None = None
    payload: bytes = field(default=b"", repr=False)


@dataclass
class Files:
    """Files in the folders of experiments: experiments, other modules by file name, and unusable files."""

    experiments: list[Source] = field(default_factory=list)
    modules: dict[str, Source] = field(default_factory=dict)
    left_out: list[Foreign] = field(default_factory=list)

    def warn(self) -> None:
        """Warn of the files that are not used."""
        others = [Foreign(name, "no Experiment", "") for name in self.modules]
        foreign.warn(FOLDER, sorted([*self.left_out, *others], key=lambda each: each.name))

    def other(self, name: str) -> Source | None:
        """Return the module of a name, which may define an experiment after all; raise if its file is unusable."""
        foreign.check_not_left_out(name, self.left_out)
        return next((each for each in self.modules.values() if each.name == name), None)


def find() -> dict[str, Source]:
    """Return the source of every experiment by name, without loading any; warn of other files.

    Raises
    ------
    NameClashError
        If two sources claim one name.
    """
    files = _files()
    files.warn()
    return _known(files)


def get(name: str | type[AnyExperiment]) -> Source:
    """Return the source of an experiment: NAME, or NAME@v1 if that is the experiment version of the code; or a class.

    A class is known by its name from then on, in this process.

    Raises
    ------
    UnknownNameError
        If there is none.
    ConfigError
        If the file of that name cannot be used, or has another experiment version; or the class cannot be used.
    """
    if not isinstance(name, str):
        return _give(name)
    asked = ExperimentName.parse(name)
    source = _get(asked.name)
    if asked.version is not None:
        _check_version(asked, load(source), source)
    return source


def _give(kind: type[AnyExperiment]) -> Source:
    """Return the source of a class, which is that of its file if it was loaded from the folder of experiments."""
    given.check_class(kind)
    _given.pop(kind.name, None)
    named = _known(_files()).get(kind.name)
    if named and given.is_of(kind, named.module, named.file):
        return named
    source = Source(
        kind.name,
        f"the class {kind.__name__} of {given.written_module(kind)}",
        kind.__module__,
        payload=given.pack(kind, kind.name),
    )
    _check(kind, source)
    if named:
        _refuse_clash(named, source)
    _given[kind.name] = source
    return source


def _get(name: str) -> Source:
    files = _files()
    known = _known(files)
    if name not in known:
        return files.other(name) or _unknown(name, files, known)
    files.warn()
    return known[name]


def _check_version(asked: ExperimentName, experiment: AnyExperiment, source: Source) -> None:
    """Refuse an experiment version, or the number of a folder, that the code does not have."""
    here = ExperimentName(experiment.name, experiment.version, experiment.number)
    if not asked.includes(here):
        raise ConfigError(
            f"{asked} cannot be computed: the code ({source.origin}) has experiment version {here.version}, "
            f"number {here.number}. Put the other code back, or leave the experiment version out: {here.name}."
        )


def _unknown(name: str, files: Files, known: Iterable[str]) -> NoReturn:
    files.warn()
    raise UnknownNameError(f"Unknown experiment {name!r}. {nearest(name, known)}")


def _known(files: Files) -> dict[str, Source]:
    found: dict[str, Source] = {}
    for source in [*files.experiments, *_entry_points(), *_given.values()]:
        if source.name in found:
            _refuse_clash(found[source.name], source)
        found[source.name] = source
    return dict(sorted(found.items()))


def _refuse_clash(one: Source, other: Source) -> NoReturn:
    raise NameClashError(
        f"Two experiments are called {one.name!r}: {one.origin} and {other.origin}. Rename one of them."
    )


def load(source: Source) -> AnyExperiment:
    """Return the experiment of a source.

    Raises
    ------
    ConfigError
        If the file does not define exactly one experiment with the expected name.
    """
    from lakebatch.experiment.contract import Experiment

    if source.payload:
        return _declared(given.unpack(source.payload)[0](), source)
    module = _loaded_module(source)
    classes = [
        value
        for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, Experiment) and value.__module__ == module.__name__
    ]
    if len(classes) != 1:
        names = ", ".join(each.__name__ for each in classes) or "none"
        raise ConfigError(f"{source.origin} must define one subclass of Experiment. Found: {names}.")
    _check(classes[0], source)
    return _declared(classes[0](), source)


def _declared(experiment: AnyExperiment, source: Source) -> AnyExperiment:
    """Return an experiment with checked declarations."""
    from lakebatch.experiment import declarations

    try:
        declarations.complete(experiment, source.schemas)
    except ExperimentError as error:
        raise ExperimentError(f"{type(experiment).__name__} in {source.origin}: {error}") from error
    return experiment


def source_file(experiment: AnyExperiment) -> Path:
    """Return the file that defines an experiment."""
    return Path(inspect.getfile(type(experiment)))


def numbers() -> set[int]:
    """Return the numbers of all experiments; those of the working directory are read without loading them."""
    found = _files().experiments
    own = [outline.number(each.file.read_bytes()) for each in found if each.file]
    others = [int(load(each).number) for each in [*found, *_entry_points()] if each.file is None]
    return {*others, *(each for each in own if each is not None)}


def _files() -> Files:
    """Return the files of the built-in experiments and of the working directory."""
    found = Files()
    package = importlib.util.find_spec(BUILT_IN)
    for folder in map(Path, package.submodule_search_locations or []) if package else ():
        _scan_folder(folder, found, lambda file, name: Source(name, "built in", f"{BUILT_IN}.{file.stem}"))
    if not is_source_tree(project_folder()):  # there they are the built-in ones
        _scan_folder(in_project(FOLDER), found, _own)
    return found


def _own(file: Path, name: str) -> Source:
    target = Path(os.path.realpath(file))  # Path.resolve fails at a link to itself
    schemas = Path(os.path.abspath(in_project(SCHEMAS)))
    return Source(name, f"{FOLDER}/{file.name}", f"_{FOLDER}_{file.stem}", target, schemas)


def _scan_folder(folder: Path, found: Files, source: Callable[[Path, str], Source]) -> None:
    def read(file: Path) -> tuple[str, Source, bool]:
        name = foreign.name_of(file, "experiment")
        return file.name, source(file, name), _looks_like_an_experiment(foreign.content(file))

    for file_name, each, looks in foreign.read_each(folder, ".py", read, found.left_out):
        if looks:
            found.experiments.append(each)
        else:
            found.modules[file_name] = each


def _looks_like_an_experiment(text: bytes) -> bool:
    try:
        return any(map(outline.is_experiment, outline.classes(text)))
    except SyntaxError:
        return b"Experiment" in text


def _entry_points() -> list[Source]:
    found = []
    for point in installed.entry_points(GROUP):
        origin = f"package {point.dist.name if point.dist else '?'}"
        if NAME.fullmatch(point.name):
            found.append(Source(point.name, origin, point.module))
        else:
            warnings.warn(
                f"Left out of {origin}: {point.name!r}, which is not the name of an experiment.", stacklevel=1
            )
    return found


def loaded_hash(source: Source) -> str | None:
    """Return the SHA-256 of an experiment's source that this process has loaded; None if it has not."""
    if source.payload:
        return given.unpack(source.payload)[1].sha256
    return _loaded.get(source.module)


def is_stale(source: Source) -> bool:
    """Whether the file of an experiment, or one in a folder beside it, has changed since this process loaded it."""
    if source.payload:
        return False
    module = _module(source)
    return _loaded[source.module] != source_hash(Path(str(module.__file__)))


def _loaded_module(source: Source) -> ModuleType:
    """Return the module of an experiment; a file without classes, such as a script, is refused without running it."""
    try:
        if source.file is not None and not outline.classes(source.file.read_bytes()):
            raise ConfigError(f"{source.origin} must define one subclass of Experiment. Found: none.")
        return _module(source)
    except ExperimentError as error:
        raise ExperimentError(f"{source.origin}: {error}") from error
    except LakebatchError:
        raise
    except (ImportError, SyntaxError, OSError, SystemExit) as error:
        ends = "it ends the program" if isinstance(error, SystemExit) else ""
        what = ends or " ".join(str(error).split()) or type(error).__name__
        raise ConfigError(
            f"Cannot load {source.origin}: {what}. Mend it, or install what it needs."
        ) from error


def _module(source: Source) -> ModuleType:
    with _loading:
        return _current_module(source)


def _current_module(source: Source) -> ModuleType:
    """Return the module of an experiment as its file is now."""
    if source.file is None:
        module = importlib.import_module(source.module)
        if source.module not in _loaded:
            _loaded[source.module] = source_hash(Path(str(module.__file__)))
        return module
    loaded, found = sys.modules.get(source.module), source_hash(source.file)
    if loaded is not None and loaded.__file__ == str(source.file) and _loaded.get(source.module) == found:
        return loaded
    if loaded is not None:
        unload(source.file.parent)
    _loaded[source.module] = found
    return load_file(source.module, source.file)


def _check(kind: type[AnyExperiment], source: Source) -> None:
    from lakebatch.experiment.contract import ConfigModel

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
