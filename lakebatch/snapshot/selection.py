"""What a dataset is made of: a moment, statuses, assemblies and configs, and what to do about a mixture."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from lakebatch._text import excerpt, nearest
from lakebatch.assembly.labels import check_reference
from lakebatch.assembly.record import EVERY_STATUS, Include, Status
from lakebatch.errors import ConfigError
from lakebatch.experiment.config_files import parse_setting
from lakebatch.ids import canonical_json
from lakebatch.snapshot.moment import NEWEST, Moment

OnMix: TypeAlias = Literal["warn", "refuse", "ignore"]
Where: TypeAlias = "Mapping[str, Any] | Sequence[str] | str"
"""The type of conditions on a config: values by dotted key, or strings such as ``cohort.n_samples=60``."""
COMPLETED: tuple[Status, ...] = ("completed",)
MIN_HASH = 6
"""Fewest characters of a hash that stand for it; fewer digits are the number of a config."""


@dataclass(frozen=True)
class Condition:
    """The values that a config may have at a dotted key; digits are an index of a list."""

    key: str
    values: tuple[Any, ...]

    def __str__(self) -> str:
        return f"{self.key}={' or '.join(map(shown, self.values))}"

    def accepts(self, config: Mapping[str, Any]) -> bool:
        """Whether a config has one of the values."""
        return any(are_equal(look_up(config, self.key), each) for each in self.values)


@dataclass(frozen=True)
class Selection:
    """The rows of a dataset: of the assemblies to which all of these apply.

    Attributes
    ----------
    moment : Moment
        The state to read.
    statuses : tuple of str
        Their statuses.
    assemblies : tuple of str
        Their ids or names; empty for all.
    where : tuple of Condition
        Conditions on their configs.
    preset : str, optional
        The preset whose config they have.
    config : str, optional
        The number of their config, or the first characters of its hash.
    sweep : str, optional
        The sweep that they belong to.
    on_mix : {"warn", "refuse", "ignore"}
        What to do when they differ in config, code or packages.
    """

    moment: Moment = NEWEST
    statuses: tuple[Status, ...] = COMPLETED
    assemblies: tuple[str, ...] = ()
    where: tuple[Condition, ...] = ()
    preset: str | None = None
    config: str | None = None
    on_mix: OnMix = "warn"
    sweep: str | None = None

    @property
    def narrows(self) -> bool:
        """Whether it leaves out assemblies for another reason than their status."""
        return bool(self.assemblies or self.where or self.preset or self.config or self.sweep)

    @property
    def criteria(self) -> list[str]:
        """What it asks for beside moment and status, one text each."""
        named = {"preset": self.preset, "config": self.config, "sweep": self.sweep}
        configs = [f"{name} {value}" for name, value in named.items() if value]
        return [*self.assemblies, *map(str, self.where), *configs]

    @property
    def options(self) -> list[str]:
        """The words on a command line that select the same assemblies, without the moment."""
        statuses = () if self.statuses == COMPLETED else self.statuses
        given = [
            *(("--include", each) for each in statuses),
            *(("--assembly", each) for each in self.assemblies),
            *(("--where", f"{each.key}={shown(value)}") for each in self.where for value in each.values),
            *([("--preset", self.preset)] if self.preset else []),
            *([("--config", self.config)] if self.config else []),
            *([("--sweep", self.sweep)] if self.sweep else []),
        ]
        return [word for pair in given for word in pair]

    @property
    def arguments(self) -> dict[str, Any]:
        """The keyword arguments in Python that select the same assemblies, without the moment."""
        where = [f"{each.key}={shown(value)}" for each in self.where for value in each.values]
        given = {
            "include": [] if self.statuses == COMPLETED else list(self.statuses),
            "assembly": list(self.assemblies),
            "where": where,
            "preset": self.preset,
            "config": self.config,
            "sweep": self.sweep,
        }
        return {name: value for name, value in given.items() if value}

    def __str__(self) -> str:
        return ", ".join([" or ".join(self.statuses), *self.criteria, str(self.moment)])


def selection(
    moment: Moment = NEWEST,
    *,
    include: Include | None = None,
    assembly: str | Collection[str] | None = None,
    where: Where | None = None,
    preset: str | None = None,
    config: int | str | None = None,
    sweep: str | None = None,
    on_mix: OnMix = "warn",
) -> Selection:
    """Return a selection from the arguments of a method or the options of a command.

    >>> print(selection(where={"cohort.n_samples": 60}, config=2))
    completed, cohort.n_samples=60, config 2, now

    Raises
    ------
    ConfigError
        If one of them is malformed.
    """
    ids = [assembly] if isinstance(assembly, str) else list(assembly or ())
    return Selection(
        moment,
        COMPLETED if include is None else tuple(check_statuses(include)),
        tuple(dict.fromkeys(map(check_reference, ids))),
        _conditions(where or ()),
        preset,
        None if config is None else _config(config),
        check_on_mix(on_mix),
        sweep or None,
    )


def check_statuses(include: Include) -> list[Status]:
    """Return statuses as a list of at least one; a string is one status.

    >>> check_statuses("completed")
    ['completed']

    Raises
    ------
    ConfigError
        If there is no such status.
    """
    is_one = isinstance(include, str) or not isinstance(include, Collection)
    statuses: list[Any] = [include] if is_one else list(include)
    if not statuses:
        raise ConfigError(
            f"There is no status in include. Expected one or more of: {', '.join(EVERY_STATUS)}."
        )
    for each in statuses:
        if each not in EVERY_STATUS:
            raise ConfigError(f"Unknown status {each!r} in include. {nearest(str(each), EVERY_STATUS)}")
    return statuses


def check_on_mix(on_mix: OnMix) -> OnMix:
    """Raise `ConfigError` for a word that does not say what to do about a mixture; return it otherwise."""
    if on_mix not in get_args(OnMix):
        raise ConfigError(f"Unknown on_mix {on_mix!r}. {nearest(str(on_mix), get_args(OnMix))}")
    return on_mix


ABSENT = object()


def look_up(tree: Any, key: str) -> Any:
    """Return the value at a dotted key of a config, or `ABSENT`.

    >>> look_up({"models": [{"name": "ridge"}]}, "models.0.name")
    'ridge'
    """
    for step in key.split("."):
        if isinstance(tree, Mapping) and step in tree:
            tree = tree[step]
        elif isinstance(tree, list) and step.isdecimal() and int(step) < len(tree):
            tree = tree[int(step)]
        else:
            return ABSENT
    return tree


def shown(value: Any) -> str:
    """Return a value of a config as text; a string as it is."""
    return value if isinstance(value, str) else canonical_json(value)


def are_equal(one: Any, other: Any) -> bool:
    """Whether two values of a config are the same in JSON, where 60 is 60.0.

    >>> are_equal([60, {"a": None}], (60.0, {"a": None})), are_equal(1, True), are_equal(1, "1")
    (True, False, False)
    """
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(are_equal(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(are_equal, one, other))
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def _conditions(where: Where) -> tuple[Condition, ...]:
    """Return the conditions of values by key, or of strings, where a repeated key has any of its values."""
    if isinstance(where, Mapping):
        return tuple(Condition(str(key), (value,)) for key, value in where.items())
    values: dict[str, list[Any]] = {}
    for text in [where] if isinstance(where, str) else where:
        key = text.partition("=")[0].strip()
        try:
            value = look_up(parse_setting(text), key)
        except ConfigError as error:
            raise ConfigError(
                f"Cannot read where {excerpt(text, 200)!r}. Expected key=value, e.g. cohort.n_samples=60."
            ) from error
        values.setdefault(key, []).append(value)
    return tuple(Condition(key, tuple(each)) for key, each in values.items())


def _config(config: int | str) -> str:
    """Return the number of a config, or the start of its hash, as text."""
    text = str(config).strip().lower()
    is_hash = len(text) >= MIN_HASH and not set(text) - set("0123456789abcdef")
    if isinstance(config, bool) or not (is_hash or text.isdecimal()):
        raise ConfigError(
            f"{config!r} is no config. Expected its number, as the report and replicates give it, "
            f"or the first {MIN_HASH} characters of its hash or more."
        )
    return text
