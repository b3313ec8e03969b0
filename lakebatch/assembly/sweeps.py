"""Sweeps of one experiment: their plans, as append-only events in the table ``sweeps``."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any

import polars as pl

from lakebatch import _html
from lakebatch import _process as process
from lakebatch._text import nearest
from lakebatch._version import __version__
from lakebatch.assembly import labels
from lakebatch.assembly.record import now
from lakebatch.assembly.record_json import read_tree
from lakebatch.errors import AssemblyError, ConfigError, DamageError, UnknownNameError
from lakebatch.ids import ASSEMBLY_ID, canonical_json, check_no_secret, content_hash
from lakebatch.storage.delta import damage
from lakebatch.storage.delta.schema import conform
from lakebatch.storage.delta.table import Table
from lakebatch.storage.delta.version import TableVersion

TRANSACTION = "lakebatch.sweeps"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)
BASE, CHANGES = "config", "changes"
# of a plan: the config of the first point, and the changes of another point relative to it


@dataclass(frozen=True)
class SweepPoint:
    """One point of a sweep.

    Attributes
    ----------
    number : int
        Its number in the sweep, from 1; it stays when the sweep is edited.
    values : mapping
        The values of the swept keys.
    config : mapping
        The whole config.
    parts : int
        The number of parts of an assembly.
    dropped : bool
        Whether an edit has taken it out of the plan; its rows stay.
    """

    number: int
    values: Mapping[str, Any]
    config: Mapping[str, Any]
    parts: int
    dropped: bool = False

    @cached_property
    def config_hash(self) -> str:
        """The hash of the config, as assemblies record it."""
        return content_hash(canonical_json(self.config))


@dataclass(frozen=True, repr=False)
class Sweep:
    """The plan of a sweep after its last event.

    Attributes
    ----------
    definition : tuple of str
        What was asked for, for people.
    keys : tuple of str
        The swept keys.
    replicates : int
        The number of completed assemblies that each point shall have.
    seed : int, optional
        The seed of all its assemblies, if it is pinned.
    """

    name: str
    definition: tuple[str, ...]
    keys: tuple[str, ...]
    points: tuple[SweepPoint, ...] = field(repr=False)
    replicates: int
    seed: int | None = None
    event: int = 0
    at: datetime | None = None
    user: str | None = None

    def __repr__(self) -> str:
        count = f"{len(self.planned)} points x {self.replicates} replicates"
        return _html.short(f"<Sweep {self.name}: {count} of {', '.join(self.definition)}>")

    def row(self) -> dict[str, Any]:
        """Return the sweep as a row of a table."""
        fields = {"sweep": self.name, "keys": ", ".join(self.keys), "points": len(self.planned)}
        return fields | {"replicates": self.replicates, "seed": self.seed, "at": self.at, "user": self.user}

    @property
    def planned(self) -> list[SweepPoint]:
        """The points that are not dropped."""
        return [each for each in self.points if not each.dropped]

    def plan(self) -> str:
        """Return the plan as canonical JSON."""
        base = self.points[0].config if self.points else {}
        return canonical_json(
            {
                "definition": self.definition,
                "keys": self.keys,
                "replicates": self.replicates,
                "seed": self.seed,
                BASE: base,
                "points": [_point_record(each, base) for each in self.points],
            }
        )

    def edited(self, plan: Sweep) -> Sweep | None:
        """Return this sweep with another plan, None if nothing changes: points keep their numbers, by config.

        New points get new numbers; points that the new plan lacks are dropped.
        """
        known = {each.config_hash: each for each in self.points}
        wanted = {each.config_hash: each for each in plan.points}
        kept = [
            replace(each, dropped=each.config_hash not in wanted, values=_values(each, wanted))
            for each in self.points
        ]
        new = [each for each in plan.points if each.config_hash not in known]
        numbered = [replace(each, number=number) for number, each in enumerate(new, len(kept) + 1)]
        found = replace(plan, points=(*kept, *numbered), event=self.event)
        return None if found.plan() == self.plan() else replace(found, event=self.event + 1)


def _values(point: SweepPoint, wanted: Mapping[str, SweepPoint]) -> Mapping[str, Any]:
    same = wanted.get(point.config_hash)
    return point.values if same is None else same.values


def new_name(at: datetime) -> str:
    """Return a name for a sweep that has none: ``sweep_20261128_101500_1a2b``."""
    return f"sweep_{at:%Y%m%d_%H%M%S}_{secrets.token_hex(2)}"


def check_sweep_name(name: str) -> str:
    """Return the name of a new sweep.

    Raises
    ------
    ConfigError
        If it has another form, is that of an assembly, or contains a secret.
    """
    if not isinstance(name, str) or not NAME.fullmatch(name) or ASSEMBLY_ID.fullmatch(name):
        raise ConfigError(
            f"{name!r} is no name for a sweep. Expected up to 100 letters, digits and any of . _ - that begin with a "
            "letter or digit, and no assembly id."
        )
    return check_no_secret(name, "name of the sweep")


class SweepLog:
    """The sweeps of one experiment, in the table ``sweeps``."""

    def __init__(self, table: Table) -> None:
        self.table = table

    def write(self, plan: Sweep) -> tuple[Sweep, Sweep | None]:
        """Record a plan exactly once, and return the sweep in force and the one before.

        A sweep of this name that exists is edited, see `Sweep.edited`; the same plan again changes nothing.

        Raises
        ------
        AssemblyError
            If the sweep exists with another seed.
        """
        found: list[tuple[Sweep, Sweep | None]] = []

        def row_after(state: TableVersion, last: int) -> pl.DataFrame | None:
            known = {each.name: each for each in self._read(state)}.get(plan.name)
            made = plan if known is None else _edit(known, plan)
            if known is None or made is not None:
                found.append((replace(made or plan, at=now(), user=labels.user()), known))
                return self._frame(found[-1][0])
            committed = [each for each in found if each[0] == known]  # reported as failed, and yet there
            found.append(committed[0] if committed else (known, known))
            return None

        self.table.ensure()
        self.table.append_once(TRANSACTION, row_after, {"lakebatch.sweep": plan.name})
        return found[-1]

    def check_free(self, sweep: Sweep) -> None:
        """Raise `AssemblyError` if there is a sweep of the same name with another plan."""
        _is_known(sweep, self.all())

    def copy(self, sweep: Sweep) -> None:
        """Record a sweep of another lake with its time, unless it is known; raise as `check_free`."""

        def row_after(state: TableVersion, last: int) -> pl.DataFrame | None:
            return None if _is_known(sweep, self._read(state)) else self._frame(sweep)

        self.table.ensure()
        self.table.append_once(TRANSACTION, row_after, {"lakebatch.sweep": sweep.name})

    def all(self, until: datetime | None = None) -> list[Sweep]:
        """Return every sweep after its last event, oldest first; with a time, after the events by then."""
        return self._read(until=until) if self.table.exists() else []

    def get(self, name: str) -> Sweep:
        """Return a sweep by name.

        Raises
        ------
        UnknownNameError
            If there is none of this name.
        """
        known = {each.name: each for each in self.all()}
        if name not in known:
            raise UnknownNameError(
                f"Unknown sweep {name!r}. {nearest(name, known)} List them with: lakebatch sweeps"
                if known
                else f"Unknown sweep {name!r}. There is no sweep yet."
            )
        return known[name]

    def _read(self, state: TableVersion | None = None, until: datetime | None = None) -> list[Sweep]:
        rows = damage.newest_rows(self.table, state).unique(["sweep", "event"])
        if until is not None:
            rows = rows.filter(pl.col("at") <= until)
        first = rows.group_by("sweep").agg(begun=pl.col("at").min())
        last = rows.sort("event").group_by("sweep").last().join(first, on="sweep").sort("begun", "sweep")
        return [from_row(row) for row in last.iter_rows(named=True)]

    def _frame(self, sweep: Sweep) -> pl.DataFrame:
        row = {
            "sweep": sweep.name,
            "event": sweep.event,
            "at": sweep.at,
            "plan": sweep.plan(),
            "user": sweep.user,
            "code_version": __version__,
            "host": process.host(),
        }
        return conform(pl.DataFrame([row], schema=self.table.schema.polars), self.table.schema)


def _edit(known: Sweep, plan: Sweep) -> Sweep | None:
    if known.seed != plan.seed:
        raise AssemblyError(
            f"The sweep {known.name} has {_seed(known)}, not {_seed(plan)}. Give the same one, or another "
            "sweep_name=NAME (--sweep-name)."
        )
    return known.edited(plan)


def _seed(sweep: Sweep) -> str:
    return "no seed" if sweep.seed is None else f"the seed {sweep.seed}"


def _point_record(point: SweepPoint, base: Mapping[str, Any]) -> dict[str, Any]:
    record = {"point": point.number, "values": point.values, "parts": point.parts, "dropped": point.dropped}
    changes = _changes(base, point.config)
    if _changed(base, changes) == point.config:
        return {**record, CHANGES: changes}
    return {**record, BASE: point.config}


def _changes(base: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a config that differ from another, as a tree."""
    found: dict[str, Any] = {}
    for key, value in config.items():
        before = base.get(key)
        if key in base and canonical_json(before) == canonical_json(value):
            continue
        both = isinstance(before, Mapping) and isinstance(value, Mapping) and before.keys() == value.keys()
        found[key] = _changes(before, value) if both else value  # type: ignore[arg-type]
    return found


def _changed(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for key, value in changes.items():
        before = base.get(key)
        both = isinstance(before, Mapping) and isinstance(value, Mapping) and value.keys() <= before.keys()
        result[key] = _changed(before, value) if both else value  # type: ignore[arg-type]
    return result


def _is_known(sweep: Sweep, others: Iterable[Sweep]) -> bool:
    """Whether a sweep is among others; raise `AssemblyError` if its name is that of another plan."""
    known = next((each for each in others if each.name == sweep.name), None)
    if known is not None and known.plan() != sweep.plan():
        raise AssemblyError(
            f"The lake has another sweep {sweep.name!r} already. Import into another lake: "
            "lakebatch --lake FOLDER import-published PUBLICATION"
        )
    return known is not None


def from_row(row: Mapping[str, Any]) -> Sweep:
    """Return the sweep that a row of the table describes.

    Raises
    ------
    DamageError
        If the plan has another form.
    """
    place = f"Column 'plan' of event {row['event']} of the sweep {row['sweep']} in the table 'sweeps'"
    tree = read_tree(row["plan"], place)
    try:
        return Sweep(
            name=row["sweep"],
            definition=tuple(tree["definition"]),
            keys=tuple(tree["keys"]),
            points=tuple(_points(tree["points"], tree[BASE], tree["keys"])),
            replicates=int(tree["replicates"]),
            seed=tree["seed"],
            event=row["event"],
            at=row["at"],
            user=row["user"],
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DamageError(
            f"{place} is not of the form that lakebatch writes. Something else wrote it; put the table back from a backup."
        ) from error


def _points(
    records: Sequence[Mapping[str, Any]], base: Mapping[str, Any], keys: Sequence[str]
) -> Iterable[SweepPoint]:
    """Yield points, their values in the order of the keys; those of an earlier edit can have other keys."""
    for each in records:
        given = each["values"]
        values = {key: given[key] for key in (*(key for key in keys if key in given), *given)}
        config = each[BASE] if BASE in each else _changed(base, each[CHANGES])
        yield SweepPoint(int(each["point"]), values, config, int(each["parts"]), each["dropped"])
