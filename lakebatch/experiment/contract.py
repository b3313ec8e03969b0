"""Contract of an experiment, and the classes that it is written with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeAlias, TypeVar

import numpy as np
import polars as pl
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    model_serializer,
)

from lakebatch.artifacts import Artifact
from lakebatch.columns import Column, OwnTable
from lakebatch.errors import ConfigError, ExperimentError
from lakebatch.experiment.guest import contained as contained

Rows: TypeAlias = pl.DataFrame | Sequence[Artifact]
"""Rows of one table: a frame or, for the table ``artifacts``, a list of `lakebatch.experiment.artifact`."""
Frames: TypeAlias = Mapping[str, pl.DataFrame] | Mapping[str, Rows] | Iterable[Mapping[str, Rows]]
"""Rows of a part: frames by table name, at once or one after the other."""
Spread: TypeAlias = Callable[[Callable[[Any], Any], Sequence[Any]], Sequence[Any]]
"""Calls a function with each value on the workers of a cluster, and returns the results in the same order."""


IMPORTS = "imports"
"""Key of the validation context of a config from a record: the packages that may be imported, or None."""


class ConfigModel(BaseModel):
    """Base of every table of an experiment's config: immutable, and unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)

    @model_serializer(mode="wrap")
    def _leave_out_later_defaults(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out keys that were added later and have their default, so that records stay as they were."""
        tree: dict[str, Any] = serialize(self)
        for name, field_ in type(self).model_fields.items():
            extra = field_.json_schema_extra
            if isinstance(extra, dict) and extra.get(LATER) and getattr(self, name) == field_.default:
                tree.pop(name, None)
        return tree


LATER = "later"
# mark of a key that older records do not have


def setting(
    default: Any = ...,
    *,
    help: str,
    unit: str | None = None,
    file: bool = False,
    later: bool = False,
    **constraints: Any,
) -> Any:
    """Declare one key of a config: default, meaning, unit and bounds.

    Without a default the key is required. With ``file`` a user may write ``file:PATH`` instead of the content of that
    file. With ``later``, for a key that is added to a config that has records, a record leaves it out where it has its
    default, so that it is the same config as before. ``constraints`` are pydantic's (``ge``, ``gt``, ``le``, ``lt``,
    ``min_length``, ...).
    """
    extra: Any = ({"unit": unit} if unit else {}) | ({"file": True} if file else {})
    extra |= {LATER: True} if later else {}
    return Field(default, description=help, json_schema_extra=extra or None, **constraints)


def may_import(info: ValidationInfo, path: str) -> bool:
    """Whether a validator may import the object at a dotted path in a config.

    Objects in the user's own config are imported. Those in a record are not imported for reading, and for computing
    only if their package is on the list of allowed ones.

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
    """One unit of work of an assembly, computed, committed and resumed as a whole.

    Attributes
    ----------
    key : str
        Unique in the assembly; stands in the ``part`` column of every row.
    values : mapping
        Values that distinguish the part, e.g. ``{"level": 0.1}``.
    stream : str
        Name of the part's random stream; the key by default. Parts with the same stream draw the same numbers, so
        that parts of one level can share their noise.
    """

    key: str
    values: Mapping[str, Any] = field(default_factory=dict)
    stream: str = ""

    def __post_init__(self) -> None:
        if not self.stream:
            object.__setattr__(self, "stream", self.key)


@dataclass(frozen=True)
class TimeAxis:
    """Times of the values of stored trajectories.

    Attributes
    ----------
    times : tuple of float
        One time per value.
    unit : str
        Unit of the times.
    onsets : mapping
        Times at which events such as drugs begin, by their names; several for what begins repeatedly.
    """

    times: tuple[float, ...]
    unit: str
    onsets: Mapping[str, float | Sequence[float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Node:
    """A node of a diagram.

    Attributes
    ----------
    layer : int
        Column of the node, from left to right.
    kind : str
        Nodes of one kind have the same colour, e.g. ``"drug"``.
    """

    name: str
    layer: int
    kind: str = ""


@dataclass(frozen=True)
class Edge:
    """An edge of a diagram: one node up- or down-regulates another."""

    source: str
    target: str
    up: bool = True


@dataclass(frozen=True)
class Diagram:
    """Network that an assembly simulates, as nodes and edges."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]


Config = TypeVar("Config", bound=ConfigModel)
Prepared = TypeVar("Prepared")


class Experiment(Generic[Config, Prepared]):
    """An experiment: a name, a number, an experiment version, a config model and three functions.

    A subclass sets the class attributes and implements `parts` and `run`, and `prepare` if its parts share data. It
    returns frames, and opens no table, no file and no terminal. It draws every random number from the given
    generator, so that a result depends only on config, seed and code.

    Attributes
    ----------
    name : str
        Lower-case words joined by ``-``; the file is named after it, with ``_``.
    number, version : str
        Order of the experiment in a lake, and experiment version, which tells incompatible rows apart: ``"03"``, ``"v1"``.
    config_model : type
        The `ConfigModel` that validates its configs.
    tables : tuple of str or OwnTable
        The tables that its parts write, in this order. Every part has rows in the last table, ``results``, which mark it
        as done. A table of its own is declared with `lakebatch.experiment.table`.
    columns : tuple of Column
        Its own columns of ``results``, declared with `lakebatch.experiment.column` and `lakebatch.experiment.metric`.
    metrics : tuple of str, optional
        The metrics by which its results are judged, the default first; own or built-in ones. Without it these are its
        own metrics or, if it declares none, the built-in ones.
    axis : str
        The column of ``results`` that its parts vary: the horizontal axis of plots.
    baseline : float or str, optional
        The value on the axis that everything is compared with; that of ``level`` is 0, another axis has none by default.
    groups : tuple of str
        The columns of ``results`` that tell apart what is compared, such as models.
    meanings : mapping
        The meaning of values of groups, by column and value, for reports: ``{"model": {"tree": "a decision tree"}}``.
    project_columns : tuple of Column
        The columns that ``schemas/results.toml`` of the project adds to those of results; set when it is loaded.
    unit : str
        Meaning of a row of the last table, in the plural, for the progress display.
    presets : str, optional
        A package whose presets can be used, in addition to those in the folder of the experiment's file.
    """

    tables: ClassVar[tuple[str | OwnTable, ...]] = ("results",)
    columns: ClassVar[tuple[Column, ...]] = ()
    metrics: ClassVar[tuple[str, ...]] = ()
    axis: ClassVar[str] = "level"
    baseline: ClassVar[float | str | None] = None
    groups: ClassVar[tuple[str, ...]] = ("feature_set", "model")
    meanings: ClassVar[Mapping[str, Mapping[str, str]]] = {}
    project_columns: ClassVar[tuple[Column, ...]] = ()
    unit: ClassVar[str] = "rows"
    presets: ClassVar[str | None] = None
    name: ClassVar[str]
    number: ClassVar[str]
    version: ClassVar[str]
    config_model: ClassVar[type[ConfigModel]]

    def parts(self, config: Config) -> list[Part]:
        """Return the parts of an assembly, in the best order to start them."""
        raise NotImplementedError

    def prepare(self, config: Config, rng: np.random.Generator) -> Prepared:
        """Return the data that all parts share; each worker process computes the same once."""
        return None  # type: ignore[return-value]

    def prepare_spread(self, config: Config, rng: np.random.Generator, spread: Spread) -> Prepared:
        """Return the result of `prepare`, with work spread over a cluster.

        A cluster computes it once and sends it to each worker, so the result and the spread functions and values must
        be picklable.
        """
        return self.prepare(config, rng)

    def complete(
        self, prepared: Prepared, config: Config, generator_of: Callable[[Part], np.random.Generator]
    ) -> Prepared:
        """Return the prepared data, completed with what depends on the random streams of parts.

        Called once after `prepare` or `prepare_spread`; ``generator_of`` returns the generator that `run` gets for a part.
        """
        return prepared

    def pieces(self, part: Part, config: Config) -> Sequence[Part]:
        """Return the pieces of a part, which a cluster computes in parallel.

        The frames that `run` yields for all pieces, in order, equal those for the part. Each piece has the part's
        random stream.
        """
        return (part,)

    def run(self, part: Part, prepared: Prepared, config: Config, rng: np.random.Generator) -> Frames:
        """Return the rows of one part as frames by table name, or yield such frames one after the other.

        The columns ``assembly_id``, ``part`` and ``recorded_at`` are filled in by the caller. Rows of the table
        ``artifacts`` are a list of `lakebatch.experiment.artifact`.
        """
        raise NotImplementedError

    def dataset(
        self, tables: Mapping[str, pl.DataFrame], config: Config, *, level: float, feature_set: str
    ) -> tuple[pl.DataFrame, pl.Series]:
        """Return the exact features and target that models were trained on, from one assembly's stored rows.

        Parameters
        ----------
        tables : frames by table name
            The assembly's rows of this level and those that all levels share (``level`` NULL), of every
            table but the last.
        """
        raise ExperimentError(f"{self.name} does not say how to make a dataset. Implement dataset().")

    def sample_model(
        self,
        rows: pl.DataFrame,
        config: Config,
        rng: np.random.Generator,
        *,
        sample: int,
        level: float | None = None,
    ) -> str:
        """Return the model of one sample as SBML.

        Parameters
        ----------
        rows : frame
            The rows of the sample in ``samples``; none if they are not stored.
        rng : numpy.random.Generator
            The same as for `prepare`.
        level : float, optional
            The level with the values of which it is written; by default the clean ones.
        """
        raise ExperimentError(f"{self.name} does not say what a sample's model is. Implement sample_model().")

    def time_axis(self, config: Config) -> TimeAxis:
        """Return the times of the values of stored trajectories, for plots."""
        raise ExperimentError(
            f"{self.name} does not say at which times its trajectories are. Implement time_axis()."
        )

    def diagram(self, config: Config, rng: np.random.Generator) -> Diagram:
        """Return the simulated network; the generator is the same as for `prepare`."""
        raise ExperimentError(f"{self.name} has no diagram. Implement diagram().")

    def own_columns(self, config: Config) -> Sequence[Column]:
        """Return the experiment's own columns of ``results`` for a config; by default those of the class."""
        return self.columns

    def metric_names(self, config: Config) -> Sequence[str]:
        """Return the metrics by which results of a config are judged; by default those of the class.

        Without any they are its own metrics or, if it has none, the built-in ones. The table keeps the metrics of
        earlier runs beside these.
        """
        return self.metrics

    def base_seed(self, config: Config) -> int:
        """Return the seed from which the seed of each assembly derives, together with its run number."""
        return int(getattr(config, "seed", 0))

    def work(self, part: Part, config: Config) -> int:
        """Return the number of rows that the part will yield, for the progress display."""
        return 1

    def known_gaps(self, config: Config) -> list[str]:
        """Return descriptions of the parts that the config leaves out of a complete dataset."""
        return []
