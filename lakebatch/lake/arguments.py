"""Keyword arguments that methods of a lake, an experiment and a snapshot share."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

from lakebatch._public import Hint, readable
from lakebatch._text import nearest
from lakebatch.assembly.record import Include
from lakebatch.errors import ConfigError
from lakebatch.snapshot.gaps import OnGap
from lakebatch.snapshot.moment import Moment, moment
from lakebatch.snapshot.selection import OnMix, Selection, Where, selection
from lakebatch.snapshot.snapshots import Snapshots
from lakebatch.snapshot.times import Time

if TYPE_CHECKING:
    from lakebatch.analysis.plots.options import By, MetricName
    from lakebatch.analysis.statistics import Unit
    from lakebatch.sql.options import QueryOptions

Function = TypeVar("Function", bound=Callable[..., Any])

# Defaults other than None
DEFAULTS: dict[str, Any] = {
    "on_gap": "warn", "on_mix": "warn", "unit": "split",
}  # fmt: skip


class StateArguments(TypedDict, total=False):
    """The state to read, by at most one of the three; the newest by default.

    Attributes
    ----------
    version : int
        Version of the results table.
    as_of : time
        ISO 8601 text, a date, a datetime, or a time of pandas or NumPy. It is local time unless it has a zone, and
        means the end of the day, minute or second that it names.
    tag : str
    """

    version: int | None
    as_of: Time | None
    tag: str | None


class AssemblyArguments(StateArguments, total=False):
    """The assemblies to list: a state, and all of these apply to each of them.

    Attributes
    ----------
    assembly : str or collection of str
        Assemblies to read, by id.
    where : mapping or strings
        Values in their configs, by dotted key: ``{"cohort.n_samples": 60}``, or ``"cohort.n_samples=60"``. In strings
        a repeated key has any of its values.
    preset : str
        Assemblies with the config of this preset.
    config : int or str
        Assemblies with this config: its number, as `replicates` and the report give it, or the start of its hash.
    sweep : str
        Assemblies of this sweep.
    """

    assembly: str | Collection[str] | None
    where: Where | None
    preset: str | None
    config: int | str | None
    sweep: str | None


class SelectionArguments(AssemblyArguments, total=False):
    """The dataset to read: a state, and the assemblies to which all of these and of `AssemblyArguments` apply.

    Attributes
    ----------
    include : statuses
        Assemblies to read, by status; completed ones by default.
    on_mix : {"warn", "refuse", "ignore"}
        What to do when the assemblies differ in config, code or packages.
    """

    include: Include
    on_mix: OnMix


class ViewArguments(TypedDict, total=False):
    """The rows that SQL views of pinned experiments show.

    Attributes
    ----------
    include : statuses
        Assemblies to read, by status; those of the snapshot by default.
    on_gap : {"warn", "refuse", "ignore"}
        What to do when a dataset has a gap. Only "ignore" leaves out data that cannot be read.
    also : mapping
        More snapshots, by name: with ``{"before": then}``, ``before.response_noise.results`` stands beside
        ``response_noise.results``.
    """

    include: Include
    on_gap: OnGap
    also: Mapping[str, Snapshots] | None


class QueryArguments(ViewArguments, total=False):
    """The rows that SQL views show, and the limits of a query.

    Attributes
    ----------
    timeout : float, s
        No limit by default.
    memory_limit : str
        Such as ``4GB`` or ``25%``; half of the memory of the machine or container by default.
    """

    timeout: float | None
    memory_limit: str | None


class LakeViewArguments(SelectionArguments, total=False):
    """The dataset that SQL views show; the other arguments are those of `ViewArguments`."""

    on_gap: OnGap
    also: Mapping[str, Snapshots] | None


class LakeQueryArguments(LakeViewArguments, total=False):
    """The dataset that SQL views show, and the limits of a query, see `QueryArguments`."""

    timeout: float | None
    memory_limit: str | None


class PlotArguments(SelectionArguments, total=False):
    """The dataset to draw, and the options of a picture, see `lakebatch.analysis.plots.Options`."""

    metric: MetricName | None
    by: By | None
    zoom: tuple[float, float] | None
    unit: Unit
    level: float | None
    x: str | None
    y: str | None


class PublicationArguments(TypedDict, total=False):
    """What a publication says of itself; what is not given is read from ``[publication]`` in ``lakebatch.toml``.

    Attributes
    ----------
    title, description : str
        By default the experiment's own words.
    authors : list
        Names such as ``Doe, Jane``, with ORCID and affiliation after semicolons or as a mapping of ``name``, ``orcid``
        and ``affiliation``.
    license : str
        SPDX identifier, such as CC-BY-4.0.
    keywords : list of str
    doi : str
        The DOI that was reserved for it.
    draft : bool
        Mark it as a draft, which may lack authors and licence.
    """

    title: str | None
    description: str | None
    authors: Sequence[str | Mapping[str, str]]
    license: str | None
    keywords: Sequence[str]
    doi: str | None
    draft: bool


def takes(arguments: type) -> Callable[[Function], Function]:
    """Spell out keyword arguments in the signature that ``help`` and notebooks show.

    >>> @takes(StateArguments)
    ... def rows(**state): ...
    >>> list(inspect.signature(rows).parameters)
    ['version', 'as_of', 'tag']
    """

    def decorate(function: Function) -> Function:
        signature = inspect.signature(readable(function))
        *own, _ = signature.parameters.values()
        shared = [_parameter(name, hint) for name, hint in arguments.__annotations__.items()]
        function.__signature__ = signature.replace(parameters=[*own, *shared])  # type: ignore[attr-defined]
        return function

    return decorate


def _parameter(name: str, hint: Any) -> inspect.Parameter:
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=DEFAULTS.get(name),
        annotation=Hint(getattr(hint, "__forward_arg__", hint)),
    )


def moment_of(given: Mapping[str, Any]) -> Moment:
    """Return the moment that the arguments of a state name.

    >>> moment_of({"version": 3})
    Moment(version=3, time=None, tag=None)
    """
    check(given, StateArguments)
    return moment(**given)


def selection_of(given: Mapping[str, Any], arguments: type = SelectionArguments) -> Selection:
    """Return the selection that arguments name.

    >>> print(selection_of({"version": 3, "where": "cohort.n_samples=60"}))
    completed, cohort.n_samples=60, version 3
    """
    return split(given, arguments)[0]


def split(given: Mapping[str, Any], arguments: type) -> tuple[Selection, dict[str, Any]]:
    """Return the selection that arguments name, and the other arguments."""
    check(given, arguments)
    state, selected = StateArguments.__annotations__, SelectionArguments.__annotations__
    at = moment(**{name: value for name, value in given.items() if name in state})
    chosen = {name: value for name, value in given.items() if name in selected and name not in state}
    others = {name: value for name, value in given.items() if name not in selected}
    return selection(at, **chosen), others


def of_query(
    name: str, parameters: Mapping[str, Any] | None, given: Mapping[str, Any], arguments: type
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the parameters of a named query, also those given as keywords, and the other keywords.

    Raises
    ------
    TypeError
        If a keyword is neither a parameter nor among those expected.
    ConfigError
        If a parameter is given twice.
    """
    from lakebatch.sql import named  # as below

    expected = arguments.__annotations__
    own = {key: value for key, value in given.items() if key not in expected}
    if own:
        known = named.get(name).parameters
        for key in own.keys() - known.keys():
            raise TypeError(
                f"Unexpected keyword argument {key!r}. {nearest(key, [*known, *expected, 'parameters'])}"
            )
    if twice := own.keys() & (parameters or {}).keys():
        raise ConfigError(f"{min(twice)!r} is a keyword and in parameters. Expected it once.")
    return {**(parameters or {}), **own}, {key: given[key] for key in given.keys() - own.keys()}


def query_options(given: Mapping[str, Any], arguments: type = QueryArguments) -> QueryOptions:
    """Return the options of a query that arguments give."""
    from lakebatch.sql.options import QueryOptions  # SQL is loaded when it is asked for

    check(given, arguments)
    return QueryOptions(**{name: value for name, value in given.items() if name != "include"})


def check(given: Mapping[str, Any], arguments: type) -> None:
    """Raise TypeError for a keyword argument that is not among those expected."""
    expected = arguments.__annotations__
    for name in given.keys() - expected.keys():
        raise TypeError(
            f"Unexpected keyword argument {name!r}. {nearest(name, [*_caller_arguments(), *expected])}"
        )


def _caller_arguments() -> tuple[str, ...]:
    """Return the arguments that the method which was called has of its own."""
    frame = sys._getframe()
    while frame.f_globals.get("__name__") == __name__ and frame.f_back is not None:
        frame = frame.f_back
    code = frame.f_code
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    return tuple(name for name in names if name != "self")
