"""The contract that an experiment fulfils, and the pieces it is written with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeAlias, TypeVar

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo

from lakebatch.errors import ConfigError, ExperimentError

Frames: TypeAlias = Mapping[str, pl.DataFrame] | Iterable[Mapping[str, pl.DataFrame]]
"""What a part yields: frames by table name, at once or piece by piece."""
Spread: TypeAlias = Callable[[Callable[[Any], Any], Sequence[Any]], Sequence[Any]]
"""Calls a function with each of some values, all over a cluster, and returns what it returned in their order."""


IMPORTS = "imports"
"""Key of the validation's context, which a config from a record has: the packages that may be imported, or None."""


class ConfigModel(BaseModel):
    """Base of every table of an experiment's config: immutable, and unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)


def setting(
    default: Any = ..., *, help: str, unit: str | None = None, file: bool = False, **constraints: Any
) -> Any:
    """Declare one key of a config: its default, what it means, its unit and its bounds.

    Without a default the key is required. With ``file`` a user may give ``file:PATH`` in place of the text of that
    file. ``constraints`` are pydantic's (``ge``, ``gt``, ``le``, ``lt``, ``min_length``, ...).
    """
    extra: Any = ({"unit": unit} if unit else {}) | ({"file": True} if file else {})
    return Field(default, description=help, json_schema_extra=extra or None, **constraints)


def may_import(info: ValidationInfo, path: str) -> bool:
    """Whether a validator is to import the object at a dotted path that a config names.

    Objects in a config of this user's own are imported. Those that a record names are not imported to read, and to
    compute only if their package is on the list of those that may be.

    Raises
    ------
    ConfigError
        If the record names another package.
    """
    if info.context is None:
        return True
    packages = info.context.get(IMPORTS)
    if packages is None:
        return False
    if not any(path.startswith(f"{package}.") for package in packages):
        raise ConfigError(
            f"the assembly's record names {path!r}, and code that a record names is not imported unless you say so. "
            f"If you trust it, set in lakebatch.toml: models = [{path.partition('.')[0]!r}]"
        )
    return True


@dataclass(frozen=True)
class Part:
    """One unit of work of an assembly: what is computed, committed and resumed as a whole.

    Attributes
    ----------
    key : str
        Unique in the assembly; stands in the ``part`` column of every row.
    values : mapping
        What distinguishes the part, e.g. ``{"level": 0.1}``.
    stream : str
        Names the part's random stream. Parts with the same stream draw the same numbers, so that the
        same noise can be shared by parts that split one level. Default: the key.
    """

    key: str
    values: Mapping[str, Any] = field(default_factory=dict)
    stream: str = ""

    def __post_init__(self) -> None:
        if not self.stream:
            object.__setattr__(self, "stream", self.key)


@dataclass(frozen=True)
class TimeAxis:
    """When the values of stored trajectories were taken.

    Attributes
    ----------
    times : tuple of float
        One time per value.
    unit : str
        Unit of the times.
    onsets : mapping
        When something sets in, such as a drug, by its name.
    """

    times: tuple[float, ...]
    unit: str
    onsets: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Node:
    """A node of a diagram.

    Attributes
    ----------
    layer : int
        Nodes of one layer stand in one column, from left to right.
    kind : str
        Nodes of one kind have one colour, e.g. ``"drug"``.
    """

    name: str
    layer: int
    kind: str = ""


@dataclass(frozen=True)
class Edge:
    """An edge of a diagram: one node acts on another, up or down."""

    source: str
    target: str
    up: bool = True


@dataclass(frozen=True)
class Diagram:
    """What an assembly simulates, as nodes and edges that can be drawn."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]


Config = TypeVar("Config", bound=ConfigModel)
Prepared = TypeVar("Prepared")


class Experiment(Generic[Config, Prepared]):
    """An experiment: a name, a number, a version, a config model and three functions.

    A subclass sets the class attributes and implements `parts` and `run` (`prepare` where its parts
    share something). It returns frames; it opens no table, no file and no terminal. Every random
    number comes from the generator it is handed, so that a result depends on config, seed and code
    alone.

    Attributes
    ----------
    name : str
        Lower-case words joined by ``-``; the file is named after it, with ``_``.
    number, version : str
        Order the experiments in a lake and tell incompatible ones apart, e.g. ``"03"`` and ``"v1"``.
    config_model : type
        The `ConfigModel` that its configs are checked against.
    tables : tuple of str
        The tables that its parts write, in the order in which they are written. Every part has rows
        in the last one, which is how it is known to be done.
    unit : str
        What a row of the last table stands for, in the plural, so that progress can be shown.
    presets : str, optional
        A package whose presets can be used, beside those in the folder of the experiment's file.
    """

    tables: ClassVar[tuple[str, ...]] = ("results",)
    unit: ClassVar[str] = "rows"
    presets: ClassVar[str | None] = None
    name: ClassVar[str]
    number: ClassVar[str]
    version: ClassVar[str]
    config_model: ClassVar[type[ConfigModel]]

    def parts(self, config: Config) -> list[Part]:
        """Return the parts of an assembly, in the order in which they are best started."""
        raise NotImplementedError

    def prepare(self, config: Config, rng: np.random.Generator) -> Prepared:
        """Return what all parts share; computed once in each worker process, the same in each."""
        return None  # type: ignore[return-value]

    def prepare_spread(self, config: Config, rng: np.random.Generator, spread: Spread) -> Prepared:
        """Return what `prepare` does, where the work can be spread over a cluster.

        A cluster computes it once and sends it to each worker; so it must be possible to pickle it, like what
        is spread.
        """
        return self.prepare(config, rng)

    def pieces(self, part: Part, config: Config) -> Sequence[Part]:
        """Return what a part can be cut into, so that a cluster has enough to hand out.

        What `run` yields for the pieces, one after the other, is what it yields for the part. Each piece has the
        part's random stream.
        """
        return (part,)

    def run(self, part: Part, prepared: Prepared, config: Config, rng: np.random.Generator) -> Frames:
        """Return the rows of one part as frames by table name, or yield them piece by piece.

        The columns ``assembly_id``, ``part`` and ``recorded_at`` are filled in by the caller.
        """
        raise NotImplementedError

    def dataset(
        self, tables: Mapping[str, pl.DataFrame], config: Config, *, level: float, feature_set: str
    ) -> tuple[pl.DataFrame, pl.Series]:
        """Return features and target, exactly as models were trained on them, from one assembly's stored rows.

        Parameters
        ----------
        tables : frames by table name
            The assembly's rows of this level and those that all levels share (``level`` NULL), of every
            table but the last.
        """
        raise ExperimentError(f"{self.name} does not say how to make a dataset. Implement dataset().")

    def time_axis(self, config: Config) -> TimeAxis:
        """Return when the values of stored trajectories were taken, so that they can be drawn."""
        raise ExperimentError(
            f"{self.name} does not say at which times its trajectories are. Implement time_axis()."
        )

    def diagram(self, config: Config, rng: np.random.Generator) -> Diagram:
        """Return what an assembly simulates as nodes and edges; the generator is the one that `prepare` gets."""
        raise ExperimentError(f"{self.name} has no diagram. Implement diagram().")

    def base_seed(self, config: Config) -> int:
        """Return the seed that, with the running number, makes the seed of an assembly."""
        return int(getattr(config, "seed", 0))

    def work(self, part: Part, config: Config) -> int:
        """Return how many rows the part will yield, so that progress can be shown."""
        return 1

    def known_gaps(self, config: Config) -> list[str]:
        """Return what the config leaves out although a complete dataset needs it, in words."""
        return []
